"""Native histograms in remote read: the reader of remote write finds what was written."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from veriscope.signals import (
    HistogramSamples,
    LabelSets,
    RaggedSamples,
    Segment,
    to_labels,
)
from veriscope.signals.histograms import CUSTOM_BUCKETS, Buckets, Histograms, Runs
from veriscope.wire import remote_read
from veriscope.wire.remote_write_v1 import decode_v1

T0 = 1_700_000_000_000
SIDES = st.dictionaries(st.integers(-200, 200), st.integers(1, 9).map(float), max_size=8)


def buckets(sides: list[dict[int, float]]) -> Buckets:
    """Return each histogram's buckets in columns."""
    index = [place for side in sides for place in sorted(side)]
    count = [side[place] for side in sides for place in sorted(side)]
    offsets = np.cumsum([0, *map(len, sides)])
    return Buckets(offsets, np.array(index, dtype=np.int32), np.array(count, dtype=float))


def histograms(positive: list[dict[int, float]], negative: list[dict[int, float]]) -> Histograms:
    """Return exponential histograms with these buckets."""
    count = len(positive)
    numbers = np.arange(count, dtype=float)
    totals = [
        sum(up.values()) + sum(down.values()) + place
        for place, (up, down) in enumerate(zip(positive, negative, strict=True))
    ]
    return Histograms(
        schema=(np.arange(count) % 9 - 2).astype(np.int8),
        reset_hint=(np.arange(count) % 4).astype(np.int8),
        count=np.array(totals, dtype=float),
        sum=numbers * 1.5,
        zero_threshold=numbers / 1000,
        zero_count=numbers,
        positive=buckets(positive),
        negative=buckets(negative),
        bounds=Runs.none(count),
    )


def answered(samples: RaggedSamples) -> bytes:
    """Return the result of a query; its fields are those of a remote write message."""
    return b"".join(remote_read.samples_of(samples, samples.labels))


def segment(values: Histograms, rows: list[int], count: int) -> Segment:
    """Return rows with these histograms and no floats."""
    nothing = np.zeros(count, dtype=np.int64)
    times = T0 + np.arange(len(rows), dtype=np.int64)
    native = HistogramSamples(np.array(rows, dtype=np.int64), times, values)
    return Segment(nothing, nothing, np.empty(0, dtype=np.int64), np.empty(0), native)


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_histograms_are_read_back_bucket_by_bucket(sides: list[tuple[dict, dict]]) -> None:  # type: ignore[type-arg]
    """With their schema, hint, zero bucket, count and sum."""
    written = histograms([up for up, _ in sides], [down for _, down in sides])
    rows = sorted(np.arange(len(sides)) % 2)
    labels = LabelSets([to_labels({"__name__": "m", "n": n}) for n in ("0", "1")])
    found = decode_v1(answered(RaggedSamples(labels, (segment(written, rows, 2),))), (1, 2))
    assert_array_equal(found.histogram_times_ms, T0 + np.arange(len(sides)))
    assert_array_equal(found.histogram_series, rows)
    for name in ("schema", "reset_hint", "count", "sum", "zero_threshold", "zero_count"):
        assert_array_equal(getattr(found.histograms, name), getattr(written, name))
    for side in ("positive", "negative"):
        for name in ("offsets", "index", "count"):
            read, expected = getattr(found.histograms, side), getattr(written, side)
            assert_array_equal(getattr(read, name), getattr(expected, name))


def test_custom_bounds_and_floats_stand_side_by_side() -> None:
    """In the rows that they belong to, also where rows are written in portions."""
    custom = Histograms(
        schema=np.array([CUSTOM_BUCKETS], dtype=np.int8),
        reset_hint=np.zeros(1, dtype=np.int8),
        count=np.array([3.0]),
        sum=np.array([7.0]),
        zero_threshold=np.zeros(1),
        zero_count=np.zeros(1),
        positive=buckets([{0: 1.0, 2: 2.0}]),
        negative=buckets([{}]),
        bounds=Runs(np.array([0, 2]), np.array([0.5, 2.5])),
    )
    native = HistogramSamples(np.array([1]), np.array([T0 + 5]), custom)
    floats = Segment(
        np.array([0, 1, 1]),
        np.array([1, 1, 2]),
        np.array([T0, T0 + 1]),
        np.array([4.0, 5.0]),
        native,
    )
    labels = LabelSets([to_labels({"__name__": "m", "n": str(n)}) for n in range(3)])
    found = decode_v1(answered(RaggedSamples(labels, (floats,))), (1, 2))
    assert_array_equal(found.series, [0, 2])
    assert_array_equal(found.values, [4.0, 5.0])
    assert_array_equal(found.histogram_series, [1])
    assert_array_equal(found.histograms.bounds.values, [0.5, 2.5])
    assert_array_equal(found.histograms.positive.index, [0, 2])

"""Native histograms in remote read: slow readers of both forms find what was written."""

import struct
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.remote_read_answers import GAUGE, NO_RESET, RESET, UNKNOWN, Histogram, read_frames
from veriscope.signals import (
    STALE_NAN,
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


POINTS = st.tuples(
    st.sampled_from([{}, {1: 2.0}, {1: 2.0, 2: 0.5}, {-3: 1.0, 1: 4.0, 2: 9.0, 7: 1e9}]),
    st.sampled_from([{}, {5: 1.0}]),
    st.sampled_from([0, 0, 0, 3]),  # the schema
    st.sampled_from([UNKNOWN, UNKNOWN, UNKNOWN, RESET, NO_RESET, GAUGE]),
    st.sampled_from([0.0, 0.0, 0.0, 0.001]),  # the zero threshold
    st.one_of(st.integers(0, 6).map(float), st.floats(0, 1e12)),  # the count
    st.sampled_from([1.5, 1.5, -0.0, float("inf"), STALE_NAN]),  # the sum
    st.sampled_from([True, True, True, False]),  # whether it is a histogram, and no float
    st.integers(1, 100_000),  # milliseconds since the one before
)


def bits(*values: float) -> tuple[bytes, ...]:
    """Return the bytes of each value."""
    return tuple(struct.pack("<d", value) for value in values)


def chunks_of(samples: RaggedSamples) -> list[list[tuple[int, object]]]:
    """Return every chunk of the answer."""
    frames = b"".join(remote_read.chunk_frames(samples, samples.labels, 0))
    return [chunk for _, _, chunks in read_frames(frames) for chunk in chunks]


@given(st.lists(POINTS, max_size=30))
@settings(max_examples=150, deadline=None)
def test_chunks_hold_histograms_and_floats_in_order(points: list[Any]) -> None:
    """Bit by bit; and no reset is hidden in a chunk, nor said where none was."""
    native = [point for point in points if point[7]]
    values = histograms([point[0] for point in native], [point[1] for point in native])
    values = replace(
        values,
        schema=np.array([point[2] for point in native], dtype=np.int8),
        reset_hint=np.array([point[3] for point in native], dtype=np.int8),
        zero_threshold=np.array([point[4] for point in native]),
        count=np.array([point[5] for point in native]),
        zero_count=np.array([point[5] / 2 for point in native]),
        sum=np.array([point[6] for point in native]),
    )
    times = T0 + np.cumsum([point[8] for point in points], dtype=np.int64)
    of_histograms = np.array([point[7] for point in points], dtype=np.bool_)
    floats = np.array([point[5] for point in points if not point[7]], dtype=float)
    row = Segment(
        np.zeros(1, dtype=np.int64),
        np.array([len(floats)]),
        times[~of_histograms],
        floats,
        HistogramSamples(np.zeros(len(native), dtype=np.int64), times[of_histograms], values),
    )
    samples = RaggedSamples(LabelSets([to_labels({"__name__": "m"})]), (row,))
    chunks = chunks_of(samples)
    found = [sample for chunk in chunks for sample in chunk]
    assert [time for time, _ in found] == times.tolist()
    before: Any = None
    for (up, down, schema, hint, threshold, count, total, is_native, _), (_, read) in zip(
        points, found, strict=True
    ):
        if not is_native:
            assert read == bits(count)[0]
            before = None
            continue
        if bits(total) == bits(STALE_NAN):
            assert (read.sum, read.positive, read.negative) == (*bits(total), (), ())
            before = None
            continue
        falls = before is not None and (
            count < before[5]
            or any(up.get(place, 0) < value for place, value in before[0].items())
            or any(down.get(place, 0) < value for place, value in before[1].items())
        )
        hints = {hint, NO_RESET} if hint == UNKNOWN and before and not falls else {hint}
        assert read.hint in hints
        assert read == Histogram(
            schema,
            read.hint,
            *bits(threshold, count, count / 2, total),
            tuple((place, *bits(value)) for place, value in sorted(up.items())),
            tuple((place, *bits(value)) for place, value in sorted(down.items())),
        )
        before = (up, down, schema, hint, threshold, count)


def test_histograms_of_one_layout_share_chunks() -> None:
    """Of at most 120, across which a counter goes on."""
    count = 250
    sides = [{1: float(place), 4: 1.0} for place in range(count)]
    values = replace(
        histograms(sides, [{}] * count),
        schema=np.zeros(count, dtype=np.int8),
        reset_hint=np.zeros(count, dtype=np.int8),
        zero_threshold=np.full(count, 2.0**-128),
    )
    labels = LabelSets([to_labels({"__name__": "m"})])
    chunks = chunks_of(RaggedSamples(labels, (segment(values, [0] * count, 1),)))
    assert list(map(len, chunks)) == [120, 120, 10]
    read = [sample for chunk in chunks for _, sample in chunk]
    assert [sample.hint for sample in read[:3]] == [UNKNOWN, NO_RESET, NO_RESET]
    assert [sample.positive[0] for sample in read] == [
        (1, *bits(float(place))) for place in range(count)
    ]


def test_chunks_of_wide_histograms_are_cut_by_size() -> None:
    """A frame stays near its size, however many buckets there are."""
    count = 40
    sides = [dict.fromkeys(range(2000), 1.0 + row * 0.1) for row in range(count)]
    values = replace(
        histograms(sides, [{}] * count),
        schema=np.zeros(count, dtype=np.int8),
        zero_threshold=np.zeros(count),
        reset_hint=np.full(count, NO_RESET, dtype=np.int8),
    )
    labels = LabelSets([to_labels({"__name__": "m"})])
    samples = RaggedSamples(labels, (segment(values, [0] * count, 1),))
    assert max(map(len, chunks_of(samples))) < 8
    assert sum(map(len, chunks_of(samples))) == count


def test_custom_bounds_are_in_chunks_too() -> None:
    """Also next to rows that have none, in portions of one row."""
    custom = Histograms(
        schema=np.full(2, CUSTOM_BUCKETS, dtype=np.int8),
        reset_hint=np.zeros(2, dtype=np.int8),
        count=np.array([3.0, 4.0]),
        sum=np.array([7.0, 9.0]),
        zero_threshold=np.zeros(2),
        zero_count=np.zeros(2),
        positive=buckets([{0: 1.0, 2: 2.0}, {0: 2.0, 2: 2.0}]),
        negative=buckets([{}, {}]),
        bounds=Runs(np.array([0, 2, 4]), np.array([0.5, 2.5, 0.5, 3.5])),
    )
    labels = LabelSets([to_labels({"__name__": "m", "n": str(n)}) for n in range(2)])
    chunks = chunks_of(RaggedSamples(labels, (segment(custom, [1, 1], 2),)))
    assert [sample.bounds for chunk in chunks for _, sample in chunk] == [
        bits(0.5, 2.5),
        bits(0.5, 3.5),
    ]
    assert [len(chunk) for chunk in chunks] == [1, 1]

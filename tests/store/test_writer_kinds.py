"""Native histograms, exemplars and remote write 2.0 through the writer, down to the tables."""

import struct

import numpy as np
import pytest

from veriscope.signals import (
    FetchLimits,
    InvalidInputError,
    Labels,
    MetricMetadata,
    MetricType,
    PartlyRefusedError,
    SampleBatch,
    to_labels,
)
from veriscope.signals.exemplars import ExemplarBatch
from veriscope.signals.histograms import Buckets, HistogramBatch, Histograms, Runs
from veriscope.store import MetricWriter, RefusedError, SeriesLimits, Store
from veriscope.wire.protobuf_fields import delimited, varint
from veriscope.wire.remote_write import _sample

T0 = 1_700_000_000_000
GOOD = to_labels({"__name__": "good", "job": "test"})


def symbols(*texts: str) -> bytes:
    """Return the symbols of a request, the empty one first."""
    return b"".join(delimited(4, text.encode()) for text in ("", *texts))


def series(refs: tuple[int, ...], *parts: bytes) -> bytes:
    """Return a series of a request of version 2."""
    return delimited(5, delimited(1, b"".join(map(varint, refs))) + b"".join(parts))


def described(kind: int, text: int, unit: int = 0) -> bytes:
    """Return metadata beside a series."""
    return delimited(
        5, b"".join((b"\x08", varint(kind), b"\x18", varint(text), b"\x20", varint(unit)))
    )


def exemplar(value: float, time_ms: int, *refs: int) -> bytes:
    """Return an exemplar of version 2."""
    own = delimited(1, b"".join(map(varint, refs)))
    return delimited(4, own + b"\x11" + struct.pack("<d", value) + b"\x18" + varint(time_ms))


def histograms(count: int, first: float = 1.0) -> Histograms:
    """Return *count* histograms of two positive buckets and one negative."""
    pairs = np.arange(count + 1) * 2
    return Histograms(
        schema=np.full(count, 3, dtype=np.int8),
        reset_hint=np.zeros(count, dtype=np.int8),
        count=np.arange(count) + first + 3,
        sum=np.full(count, 5.5),
        zero_threshold=np.full(count, 0.25),
        zero_count=np.zeros(count),
        positive=Buckets(
            pairs, np.tile([4, 7], count).astype(np.int32), np.tile([first, 2.0], count)
        ),
        negative=Buckets(np.arange(count + 1), np.full(count, -2, dtype=np.int32), np.ones(count)),
        bounds=Runs.none(count),
    )


def histogram_batch(*label_sets: Labels, first: float = 1.0, time_ms: int = T0) -> HistogramBatch:
    """Return one histogram of each of *label_sets*."""
    count = len(label_sets)
    numbers = np.arange(count, dtype=np.uint32)
    return HistogramBatch(label_sets, numbers, np.full(count, time_ms), histograms(count, first))


def exemplar_batch(labels: Labels, *own: Labels) -> ExemplarBatch:
    """Return exemplars of one series."""
    count = len(own)
    times = T0 + np.arange(count)
    return ExemplarBatch((labels,), np.zeros(count, np.uint32), times, np.ones(count), own)


def rows(store: Store, sql: str) -> list[dict[str, object]]:
    """Return the rows of *sql*."""
    return list(store._engine.query(sql).to_pylist())


def test_native_histograms_are_stored_once(store: Store) -> None:
    """All of their columns; of two at one time the one with the greater count."""
    for first in (1.0, 9.0, 4.0):
        store.metrics.insert_batches([histogram_batch(GOOD, first=first)])
    [found] = rows(
        store,
        "SELECT * EXCEPT ts, toUnixTimestamp64Milli(ts) AS ts FROM histograms FINAL",
    )
    assert found == {
        "metric": "good",
        "id": rows(store, "SELECT id FROM series")[0]["id"],
        "ts": T0,
        "reset_hint": 0,
        "schema": 3,
        "count": 12.0,
        "sum": 5.5,
        "zero_threshold": 0.25,
        "zero_count": 0.0,
        "positive_index": [4, 7],
        "positive_count": [9.0, 2.0],
        "negative_index": [-2],
        "negative_count": [1.0],
        "custom_bounds": [],
    }
    [covered] = rows(store, "SELECT count() AS n FROM series FINAL")
    assert covered["n"] == 1


def test_a_commit_carries_its_histograms(store: Store) -> None:
    """With those of all requests of the group, and samples beside them."""
    other = to_labels({"__name__": "other"})
    samples = SampleBatch.at((other,), np.ones(1), T0 + 9)
    version = store.commits.version
    requests = [histogram_batch(GOOD, other), samples, histogram_batch(GOOD, time_ms=T0 - 7)]
    assert store.metrics.insert(requests) == [None] * 3
    [commit] = store.commits.since(version) or ()
    assert commit.histograms is not None
    names = [commit.metrics[place] for place in commit.histograms.metric.tolist()]
    assert names == ["good", "other", "good"]
    assert commit.histograms.timestamps_ms.tolist() == [T0, T0, T0 - 7]
    assert commit.histograms.values.count.tolist() == [4.0, 5.0, 4.0]
    assert commit.histograms.ids[0] == commit.histograms.ids[2]
    assert commit.timestamps_ms.tolist() == [T0 + 9]
    assert store.commits.first_ms_since(version) == T0 - 7
    assert sum(map(len, commit.new_series)) == 2


def test_a_batch_of_bad_histograms_is_refused(store: Store) -> None:
    """Whoever made it."""
    bad = histogram_batch(GOOD)
    bad.values.count[0] = -1.0
    with pytest.raises(InvalidInputError, match="negative count"):
        store.metrics.insert_batches([bad])
    assert rows(store, "SELECT 1 FROM histograms") == []


def test_exemplars_are_stored_once(store: Store) -> None:
    """However often they are sent, each with its own labels."""
    own = (to_labels({"trace_id": "a"}), to_labels({"trace_id": "b", "span_id": "c"}), ())
    for _ in range(3):
        store.metrics.insert_batches([exemplar_batch(GOOD, *own)])
    found = rows(
        store,
        "SELECT metric, toUnixTimestamp64Milli(ts) AS ts, value,"
        " CAST(labels, 'Map(String, String)') AS labels FROM exemplars FINAL ORDER BY ts",
    )
    assert [(row["metric"], row["ts"], row["value"]) for row in found] == [
        ("good", T0 + place, 1.0) for place in range(3)
    ]
    assert [to_labels(row["labels"]) for row in found] == list(own)
    assert len(rows(store, "SELECT 1 FROM series FINAL")) == 1


def test_version_2_stores_what_version_1_does(store: Store) -> None:
    """The same ids, and metadata by the name of the family."""
    body = symbols(
        "__name__", "good", "job", "test", "h_bucket", "Help.", "trace_id", "x"
    ) + b"".join(
        (
            series((3, 4, 1, 2), _sample(T0, 1.0), described(2, 6), exemplar(0.5, 0, 7, 8)),
            series((1, 5), _sample(T0, 2.0), described(3, 6)),
        )
    )
    store.metrics.insert_batches([SampleBatch.at((GOOD,), np.ones(1), T0 + 1)])
    store.metrics.insert_remote_write([body, body], version=2)
    assert len(rows(store, "SELECT 1 FROM samples FINAL")) == 3
    assert sorted(row["metric"] for row in rows(store, "SELECT metric FROM series FINAL")) == [
        "good",
        "h_bucket",
    ]
    known = rows(
        store, "SELECT metric, type, help, unit FROM metric_metadata FINAL ORDER BY metric"
    )
    assert [tuple(row.values()) for row in known] == [
        ("good", "gauge", "Help.", ""),
        ("h", "histogram", "Help.", ""),
    ]
    [found] = rows(store, "SELECT toUnixTimestamp64Milli(ts) AS ts, value FROM exemplars FINAL")
    assert found == {"ts": T0, "value": 0.5}


def test_metadata_beside_series_is_stored_when_it_changes(store: Store) -> None:
    """And not with each request that repeats it."""
    first = symbols("__name__", "m", "Old.", "New.")
    count = "SELECT count() AS n FROM metric_metadata"
    for text, expected in ((3, 1), (3, 1), (4, 2), (4, 2)):
        body = first + series((1, 2), _sample(T0, 1.0), described(1, text, 0))
        store.metrics.insert_remote_write([body], version=2)
        assert rows(store, count) == [{"n": expected}]
    assert store.series.metadata("m", FetchLimits()) == (
        MetricMetadata("m", MetricType.COUNTER, "New.", ""),
    )


def test_an_exemplar_without_time_and_sample_is_refused(store: Store) -> None:
    """Nobody could find it."""
    body = symbols("__name__", "m", "a", "b") + series((1, 2), exemplar(1.0, 0, 3, 4))
    with pytest.raises(RefusedError, match="no timestamp, and no sample"):
        store.metrics.insert_remote_write([body], version=2)


def test_a_limit_counts_each_kind_that_it_refuses(store: Store) -> None:
    """A sender of 2.0 is told how much of each was written."""
    into = MetricWriter(store._engine, limits=SeriesLimits(max_series=1))
    body = symbols("__name__", "a", "b", "t", "1") + b"".join(
        (
            series((1, 2), _sample(T0, 1.0), exemplar(1.0, T0, 4, 5)),
            series((1, 3), _sample(T0, 1.0), _sample(T0 + 1, 1.0), exemplar(1.0, T0, 4, 5)),
        )
    )
    [outcome] = into.insert([into.decode(body, 2)])
    assert isinstance(outcome, PartlyRefusedError)
    assert (outcome.samples, outcome.histograms, outcome.exemplars) == (2, 0, 1)
    assert outcome.refused == 3
    assert len(rows(store, "SELECT 1 FROM samples")) == 1
    assert len(rows(store, "SELECT 1 FROM exemplars")) == 1
    [outcome] = into.insert([histogram_batch(GOOD)])
    assert isinstance(outcome, PartlyRefusedError)
    assert outcome.histograms == 1
    assert rows(store, "SELECT 1 FROM histograms") == []

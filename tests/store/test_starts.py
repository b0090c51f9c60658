"""Zeros where series began to count, through the writer, down to the tables."""

from typing import Any

import numpy as np
import pytest

from veriscope.signals import STALE_NAN
from veriscope.store import EngineError, MetricWriter, SeriesLimits, Store
from veriscope.wire.protobuf_fields import delimited, varint
from veriscope.wire.remote_write import _sample

T0 = 1_700_000_000_000
DAY = 24 * 3_600_000
_SYMBOLS = b"".join(delimited(4, text) for text in (b"", b"__name__", b"m", b"other"))


def sample(time_ms: int, value: float, start_ms: int) -> bytes:
    """Return a sample of version 2 that began to count at *start_ms*."""
    return delimited(2, _sample(time_ms, value)[2:] + b"\x18" + varint(start_ms))


def histogram(time_ms: int, start_ms: int, hint: int = 0) -> bytes:
    """Return a histogram of five observations in one bucket of schema 3."""
    spans = delimited(11, b"\x08\x02\x10\x01") + delimited(12, b"\x0a")
    times = b"\x78" + varint(time_ms) + b"\x88\x01" + varint(start_ms)
    return delimited(3, b"\x08\x05\x20\x06" + spans + b"\x70" + varint(hint) + times)


def body(*points: bytes, name: int = 2) -> bytes:
    """Return a request of one series."""
    return _SYMBOLS + delimited(5, delimited(1, b"\x01" + varint(name)) + b"".join(points))


def stored(store: Store) -> list[tuple[int, float]]:
    """Return time (from `T0`) and value of all samples, those that are there twice included."""
    found = store._engine.query(
        "SELECT toUnixTimestamp64Milli(ts) AS ts, value FROM samples ORDER BY ts"
    ).to_pylist()
    return [(row["ts"] - T0, row["value"]) for row in found]


@pytest.mark.parametrize(
    ("time_ms", "value", "start_ms", "expected"),
    [
        (T0, 5.0, T0 - 9, [(-9, 0.0), (0, 5.0)]),
        (T0, 5.0, T0 - DAY, [(-DAY, 0.0), (0, 5.0)]),
        (T0, 5.0, T0 - DAY - 1, [(0, 5.0)]),
        (T0, 5.0, T0, [(0, 5.0)]),
        (T0, 5.0, T0 + 9, [(0, 5.0)]),
        (T0, 5.0, 2**64 - 1, [(0, 5.0)]),
    ],
    ids=("before", "a-day", "too-old", "same", "after", "negative"),
)
def test_a_zero_stands_where_a_series_began(
    store: Store, time_ms: int, value: float, start_ms: int, expected: list[tuple[int, float]]
) -> None:
    """Before its sample, by a day at most."""
    store.metrics.insert_remote_write([body(sample(time_ms, value, start_ms))], version=2)
    assert stored(store) == expected


def test_a_stale_marker_did_not_begin(store: Store) -> None:
    """It says that a series ends."""
    store.metrics.insert_remote_write([body(sample(T0, STALE_NAN, T0 - 9))], version=2)
    assert [time for time, _ in stored(store)] == [0]


def test_a_zero_is_written_once(store: Store) -> None:
    """Not with each sample that repeats the start, nor at one that samples have passed."""
    write = store.metrics.insert_remote_write
    write([body(sample(T0, 5.0, T0 - 9)), body(sample(T0 + 1, 6.0, T0 - 9))], version=2)
    write([body(sample(T0 + 20, 7.0, T0 - 9)), body(sample(T0 + 30, 8.0, T0 + 5))], version=2)
    write([body(sample(T0 + 50, 1.0, T0 + 40))], version=2)
    assert [time for time, value in stored(store) if value == 0] == [-9, 40]
    assert len(stored(store)) == 7
    MetricWriter(store._engine).insert_remote_write([body(sample(T0, 5.0, T0 - 9))], version=2)
    store.compact()
    assert [time for time, value in stored(store) if value == 0] == [-9, 40]


def test_a_value_at_the_start_stays(store: Store) -> None:
    """It is the greater one."""
    store.metrics.insert_remote_write([body(_sample(T0 - 9, 3.0))], version=2)
    store.metrics.insert_remote_write([body(sample(T0, 5.0, T0 - 9))], version=2)
    store.compact()
    assert stored(store) == [(-9, 3.0), (0, 5.0)]


def test_a_zero_lies_within_its_series(store: Store) -> None:
    """In another week than its sample, too."""
    monday = T0 - (T0 + 3 * DAY) % (7 * DAY)
    store.metrics.insert_remote_write([body(sample(monday + 5, 5.0, monday - 5))], version=2)
    spans = store._engine.query(
        "SELECT week, toUnixTimestamp64Milli(first_ts) <= ts AND ts <= toUnixTimestamp64Milli("
        "last_ts) AS within, toUnixTimestamp64Milli(samples.ts) AS ts FROM series"
        " JOIN samples ON series.id = samples.id AND series.week = toMonday(samples.ts)"
    ).to_pylist()
    assert [row["within"] for row in spans] == [1, 1]


@pytest.mark.parametrize(("hint", "zeros"), [(0, [(-9, 0.0, 1)]), (3, [])], ids=("counts", "gauge"))
def test_a_histogram_begins_empty(
    store: Store, hint: int, zeros: list[tuple[int, float, int]]
) -> None:
    """With the schema of what follows, and as a reset of what was before."""
    for time_ms in (T0, T0 + 1):
        point = histogram(time_ms, T0 - 9, hint)
        store.metrics.insert_remote_write([body(point)], version=2)
    rows = store._engine.query(
        "SELECT toUnixTimestamp64Milli(ts) AS ts, count, reset_hint, schema,"
        " length(positive_index) AS buckets FROM histograms ORDER BY ts"
    ).to_pylist()
    found = [(row["ts"] - T0, row["count"], row["reset_hint"]) for row in rows]
    assert found[:-2] == zeros
    assert [row["buckets"] for row in rows] == [0] * len(zeros) + [1, 1]
    assert {row["schema"] for row in rows} == {3}


def test_a_series_that_is_refused_has_no_zero(store: Store) -> None:
    """The start of another one is not taken for its own."""
    into = MetricWriter(store._engine, limits=SeriesLimits(max_series=1))
    other = delimited(5, delimited(1, b"\x01\x03") + sample(T0, 1.0, T0 - 5))
    message = body(sample(T0, 5.0, T0 - 9)) + other
    assert into.insert([into.decode(message, 2)]) != [None]
    assert stored(store) == [(-9, 0.0), (0, 5.0)]


def test_what_failed_brings_its_zero_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender repeats the request, and nothing of it may be missing then."""

    def fail(*_: Any) -> None:
        raise EngineError("full")

    with monkeypatch.context() as patch:
        patch.setattr(store._engine, "insert_arrow", fail)
        with pytest.raises(EngineError):
            store.metrics.insert_remote_write([body(sample(T0, 5.0, T0 - 9))], version=2)
    store.metrics.insert_remote_write([body(sample(T0, 5.0, T0 - 9))], version=2)
    assert stored(store) == [(-9, 0.0), (0, 5.0)]


def test_a_backfill_of_most_weeks_goes_without_zeros(store: Store) -> None:
    """One more week would be more than an insert may reach."""
    monday = T0 - (T0 + 3 * DAY) % (7 * DAY)
    times = [monday - week * 7 * DAY for week in range(99, -1, -1)]
    points = [sample(time_ms, 5.0, time_ms - 5) for time_ms in times]
    store.metrics.insert_remote_write([body(*points)], version=2)
    assert np.array(stored(store))[:, 1].tolist() == [5.0] * 100

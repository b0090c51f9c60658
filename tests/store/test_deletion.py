"""Deleting series: gone from the next read, and only what was named."""

from collections.abc import Callable

import numpy as np
import pytest

from veriscope.signals import (
    FetchLimits,
    Labels,
    Matcher,
    MatchOp,
    RawFetch,
    SampleBatch,
    SeriesFetch,
    to_labels,
)
from veriscope.store import Store

T0 = 1_700_000_000_000
EVER = (0, 9_999_999_999_999)
LIMITS = FetchLimits()
HOUR_MS = 3_600_000


def equal(name: str, value: str) -> Matcher:
    """Return a matcher."""
    return Matcher(name, MatchOp.EQUAL, value)


def write(store: Store, *times_ms: int, name: str = "m") -> None:
    """Store a sample of each of two series at each of the times."""
    labels = tuple(to_labels({"__name__": name, "job": job}) for job in ("a", "b"))
    store.metrics.insert_batches([SampleBatch.at(labels, np.ones(2), time) for time in times_ms])


def read(store: Store) -> dict[Labels, list[int]]:
    """Return the times of every sample."""
    samples = store.series.fetch(RawFetch((equal("__name__", "m"),), 0, T0 * 2), LIMITS)
    segment = samples.joined()
    return {
        labels: segment.timestamps_ms[segment.starts[row] : segment.stops[row]].tolist()
        for row, labels in enumerate(samples.labels)
    }


A = to_labels({"__name__": "m", "job": "a"})
B = to_labels({"__name__": "m", "job": "b"})


def test_a_deleted_series_is_gone_at_once(store: Store) -> None:
    """Its samples, its labels and its name; the others stay."""
    write(store, T0, T0 + 1000)
    assert read(store) == {A: [T0, T0 + 1000], B: [T0, T0 + 1000]}
    store.deletion.delete_series([SeriesFetch((equal("job", "a"),), *EVER)])
    assert read(store) == {B: [T0, T0 + 1000]}
    assert store.series.label_values("job", [SeriesFetch((), *EVER)], LIMITS) == ["b"]


def test_a_deleted_series_comes_back_when_it_is_written_again(store: Store) -> None:
    """The writer, which had written its labels before, writes them anew."""
    write(store, T0)
    store.deletion.delete_series([SeriesFetch((equal("__name__", "m"),), *EVER)])
    assert read(store) == {}
    write(store, T0 + 1000)
    assert read(store) == {A: [T0 + 1000], B: [T0 + 1000]}
    assert len(store.series.series([SeriesFetch((), *EVER)], LIMITS)) == 2


def test_only_the_time_that_was_named_is_deleted(store: Store) -> None:
    """First and last moment included; the series is known by what is left of it."""
    write(store, T0, T0 + 1000, T0 + 2000)
    store.deletion.delete_series([SeriesFetch((equal("job", "a"),), T0, T0 + 1000)])
    assert read(store) == {A: [T0 + 2000], B: [T0, T0 + 1000, T0 + 2000]}
    assert store.series.series([SeriesFetch((), *EVER)], LIMITS) == (A, B)


def test_a_week_without_samples_forgets_its_series(store: Store) -> None:
    """What is left in another week does not keep it known in this one."""
    later = T0 + 14 * 24 * HOUR_MS
    write(store, T0, later)
    store.deletion.delete_series([SeriesFetch((equal("job", "a"),), 0, T0 + HOUR_MS)])
    assert store.series.series([SeriesFetch((), 0, T0 + HOUR_MS)], LIMITS) == (B,)
    assert store.series.series([SeriesFetch((), later, later)], LIMITS) == (A, B)


def test_a_regular_expression_selects_what_is_deleted(store: Store) -> None:
    """Across metrics."""
    write(store, T0)
    write(store, T0, name="other")
    store.deletion.delete_series(
        [SeriesFetch((Matcher("__name__", MatchOp.REGEX, "m|oth.*"), equal("job", "b")), *EVER)]
    )
    assert store.series.series([SeriesFetch((), *EVER)], LIMITS) == (
        A,
        to_labels({"__name__": "other", "job": "a"}),
    )


def test_deleted_samples_stay_deleted_when_parts_merge(store: Store) -> None:
    """And once their space was given back."""
    write(store, T0, T0 + 1000)
    store.deletion.delete_series([SeriesFetch((equal("job", "a"),), *EVER)])
    store.deletion.clean_tombstones()
    store.compact()
    assert read(store) == {B: [T0, T0 + 1000]}


@pytest.mark.parametrize("count", [7_000])
def test_many_series_are_deleted_in_parts(store: Store, count: int) -> None:
    """More than one statement can name."""
    labels = tuple(to_labels({"__name__": "m", "n": str(number)}) for number in range(count))
    store.metrics.insert_batches([SampleBatch.at(labels, np.ones(count), T0)])
    store.deletion.delete_series([SeriesFetch((equal("__name__", "m"),), *EVER)])
    assert read(store) == {}
    assert store.series.series([SeriesFetch((), *EVER)], LIMITS) == ()


def test_what_was_deleted_stays_so_after_a_restart(open_store: Callable[..., Store]) -> None:
    """The deletion is on disk, like what it deleted."""
    store = open_store("deleted_before_restart")
    write(store, T0)
    store.deletion.delete_series([SeriesFetch((equal("job", "a"),), *EVER)])
    store.close()
    assert read(open_store("deleted_before_restart")) == {B: [T0]}


def test_roll_ups_are_made_anew_of_what_is_left(store: Store) -> None:
    """In the hours that were touched, also where the series had samples at other times of them."""
    hour = T0 // HOUR_MS * HOUR_MS
    times = [hour + minute * 60_000 for minute in (10, 50, 70, 130)]
    write(store, *times)
    store.rollups.fill(T0 + 10 * HOUR_MS)

    def rolled() -> dict[str, tuple[tuple[int, int], ...]]:
        return {
            table: tuple(
                (row["hour"], row["samples"])
                for row in store._engine.query(
                    "SELECT intDiv(toUnixTimestamp64Milli(ts) + 3599999, 3600000) AS hour,"  # noqa: S608
                    f" toInt64(sum(samples)) AS samples FROM {table} FINAL"
                    " WHERE id IN (SELECT id FROM series WHERE labels['job'] = 'a')"
                    " GROUP BY hour ORDER BY hour"
                ).to_pylist()
            )
            for table in ("rollups_5m", "rollups_1h")
        }

    first = hour // HOUR_MS + 1
    assert rolled() == dict.fromkeys(rolled(), ((first, 2), (first + 1, 1), (first + 2, 1)))
    a = (equal("job", "a"),)
    store.deletion.delete_series(
        [SeriesFetch(a, times[0], times[0] + 1), SeriesFetch(a, times[3], times[3] + 1)]
    )
    assert store.rollups.covered_until(0) == 0
    store.rollups.fill(T0 + 10 * HOUR_MS)
    assert rolled() == dict.fromkeys(rolled(), ((first, 1), (first + 1, 1)))
    assert store.rollups.covered_until(0) > times[3]

"""Roll-ups say what the samples say, also of what came late, twice or after a crash."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.signals import STALE_NAN, SampleBatch, to_labels
from veriscope.store import Store, rollup_slices
from veriscope.store.commits import Commit, CommitLog
from veriscope.store.labels import LabelCache
from veriscope.store.rollups import HOUR_MS, MINUTES_MS, TABLES, RollupKeeper
from veriscope.store.writer import MetricWriter

T0 = 1_700_002_800_000  # a whole hour


def write(store: Store, series: str, points: dict[int, float], metric: str = "m") -> None:
    """Store *points*, seconds after `T0` to values."""
    batch = SampleBatch(
        (to_labels({"__name__": metric, "i": series}),),
        np.zeros(len(points), dtype=np.uint32),
        np.array([T0 + second * 1000 for second in points], dtype=np.int64),
        np.array(list(points.values())),
    )
    store.metrics.insert_batches([batch])


def after_restart(store: Store, commits: CommitLog) -> RollupKeeper:
    """Return one that knows what was saved, and *commits*."""
    return RollupKeeper(store._engine, commits, store.state, LabelCache(store._engine))


def keeper(store: Store) -> RollupKeeper:
    """Return one that begins afresh, as after a restart."""
    return after_restart(store, store.commits)


def rows(store: Store, length_ms: int, metric: str = "m") -> list[dict[str, Any]]:
    """Return the roll-ups, ends in milliseconds after `T0`."""
    found = store._engine.query(
        f"SELECT toUnixTimestamp64Milli(ts) - {T0} AS end, * FROM {TABLES[length_ms]} FINAL"  # noqa: S608 - a name of ours
        " WHERE metric = {metric:String} ORDER BY id, ts",
        {"metric": metric},
    )
    return list(found.to_pylist())


def hand(points: list[tuple[int, float]]) -> dict[str, float]:
    """Return the figures of one bucket, one sample after the other."""
    values = [value for _, value in points]
    numbers = [value for value in values if not math.isnan(value)] or [math.nan]
    pairs = list(itertools.pairwise(values))
    return {
        "count": len(values),
        "first": values[0],
        "last": values[-1],
        "lost": sum(before for before, after in pairs if after < before),
        "resets": sum(after < before for before, after in pairs),
        "changes": sum(
            after != before and not (math.isnan(after) and math.isnan(before))
            for before, after in pairs
        ),
        "sum": sum(values),
        "min": min(numbers),
        "max": max(numbers),
    }


_METRICS = itertools.count()
_VALUES = st.one_of(
    st.integers(0, 50).map(float), st.sampled_from([float("nan"), STALE_NAN, -0.0, 1e9])
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a metric a call
)
@given(points=st.dictionaries(st.integers(-400, 7_300), _VALUES, min_size=1, max_size=60))
def test_roll_ups_say_what_the_samples_say(store: Store, points: dict[int, float]) -> None:
    """Every figure of every bucket, both lengths, whatever the samples."""
    metric = f"m{next(_METRICS)}"
    write(store, "a", points, metric)
    keeper(store).fill(T0 + 10 * HOUR_MS)
    live = sorted(
        (second * 1000, value)
        for second, value in points.items()
        if np.array(value).view(np.uint64) != np.array(STALE_NAN).view(np.uint64)
    )
    for length_ms in (MINUTES_MS, HOUR_MS):
        buckets: dict[int, list[tuple[int, float]]] = {}
        for time_ms, value in live:
            buckets.setdefault(-(-time_ms // length_ms) * length_ms, []).append((time_ms, value))
        found = {row["end"]: row for row in rows(store, length_ms, metric) if row["count"]}
        assert list(found) == sorted(buckets)
        for end, samples in buckets.items():
            for name, expected in hand(samples).items():
                assert found[end][name] == pytest.approx(expected, nan_ok=True), (end, name)


def test_roll_ups_in_slices_are_those_of_the_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many statements it takes, so that none needs much memory."""

    def figures() -> list[dict[str, Any]]:
        each = [rows(store, length, metric) for length in TABLES for metric in "mno"]
        return [{**row, "version": 0} for found in each for row in found]

    points = {second: float(second % 7) for second in range(0, 900, 30)}
    for metric in "mno":
        for series in "abcdef":
            write(store, series, points, metric)
    keeper(store).fill(T0 + 2 * HOUR_MS)
    whole = figures()
    assert sum(row["samples"] for row in whole) == 2 * 3 * 6 * len(points)
    store._engine.command("TRUNCATE TABLE rollups_5m")
    store._engine.command("TRUNCATE TABLE rollups_1h")
    monkeypatch.setattr(rollup_slices, "SAMPLES_AT_ONCE", 50)
    again = keeper(store)
    again._unsure = True
    again.fill(T0 + 2 * HOUR_MS)
    assert figures() == whole


def test_what_is_sent_twice_counts_once(store: Store) -> None:
    """Roll-ups are made of samples that rest, so repeating a request changes nothing."""
    write(store, "a", {10: 1.0, 20: 2.0})
    write(store, "a", {10: 1.0, 20: 2.0})
    keeper(store).fill(T0 + 2 * HOUR_MS)
    assert [(row["count"], row["sum"]) for row in rows(store, MINUTES_MS)] == [(2, 3.0)]


def test_late_samples_are_noticed_at_once_and_rolled_up_again(store: Store) -> None:
    """Until then the hour does not count as covered."""
    write(store, "a", {10: 1.0})
    kept = keeper(store)
    assert kept.covered_until(T0) <= T0
    assert kept.fill(T0 + 2 * HOUR_MS) == 1
    assert kept.covered_until(T0) > T0
    write(store, "a", {30: 5.0})
    assert kept.covered_until(T0) <= T0
    assert kept.covered_until(T0 - HOUR_MS) == T0
    assert kept.fill(T0 + 2 * HOUR_MS) == 1
    assert kept.covered_until(T0) > T0
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [6.0]


def test_an_hour_is_rolled_up_once_while_samples_go_on_coming_late(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To roll it up after every request of a load would take more than the load."""
    write(store, "a", {10: 1.0})
    kept, times = keeper(store), iter(range(20, 400, 10))
    roll_up = kept._roll_up

    def while_more_comes(hours: set[int]) -> None:
        roll_up(hours)
        write(store, "a", {next(times): 1.0})

    monkeypatch.setattr(kept, "_roll_up", while_more_comes)
    assert kept.fill(T0 + 2 * HOUR_MS) == 1
    assert kept.covered_until(T0) <= T0
    monkeypatch.undo()
    assert kept.fill(T0 + 2 * HOUR_MS) == 1
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [2.0]


def test_the_hour_that_goes_on_is_not_rolled_up(store: Store) -> None:
    """Nor the one that has just ended: samples of it are still on their way."""
    write(store, "a", {10: 1.0})
    kept = keeper(store)
    assert kept.fill(T0 + HOUR_MS + 1_000) == 0
    assert kept.covered_until(T0) <= T0
    assert kept.fill(T0 + HOUR_MS + 300_000) == 1


def test_what_came_late_before_a_crash_is_found_again(store: Store) -> None:
    """After a sudden end nobody remembers it; the counts do."""
    write(store, "a", {10: 1.0})
    keeper(store).fill(T0 + 3 * HOUR_MS)
    write(store, "a", {20: 2.0})
    again = after_restart(store, CommitLog())
    again.fill(T0 + 3 * HOUR_MS)
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [3.0]


@pytest.mark.parametrize("hours_later", [2, 200])
def test_a_sample_that_was_replaced_before_a_crash_is_found_again(
    store: Store, hours_later: int
) -> None:
    """However old, and though there are as many samples as before."""
    write(store, "a", {10: 1.0})
    keeper(store).fill(T0 + hours_later * HOUR_MS)
    write(store, "a", {10: 5.0})
    found = after_restart(store, CommitLog())
    found.fill(T0 + hours_later * HOUR_MS)
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [5.0]


def test_late_hours_are_noted_before_their_samples_are_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies right after storing them, before it has told anybody, knows of them."""
    write(store, "a", {10: 1.0})
    keeper(store).fill(T0 + 200 * HOUR_MS)
    monkeypatch.setattr(store.commits, "append", lambda _: None)
    write(store, "a", {10: 5.0})
    found = after_restart(store, CommitLog())
    found.fill(T0 + 200 * HOUR_MS)
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [5.0]


def test_an_hour_that_ends_while_a_write_is_under_way_is_noted_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not late when the write began."""
    write(store, "a", {10: 1.0})
    kept = keeper(store)
    announce = store.commits.announce

    def then_the_hour_ends(commit: Commit) -> None:
        announce(commit)
        kept.fill(T0 + 2 * HOUR_MS)

    monkeypatch.setattr(store.commits, "announce", then_the_hour_ends)
    monkeypatch.setattr(store.commits, "append", lambda _: None)
    write(store, "a", {10: 5.0})
    found = after_restart(store, CommitLog())
    found.fill(T0 + 2 * HOUR_MS)
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [5.0]


def test_what_comes_late_before_the_first_look_is_not_forgotten(store: Store) -> None:
    """A server takes samples before it begins to roll up."""
    write(store, "a", {10: 1.0})
    first = keeper(store)
    first.fill(T0 + 3 * HOUR_MS)
    first.close()
    commits = CommitLog()
    second = after_restart(store, commits)
    writer = MetricWriter(store._engine, commits)
    labels = (to_labels({"__name__": "m", "i": "a"}),)
    writer.insert_batches([SampleBatch.at(labels, np.array([5.0]), T0 + 10_000)])
    assert second.fill(T0 + 3 * HOUR_MS) == 1
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [5.0]


def test_only_late_hours_that_are_new_are_noted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes of now cost nothing, and many late ones of the same hours one note."""
    write(store, "a", {10: 1.0})
    kept = keeper(store)
    kept.fill(T0 + 2 * HOUR_MS)
    notes: list[str] = []
    monkeypatch.setattr(kept._state, "put", lambda *what: notes.append(what[1]))
    write(store, "a", {3 * 3_600 + second: 1.0 for second in range(5)})
    assert not notes
    for second in range(5):
        write(store, "a", {second: 1.0})
    assert notes == ["progress"] * 2
    write(store, "a", {-4_000: 1.0})
    assert notes == ["progress"] * 3


def test_a_restart_in_order_need_not_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is late is written down when the store is closed."""
    write(store, "a", {10: 1.0})
    first = keeper(store)
    first.fill(T0 + 3 * HOUR_MS)
    write(store, "a", {20: 2.0})
    first.close()
    again = after_restart(store, CommitLog())
    monkeypatch.setattr(again, "_unlike", lambda _: pytest.fail("looked through all samples"))
    assert again.fill(T0 + 3 * HOUR_MS) == 1
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [3.0]


def test_a_sample_older_than_its_retention_replaces_no_roll_up(store: Store) -> None:
    """What the hour held is gone but for its roll-up, which the late sample knows nothing of."""
    write(store, "a", {10: 1.0, 20: 2.0})
    labels = LabelCache(store._engine)
    kept = RollupKeeper(store._engine, store.commits, store.state, labels, 48 * HOUR_MS)
    assert kept.fill(T0 + 2 * HOUR_MS) == 1
    store._engine.command("TRUNCATE TABLE samples")
    kept.fill(T0 + 60 * HOUR_MS)
    write(store, "a", {30: 5.0})
    assert kept.covered_until(T0) == T0 + 59 * HOUR_MS
    kept.fill(T0 + 61 * HOUR_MS)
    assert [row["sum"] for row in rows(store, HOUR_MS)] == [3.0]

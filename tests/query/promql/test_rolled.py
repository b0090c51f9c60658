"""Roll-ups change no answer where windows are whole buckets, and are left alone elsewhere."""

import math
import random
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from veriscope.query import QueryOptions, RollupUse
from veriscope.query.promql import PromqlEngine
from veriscope.query.promql.rolled import RollupSource
from veriscope.signals import (
    STALE_NAN,
    FetchLimits,
    Grid,
    Labels,
    ManualClock,
    Matrix,
    RollupFetch,
    Rollups,
    SampleBatch,
    to_labels,
)
from veriscope.store import Store

HOUR = 3_600_000
T0 = 1_700_002_800_000  # a whole hour
NOTHING = -0.125
_OPTIONS = QueryOptions(result_cache_bytes=0)


class Watched:
    """Roll-ups that count how often they are asked."""

    def __init__(self, source: RollupSource) -> None:
        self._source = source
        self.fetches: list[RollupFetch] = []

    def covered_until(self, after_ms: int) -> int:
        """Answer as the source does."""
        return self._source.covered_until(after_ms)

    def fetch(self, fetch: RollupFetch, limits: FetchLimits) -> Rollups | None:
        """Answer as the source does."""
        self.fetches.append(fetch)
        return self._source.fetch(fetch, limits)


def write(store: Store, labels: Labels, samples: dict[int, float]) -> None:
    """Store samples by their time, in milliseconds after `T0`."""
    zeros = np.zeros(len(samples), dtype=np.uint32)
    times = np.array(list(samples), dtype=np.int64) + T0
    store.metrics.insert_batches(
        [SampleBatch((labels,), zeros, times, np.array(list(samples.values())))]
    )


@pytest.fixture
def filled(store: Store) -> Store:
    """Return a store with a day of odd series, rolled up but for the last hours."""
    chance = random.Random(7)  # noqa: S311 - the same data each time
    for number in range(6):
        value, samples = 0.0, {}
        for time_ms in range(-HOUR, 24 * HOUR, 47_000 + 1_000 * number):
            if chance.random() < 0.05:
                continue
            value = 0.0 if chance.random() < 0.02 else value + chance.randrange(100)
            samples[time_ms + chance.randrange(900)] = value
        for time_ms in list(samples)[:: 200 + number]:
            samples[time_ms] = chance.choice([math.nan, STALE_NAN, math.inf])
        if number == 4:
            samples = {t: v for t, v in samples.items() if not 5 * HOUR < t < 9 * HOUR}
        if number == 5:
            samples = {t: v for t, v in samples.items() if t > 22 * HOUR}
        write(store, to_labels({"__name__": "m_total", "i": str(number)}), samples)
    store.rollups.fill(T0 + 20 * HOUR)
    return store


def engine(store: Store, rollups: RollupSource | None) -> PromqlEngine:
    """Return an engine without a memory for answers."""
    return PromqlEngine(store.series, _OPTIONS, ManualClock(), CollectorRegistry(), rollups)


def cells(value: Any) -> dict[Labels, list[float]]:
    """Return a matrix as lists, `NOTHING` where there is no point."""
    assert isinstance(value, Matrix)
    return {
        labels: [float(v) if p else NOTHING for v, p in zip(row, there, strict=True)]
        for labels, row, there in zip(value.labels, value.values, value.present, strict=True)
    }


_FUNCTIONS = [
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "first_over_time",
    "increase",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "rate",
    "resets",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
]


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_the_answer_is_that_of_the_samples(filled: Store, function: str) -> None:
    """For windows of minutes and of hours, also where the last steps are not rolled up."""
    watched = Watched(filled.rollups)
    for window, step, bucket in (
        ("5m", 300_000, 300_000),
        ("25m", 600_000, 300_000),
        ("2h", HOUR, HOUR),
        ("1h", 1_800_000, 300_000),
    ):
        text = f"{function}(m_total[{window}])"
        grid = Grid(T0 + 2 * HOUR, T0 + 23 * HOUR, step)
        plain = cells(engine(filled, None).range_query(text, grid).value)
        rolled = cells(engine(filled, watched).range_query(text, grid).value)
        assert watched.fetches[-1].bucket_ms == bucket
        assert watched.fetches[-1].end_ms == T0 + 19 * HOUR
        assert list(rolled) == list(plain)
        for labels, row in plain.items():
            assert rolled[labels] == pytest.approx(row, rel=1e-12, nan_ok=True), (text, labels)


@pytest.mark.parametrize(
    ("text", "start_ms", "step_ms"),
    [
        ("rate(m_total[5m])", 1_000, 300_000),
        ("rate(m_total[5m])", 0, 60_000),
        ("rate(m_total[7m])", 0, 300_000),
        ("rate(m_total[5m] offset 1m)", 0, 300_000),
        ("rate(m_total[5m] @ 1700010000)", 0, 300_000),
        ("irate(m_total[5m])", 0, 300_000),
        ("stddev_over_time(m_total[5m])", 0, 300_000),
        ("rate(m_total[5m:1m])", 0, 300_000),
        ("m_total", 0, 300_000),
    ],
)
def test_what_is_not_exact_reads_samples(
    filled: Store, text: str, start_ms: int, step_ms: int
) -> None:
    """Unless the user allows it."""
    watched = Watched(filled.rollups)
    grid = Grid(T0 + 2 * HOUR + start_ms, T0 + 18 * HOUR, step_ms)
    engine(filled, watched).range_query(text, grid)
    assert watched.fetches == []


def test_a_user_may_allow_edges_that_are_off_by_a_bucket(filled: Store) -> None:
    """Then any window of at least one bucket is made of roll-ups; and none where that is off."""
    watched = Watched(filled.rollups)
    grid = Grid(T0 + 10 * HOUR + 12_345, T0 + 18 * HOUR, 60_000)
    text = 'sum_over_time(m_total{i="2"}[1h])'
    asked = engine(filled, watched)
    plain = cells(asked.range_query(text, grid, rollups=RollupUse.OFF).value)
    assert watched.fetches == []
    near = cells(asked.range_query(text, grid, rollups=RollupUse.APPROXIMATE).value)
    assert len(watched.fetches) == 1
    for labels, row in plain.items():
        pairs = zip(row, near[labels], strict=True)
        close = [
            NOTHING not in {a, b} and abs(b - a) <= 0.3 * a
            for a, b in pairs
            if math.isfinite(a) and a != NOTHING
        ]
        assert sum(close) > 0.7 * len(close)


def test_short_times_read_samples(filled: Store) -> None:
    """They are few, and mostly in memory."""
    watched = Watched(filled.rollups)
    grid = Grid(T0 + 2 * HOUR, T0 + 4 * HOUR, 300_000)
    engine(filled, watched).range_query("rate(m_total[5m])", grid)
    assert watched.fetches == []


def test_what_came_late_is_seen_at_once(filled: Store) -> None:
    """An hour that a late sample fell into is read from samples until it is rolled up again."""
    watched = Watched(filled.rollups)
    asked, grid = engine(filled, watched), Grid(T0 + 2 * HOUR, T0 + 18 * HOUR, 300_000)
    labels = to_labels({"__name__": "m_total", "i": "late"})
    write(filled, labels, {9 * HOUR + 1_000: 5.0})
    found = cells(asked.range_query("sum_over_time(m_total[5m])", grid).value)
    assert watched.fetches[-1].end_ms == T0 + 9 * HOUR
    step = (7 * HOUR + 300_000) // 300_000
    assert found[to_labels({"i": "late"})][step] == 5.0
    filled.rollups.fill(T0 + 20 * HOUR)
    again = cells(asked.range_query("sum_over_time(m_total[5m])", grid).value)
    assert watched.fetches[-1].end_ms == T0 + 18 * HOUR
    for labels, row in found.items():
        assert again[labels] == pytest.approx(row, rel=1e-12, nan_ok=True)


def test_aggregations_use_them_too(filled: Store) -> None:
    """The function under an aggregation is what is rolled up."""
    watched = Watched(filled.rollups)
    grid = Grid(T0 + 2 * HOUR, T0 + 18 * HOUR, 300_000)
    text = "sum(rate(m_total[10m])) / 2"
    plain = cells(engine(filled, None).range_query(text, grid).value)
    rolled = cells(engine(filled, watched).range_query(text, grid).value)
    assert len(watched.fetches) == 1
    for labels, row in plain.items():
        assert rolled[labels] == pytest.approx(row, rel=1e-12, nan_ok=True)

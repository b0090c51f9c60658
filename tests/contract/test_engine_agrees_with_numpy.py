"""What the engine computes for a query is what NumPy computes from the raw samples."""

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.signals import STALE_NAN, Grid, Matrix, SampleBatch, SystemClock, to_labels
from veriscope.store import Store

T0 = 1_700_000_000_000
SERIES = 4
FUNCTIONS = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "changes",
    "resets",
]
QUERIES = [
    "m",
    "m offset 7s",
    "sum(m)",
    "sum by (g) (m)",
    "avg without (i) (m)",
    "min(m)",
    "max by (g) (m)",
    "count(m)",
    "group by (g) (m)",
    *(f"{name}(m[{window}])" for name in FUNCTIONS for window in ("15s", "1m")),
    *(f"sum by (g) ({name}(m[1m]))" for name in FUNCTIONS),
    *(f"max({name}(m[1m]))" for name in FUNCTIONS),
    "avg(rate(m[1m]))",
    "count(rate(m[1m]))",
]
# What is mixed in among ordinary readings.
SPECIALS = {
    "numbers": [],
    "negative": [-1.5, -0.0, -1e6],
    "nan": [np.nan],
    "infinite": [np.inf, -np.inf],
    "stale": [STALE_NAN],
    "everything": [np.nan, np.inf, -np.inf, STALE_NAN, -1.0, 1e300],
}


def _batch(random: np.random.Generator, specials: list[float]) -> SampleBatch:
    """Return counters with gaps and resets, at odd milliseconds, with *specials* among them."""
    labels = tuple(
        to_labels({"__name__": "m", "i": str(row), "g": str(row % 2)}) for row in range(SERIES)
    )
    counts = random.integers(1, 60, SERIES)
    times = [np.sort(random.choice(120_000, count, replace=False)) for count in counts]
    values = np.concatenate([np.cumsum(random.integers(0, 50, count)) % 400 for count in counts])
    values = values.astype(np.float64)
    if specials:
        chosen = random.random(len(values)) < 0.15
        # As bits: NumPy need not keep the payload of a NaN that it computes with.
        picked = random.choice(np.array(specials).view(np.uint64), int(chosen.sum()))
        values.view(np.uint64)[chosen] = picked
    rows = np.repeat(np.arange(SERIES, dtype=np.uint32), counts)
    return SampleBatch(labels, rows, T0 + np.concatenate(times), values)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", SPECIALS)
def test_pushdown_changes_no_answer(store: Store, kind: str, seed: int) -> None:
    """Every query that the engine can answer by itself, also with NaN, Inf and stale markers."""
    store.metrics.insert_batches([_batch(np.random.default_rng(seed), SPECIALS[kind])])
    grid = Grid(T0 + 3_000, T0 + 150_000, 7_000)
    pushing, not_pushing = (
        PromqlEngine(
            store.series, QueryOptions(), SystemClock(), CollectorRegistry(), pushdown=pushdown
        )
        for pushdown in (True, False)
    )
    for query in QUERIES:
        _assert_same(
            query,
            pushing.range_query(query, grid).value,
            not_pushing.range_query(query, grid).value,
        )


def _assert_same(query: str, found: object, expected: object) -> None:
    assert isinstance(found, Matrix)
    assert isinstance(expected, Matrix)
    assert found.labels == expected.labels, query
    assert np.array_equal(found.present, expected.present), query
    np.testing.assert_allclose(
        np.where(found.present, found.values, 0),
        np.where(expected.present, expected.values, 0),
        rtol=1e-9,
        atol=1e-9,
        err_msg=query,
    )

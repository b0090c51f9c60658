"""What the engine computes for a query is what NumPy computes from the raw samples."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.signals import STALE_NAN, Grid, Matrix, SampleBatch, SystemClock, to_labels
from veriscope.store import Store


T0 = 1_700_000_000_000
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
_numbers = st.one_of(
    st.integers(0, 100).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), STALE_NAN, 0.0, -0.0]),
)
_series = st.dictionaries(
    st.integers(0, 120).map(lambda half: half * 1_000), _numbers, min_size=1, max_size=40
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(series=st.lists(_series, min_size=1, max_size=4))
def test_pushdown_changes_no_answer(store: Store, series: list[dict[int, float]]) -> None:
    """Every query that the engine can answer by itself, with gaps, resets, NaN, Inf and markers."""
    for table in ("samples", "series"):
        store._engine.command(f"TRUNCATE TABLE {table}")
    labels = tuple(
        to_labels({"__name__": "m", "i": str(row), "g": str(row % 2)}) for row in range(len(series))
    )
    rows = np.repeat(np.arange(len(series)), [len(points) for points in series])
    times = np.array([time for points in series for time in points], dtype=np.int64)
    values = np.array([value for points in series for value in points.values()])
    store.metrics.insert_batches([SampleBatch(labels, rows.astype(np.uint32), T0 + times, values)])
    grid = Grid(T0 + 3_000, T0 + 150_000, 7_000)
    with_pushdown, without = (
        PromqlEngine(
            store.series, QueryOptions(), SystemClock(), CollectorRegistry(), pushdown=pushdown
        )
        for pushdown in (True, False)
    )
    for query in QUERIES:
        _assert_same(
            query,
            with_pushdown.range_query(query, grid).value,
            without.range_query(query, grid).value,
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

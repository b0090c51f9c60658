"""What the store computes and what is computed here are the same, on any data."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.query import QueryError
from veriscope.query.promql import PromqlEngine
from veriscope.signals import STALE_NAN, Grid, Labels, Matrix

NAMES = ("m_total", "other")
QUERIES = [
    "{}", "{} offset 20s", "{} offset -20s", "{} @ 60", "{} @ end()",
    *(
        f"{function}({{}}[{window}])"
        for function in (
            "rate", "increase", "delta", "irate", "idelta", "sum_over_time", "avg_over_time",
            "min_over_time", "max_over_time", "count_over_time", "last_over_time",
            "present_over_time", "changes", "resets", "absent_over_time",
        )
        for window in ("7s", "40s", "2m")
    ),
    "rate({}[40s] offset 15s)", "rate({}[40s] @ 70)", "increase({}[1m] @ start() offset -30s)",
    "sum by (a) ({})", "avg without (b) (rate({}[40s]))", "min by (__name__) ({})",
    "max by (__name__, a) (rate({}[40s]))", "count(last_over_time({}[30s]))", "absent({})",
    "group by (b) ({} > 0)", "sum(sum by (a) (increase({}[1m])))", "count(count({}) by (b)) + 1",
    "sum_over_time({}[40s:7s])", "max_over_time(rate({}[20s])[30s:11s])", "-{}", "{} - {}",
]  # fmt: skip
SELECTORS = ("m_total", 'm_total{a="x"}', '{a=~"x|y"}', 'other{b!="p"}')

values = st.one_of(
    st.integers(-5, 30).map(float),
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.sampled_from([math.nan, math.inf, -math.inf, STALE_NAN, 1e18, -1e18]),
)
samples = st.lists(st.tuples(st.integers(1, 180_000), values), max_size=25)
series = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from("xyz"), st.sampled_from("pq")),
    samples,
    max_size=6,
)
grids = st.builds(
    lambda start, steps, step: Grid(start, start + steps * step, step),
    st.integers(0, 150_000),
    st.integers(0, 12),
    st.integers(1, 20_000),
)


def points(matrix: Matrix) -> dict[Labels, list[float | None]]:
    """Return the points of each series, None where there is none."""
    return {
        labels: [value if there else None for value, there in zip(row, present, strict=True)]
        for labels, row, present in zip(
            matrix.labels, matrix.values.tolist(), matrix.present.tolist(), strict=True
        )
    }


def outcome(engine: PromqlEngine, query: str, grid: Grid) -> dict[Labels, Any] | str:
    """Return the answer's points, or the refusal."""
    try:
        value = engine.range_query(query, grid).value
    except QueryError as error:
        return str(error)
    assert isinstance(value, Matrix)
    return points(value)


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=series, grid=grids, query=st.sampled_from(QUERIES), selector=st.sampled_from(SELECTORS))
def test_pushdown_changes_nothing(
    *,
    source: Any,
    engine_over: Callable[..., PromqlEngine],
    data: dict[tuple[str, str, str], list[tuple[int, float]]],
    grid: Grid,
    query: str,
    selector: str,
) -> None:
    """Every query gives the same points or refusal, whichever side evaluates its windows."""
    source.series.clear()
    source.fetches.clear()
    for (name, a, b), rows in data.items():
        source.add({"__name__": name, "a": a, "b": b}, rows)
    text = query.replace("{}", selector)
    pushed = outcome(engine_over(source), text, grid)
    plain = outcome(engine_over(source, pushdown=False), text, grid)
    if isinstance(pushed, str) or isinstance(plain, str):
        assert pushed == plain
        return
    assert set(pushed) == set(plain)
    for labels, row in pushed.items():
        other = plain[labels]
        assert [value is None for value in row] == [value is None for value in other]
        np.testing.assert_allclose(
            [value for value in row if value is not None],
            [value for value in other if value is not None],
            rtol=1e-9,
            atol=1e-9 if "1e18" in str(data) else 1e-12,
        )

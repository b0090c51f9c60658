"""Large vectors are folded some steps at a time, which never shows."""

from collections.abc import Callable
from typing import Any

import pytest

from veriscope.query import QueryTooLargeError
from veriscope.query.promql import PromqlEngine, blocks
from veriscope.signals import Grid, Matrix

GRID = Grid(0, 300_000, 10_000)


def points(engine: PromqlEngine, query: str) -> dict[Any, Any]:
    """Return the points of an answer by series."""
    value = engine.range_query(query, GRID).value
    assert isinstance(value, Matrix)
    assert value.grid == GRID
    return {
        labels: [v if p else None for v, p in zip(row, there, strict=True)]
        for labels, row, there in zip(
            value.labels, value.values.tolist(), value.present.tolist(), strict=True
        )
    }


@pytest.mark.parametrize(
    "query",
    [
        "sum(a_total)",
        "sum by (i) (a_total)",
        "avg without (i) (rate(a_total[30s]))",
        "max by (j) (max_over_time(a_total[1m] offset -20s))",
        "stddev by (i) (a_total smoothed)",
        "count(last_over_time(a_total[20s]))",
        "max_over_time(sum by (j) (rate(a_total[40s]))[1m:15s])",
        "sum(a_total @ 100) + sum(a_total)",
        "sum by (i) (quantile_over_time(0.5, a_total[1m]))",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 40])
def test_blocks_do_not_show(
    source: Any,
    engine_over: Callable[..., PromqlEngine],
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    size: int,
) -> None:
    """However few steps are folded at a time, the answer is that of all at once."""
    for i, j, first in (("1", "x", 0), ("2", "x", 12), ("2", "y", 3), ("3", "z", 25)):
        samples = [(t * 10_000, float(t * t % 17)) for t in range(first, first + 15)]
        source.add(f'a_total{{i="{i}", j="{j}"}}', samples)
    whole = points(engine_over(source), query)
    monkeypatch.setattr(blocks, "BLOCK_POINTS", size)
    assert points(engine_over(source), query) == whole


def test_blocks_do_not_pass_the_limit(
    source: Any, engine_over: Callable[..., PromqlEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks together count as the vector that they are."""
    source.add("a_total", [(0, 1.0)])
    monkeypatch.setattr(blocks, "BLOCK_POINTS", 5)
    with pytest.raises(QueryTooLargeError):
        engine_over(source, max_samples=30).range_query("sum(a_total)", GRID)

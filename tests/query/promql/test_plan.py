"""Plans: what is left to the store, and what is fetched once."""

from collections.abc import Callable
from typing import Any

import pytest

from veriscope.query import UnsupportedError
from veriscope.query.promql import PromqlEngine, parse
from veriscope.query.promql.nodes import (
    Absent,
    AggregateNode,
    BinaryNode,
    GridRead,
    Node,
    RangeCall,
    Repeat,
    SubqueryRead,
)
from veriscope.query.promql.plan import PlanRules, make_plan
from veriscope.signals import Aggregation, Grid, GridFunction, RawFetch, Reduction

GRID = Grid(600_000, 900_000, 60_000)


def plan(text: str, grid: Grid = GRID) -> Node:
    """Return the plan of *text*."""
    return make_plan(parse(text), grid, PlanRules())


def read(text: str) -> GridRead:
    """Return the plan of *text*, which is a single fetch."""
    node = plan(text)
    assert isinstance(node, GridRead)
    return node


def test_a_selector_is_the_latest_sample_within_the_lookback() -> None:
    """The store looks back as far as the rules say, on the query's own grid."""
    fetch = read('up{job="x"}').fetch
    assert (fetch.function, fetch.window_ms, fetch.grid) == (GridFunction.LATEST, 300_000, GRID)
    assert [str(matcher) for matcher in fetch.matchers] == ['__name__="up"', 'job="x"']


@pytest.mark.parametrize(
    ("modifiers", "expected"),
    [
        ("offset 1m", Grid(540_000, 840_000, 60_000)),
        ("offset -1m", Grid(660_000, 960_000, 60_000)),
    ],
)
def test_offset_moves_the_grid(modifiers: str, expected: Grid) -> None:
    """The store is asked in the data's own time."""
    assert read(f"rate(up[5m] {modifiers})").fetch.grid == expected


@pytest.mark.parametrize(
    ("modifiers", "time_ms"),
    [("@ 1000", 1_000_000), ("@ start()", 600_000), ("@ end() offset 1m", 840_000)],
)
def test_what_is_pinned_is_evaluated_once(modifiers: str, time_ms: int) -> None:
    """A pinned subtree is one step, repeated."""
    node = plan(f"sum(rate(up[5m] {modifiers}))")
    assert isinstance(node, Repeat)
    assert isinstance(node.inner, GridRead)
    assert node.inner.fetch.grid == Grid.instant(time_ms)


@pytest.mark.parametrize("function", [f.value for f in GridFunction if f.value != "latest"])
def test_functions_of_a_plain_range_are_pushed_down(function: str) -> None:
    """Every function that the store knows is left to it."""
    fetch = read(f"{function}(up[2m])").fetch
    assert (fetch.function, fetch.window_ms) == (GridFunction(function), 120_000)


def test_other_functions_and_subqueries_are_computed_here() -> None:
    """Raw samples are fetched where the store has no such function."""
    assert isinstance(plan("deriv(up[2m])"), RangeCall)
    node = plan("rate(up[5m:1m])")
    assert isinstance(node, RangeCall)
    assert isinstance(node.samples, SubqueryRead)
    assert isinstance(node.samples.inner, GridRead)
    assert node.samples.inner.grid == Grid(360_000, 900_000, 60_000)


@pytest.mark.parametrize("op", ["sum", "avg", "min", "max", "count", "group"])
def test_aggregations_fold_into_the_fetch(op: str) -> None:
    """The store aggregates what only it has seen."""
    fetch = read(f"{op} by (job) (delta(up[5m]))").fetch
    assert fetch.aggregation == Aggregation(Reduction(op), ("job",))
    assert read(f"{op} without (job) (up)").fetch.aggregation == Aggregation(
        Reduction(op), ("job",), without=True
    )


@pytest.mark.parametrize("op", ["min", "max"])
@pytest.mark.parametrize("function", ["rate", "increase"])
def test_what_may_have_to_be_recomputed_is_not_hidden(op: str, function: str) -> None:
    """A minimum of rates would hide the NaN that tells that the store's answer is not exact."""
    assert isinstance(plan(f"{op} by (job) ({function}(up[5m]))"), AggregateNode)
    assert read(f"sum by (job) ({function}(up[5m]))").fetch.aggregation is not None


def test_a_dropped_name_is_not_grouped_by() -> None:
    """`rate` has no metric name any more when its result is aggregated."""
    rate, selector = read("sum by (__name__, a) (rate(up[5m]))"), read("sum by (__name__) (up)")
    assert rate.fetch.aggregation == Aggregation(Reduction.SUM, ("a",))
    assert selector.fetch.aggregation == Aggregation(Reduction.SUM, ("__name__",))


@pytest.mark.parametrize(
    "text",
    ['sum(rate({job="x"}[5m]))', "stddev(up)", "topk(1, up)", "sum(up > 0)", "sum(sum(up))"],
)
def test_what_the_store_cannot_fold_is_aggregated_here(text: str) -> None:
    """Two metrics that may lose their names, and other operators, need the series themselves."""
    assert isinstance(plan(text), AggregateNode)


def test_absence_needs_one_series_only() -> None:
    """`absent` asks the store whether there is anything at all."""
    for text in ("absent(up)", "absent_over_time(up[5m])"):
        node = plan(text)
        assert isinstance(node, Absent)
        assert isinstance(node.inner, GridRead)
        assert node.inner.fetch.aggregation == Aggregation(Reduction.GROUP, ())


def test_the_same_fetch_is_made_once(source: Any, engine_over: Callable[..., PromqlEngine]) -> None:
    """A selector that stands in several places is read once for a query."""
    engine_over(source).range_query(
        "rate(a[5m]) / (rate(a[5m]) + deriv(b[1m]) + deriv(b[1m]))", GRID
    )
    assert len(source.fetches) == 2
    assert isinstance(source.fetches[1], RawFetch)


def test_operators_keep_their_sides() -> None:
    """The plan of a binary operator has the plans of both operands."""
    node = plan("a / (b + 1)")
    assert isinstance(node, BinaryNode)
    assert isinstance(node.left, GridRead)
    assert isinstance(node.right, BinaryNode)


@pytest.mark.parametrize("text", ["info(a)", "histogram_sum(a)", "a + fill(1) b", "step()"])
def test_what_is_not_known_yet_is_refused(text: str) -> None:
    """An unsupported part is an error that names it, never a wrong number."""
    with pytest.raises(UnsupportedError, match="not supported yet"):
        plan(text)

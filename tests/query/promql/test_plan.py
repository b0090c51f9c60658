"""Plans: what is fetched, where in time, and what is fetched once."""

from typing import Any

import pytest

from veriscope.query.promql import PromqlEngine
from veriscope.query.promql.analysis import prepare
from veriscope.query.promql.nodes import (
    Absent,
    BinaryNode,
    Newest,
    Node,
    RangeCall,
    Repeat,
    SamplesRead,
    SubqueryRead,
)
from veriscope.query.promql.plan import PlanRules, make_plan
from veriscope.signals import Grid

GRID = Grid(600_000, 900_000, 60_000)


def plan(text: str, grid: Grid = GRID) -> Node:
    """Return the plan of *text*."""
    return make_plan(prepare(text), grid, PlanRules(), instant=len(grid) == 1)


def read(text: str) -> SamplesRead:
    """Return the read of *text*, which is a function of one range, or a selector."""
    node = plan(text)
    assert isinstance(node, RangeCall | Newest)
    assert isinstance(node.samples, SamplesRead)
    return node.samples


def test_a_selector_is_the_newest_sample_within_the_lookback() -> None:
    """The read begins as far back as the rules say."""
    samples = read('up{job="x"}')
    assert (samples.length_ms, samples.ends) == (300_000, GRID)
    assert (samples.fetch.start_ms, samples.fetch.end_ms) == (300_000, 900_000)
    assert [str(matcher) for matcher in samples.fetch.matchers] == ['__name__="up"', 'job="x"']


@pytest.mark.parametrize(
    ("modifiers", "expected"),
    [
        ("offset 1m", Grid(540_000, 840_000, 60_000)),
        ("offset -1m", Grid(660_000, 960_000, 60_000)),
    ],
)
def test_offset_moves_the_grid(modifiers: str, expected: Grid) -> None:
    """The store is asked in the data's own time."""
    assert read(f"rate(up[5m] {modifiers})").ends == expected


@pytest.mark.parametrize(
    ("modifiers", "time_ms"),
    [("@ 1000", 1_000_000), ("@ start()", 600_000), ("@ end() offset 1m", 840_000)],
)
def test_what_is_pinned_is_evaluated_once(modifiers: str, time_ms: int) -> None:
    """A pinned subtree is one step, repeated."""
    node = plan(f"rate(up[5m] {modifiers})")
    assert isinstance(node, Repeat)
    assert isinstance(node.inner, RangeCall)
    assert isinstance(node.inner.samples, SamplesRead)
    assert node.inner.samples.ends == Grid.instant(time_ms)


def test_a_subquery_has_a_grid_of_its_own() -> None:
    """Its steps are multiples of its step, from the start of the first window on."""
    node = plan("rate(up[5m:1m])")
    assert isinstance(node, RangeCall)
    assert isinstance(node.samples, SubqueryRead)
    assert isinstance(node.samples.inner, Newest)
    assert node.samples.inner.grid == Grid(360_000, 900_000, 60_000)


def test_absence_is_that_of_any_point() -> None:
    """`absent` and `absent_over_time` ask whether there is anything at all."""
    for text in ("absent(up)", "absent_over_time(up[5m])"):
        assert isinstance(plan(text), Absent)


def test_the_same_fetch_is_made_once(source: Any, engine: PromqlEngine) -> None:
    """A selector that stands in several places is read once for a query."""
    engine.range_query("rate(a[5m]) / (rate(a[5m]) + deriv(b[1m]) + deriv(b[1m]))", GRID)
    assert len(source.fetches) == 2


def test_operators_keep_their_sides() -> None:
    """The plan of a binary operator has the plans of both operands."""
    node = plan("a / (b + 1)")
    assert isinstance(node, BinaryNode)
    assert isinstance(node.first, Newest)
    assert [type(right) for _, right in node.applied] == [BinaryNode]


def test_operators_in_a_row_are_one_node() -> None:
    """What is read from the left to the right is evaluated so, without nesting."""
    node = plan("a + b * 2 - 1")
    assert isinstance(node, BinaryNode)
    assert [binary.op for binary, _ in node.applied] == ["+", "-"]

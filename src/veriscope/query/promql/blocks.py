"""Some steps at a time, where the whole of a vector that is folded at once would be too large."""

from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import Final

from veriscope.query.promql.nodes import Newest, Node, RangeCall, SamplesRead
from veriscope.query.promql.rolled import side_by_side
from veriscope.signals import METRIC_NAME, Grid, MatchOp, Matrix

BLOCK_POINTS: Final = 4_000_000
"""Points of a block: large enough for all processors, small enough for memory (36 MB)."""


def plain_read(node: Node) -> SamplesRead | None:
    """
    Return what *node* reads if it can be evaluated some steps at a time, else None.

    It is a selector of one metric, or a function of its range, whose steps have nothing to do
    with each other: of two metrics, series could come to have the same labels.
    """
    if not isinstance(node, Newest | RangeCall) or (isinstance(node, RangeCall) and node.params):
        return None
    read = node.samples
    if not isinstance(read, SamplesRead) or read.pinned:
        return None
    named = any(m.name == METRIC_NAME and m.op is MatchOp.EQUAL for m in read.fetch.matchers)
    return read if named else None


def in_blocks(node: Node, read: SamplesRead, series: int) -> list[Node]:
    """Return *node*, of *series* rows, cut into nodes for some of its steps each, in order."""
    steps = len(node.grid)
    count = max(1, -(-series * steps // BLOCK_POINTS))
    bounds = [steps * part // count for part in range(count + 1)]
    return [_steps(node, read, first, last) for first, last in pairwise(bounds) if first < last]


def joined_blocks(parts: list[Matrix]) -> Matrix:
    """Return vectors on consecutive steps as one."""
    return reduce(lambda whole, part: side_by_side(whole, part, _over(whole.grid, part)), parts)


def _steps(node: Node, read: SamplesRead, first: int, last: int) -> Node:
    grid = _cut(node.grid, first, last)
    part = replace(read, grid=grid, ends=_cut(read.ends, first, last))
    if isinstance(node, Newest | RangeCall):
        return replace(node, grid=grid, samples=part)
    return node


def _cut(grid: Grid, first: int, last: int) -> Grid:
    start_ms = grid.start_ms + first * grid.step_ms
    return Grid(start_ms, grid.start_ms + (last - 1) * grid.step_ms, grid.step_ms)


def _over(grid: Grid, part: Matrix) -> Grid:
    return Grid(grid.start_ms, part.grid.end_ms, grid.step_ms)

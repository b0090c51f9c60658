"""Windows whose edges are made to fit, against the plainest way to do so."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plain_windows import (
    LOOKBACK,
    Row,
    Sample,
    check,
    differs,
    drawn,
    finite_rows,
    fresh,
    grids,
    happenings,
    lengths,
    ragged,
)
from veriscope.query.promql.ast import Edges
from veriscope.query.promql.ranges.newest import newest
from veriscope.query.promql.ranges.table import RANGE_FUNCTIONS
from veriscope.query.promql.ranges.windows import Windows
from veriscope.signals import Grid


def between(before: Sample, after: Sample, time: int, *, counter: bool = False) -> float:
    """Interpolate; a counter that fell has grown from zero."""
    low = 0.0 if counter and after[1] < before[1] else before[1]
    return low + (after[1] - low) * float(time - before[0]) / float(after[0] - before[0])


def extended(row: Row, start: int, end: int, edges: Edges, *, counter: bool) -> float | None:
    """Prometheus' extendedRate, from samples that reach beyond the window."""
    inside = [sample for sample in row if start < sample[0] <= end]
    earlier = [sample for sample in row if sample[0] <= start]
    later = [sample for sample in row if sample[0] > end]
    if edges is Edges.ANCHORED:
        if not inside:
            return None
        chain = [value for _, value in [*earlier[-1:], *inside]]
    else:
        if not inside and not (earlier and later):
            return None
        edge_before, edge_after = earlier[-1:], later[:1]
        known = [*edge_before, *inside, *edge_after]
        left, right = known[0][1], known[-1][1]
        if edge_before and edge_before[0][0] < start:
            left = between(known[0], known[1], start, counter=counter)
        if edge_after and len(known) > 1 and not (inside and inside[-1][0] == end):
            right = between(known[-2], known[-1], end, counter=counter)
        elif inside and inside[-1][0] == end:
            right = inside[-1][1]
        middle = [value for time, value in inside if time < end]
        chain = [left, *middle, right]
    lost = sum(a for a, b in itertools.pairwise(chain) if b < a) if counter else 0.0
    return chain[-1] - chain[0] + lost


@pytest.mark.parametrize("edges", [Edges.ANCHORED, Edges.SMOOTHED])
@pytest.mark.parametrize("name", ["delta", "increase", "rate"])
@drawn
@given(rows=st.lists(finite_rows, max_size=4), grid=grids, length=lengths)
def test_a_window_with_edges(
    name: str, edges: Edges, rows: list[Row], grid: Grid, length: int
) -> None:
    """An anchored window begins with the sample before it, a smoothed one has both its edges."""
    found = RANGE_FUNCTIONS[name](Windows(ragged(rows), grid, length, grid, edges, LOOKBACK))
    ahead = LOOKBACK if edges is Edges.SMOOTHED else 0
    wanted: list[list[float | None]] = []
    for row in map(fresh, rows):
        points: list[float | None] = []
        for end in grid.times_ms().tolist():
            start = end - length
            seen = [s for s in row if start - LOOKBACK < s[0] <= end + ahead]
            point = extended(seen, start, end, edges, counter=name != "delta")
            if point is not None and name == "rate":
                point /= length / 1000
            points.append(point)
        wanted.append(points)
    values, present = found
    assert present.tolist() == [[point is not None for point in row] for row in wanted]
    flat = [point for row in wanted for point in row if point is not None]
    np.testing.assert_allclose(values[present], flat, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["changes", "resets"])
@drawn
@given(rows=st.lists(finite_rows, max_size=4), grid=grids, length=lengths)
def test_an_anchored_window_counts_from_the_sample_before_it(
    name: str, rows: list[Row], grid: Grid, length: int
) -> None:
    """What happens between the sample before the window and its first one counts."""
    windows = Windows(ragged(rows), grid, length, grid, Edges.ANCHORED, LOOKBACK)
    happens = differs if name == "changes" else (lambda before, after: after < before)
    wanted: list[list[float | None]] = []
    for row in map(fresh, rows):
        points: list[float | None] = []
        for end in grid.times_ms().tolist():
            start = end - length
            before = [s for s in row if start - LOOKBACK < s[0] <= start]
            inside = [s for s in row if start < s[0] <= end]
            points.append(happenings([*before[-1:], *inside], happens) if inside else None)
        wanted.append(points)
    check(RANGE_FUNCTIONS[name](windows), wanted)


@drawn
@given(rows=st.lists(finite_rows, max_size=4), grid=grids)
def test_a_smoothed_value_lies_between_samples(rows: list[Row], grid: Grid) -> None:
    """A step between two samples has the value on their line, one after the last has the last."""
    windows = Windows(ragged(rows), grid, LOOKBACK, grid, Edges.SMOOTHED, LOOKBACK)
    wanted: list[list[float | None]] = []
    for row in map(fresh, rows):
        points: list[float | None] = []
        for end in grid.times_ms().tolist():
            seen = [s for s in row if end - LOOKBACK < s[0] <= end + LOOKBACK]
            before = [s for s in seen if s[0] <= end]
            after = [s for s in seen if s[0] > end]
            if not before:
                points.append(None)
            elif before[-1][0] == end or not after:
                points.append(before[-1][1])
            else:
                points.append(between(before[-1], after[0], end))
        wanted.append(points)
    check(newest(windows), wanted)

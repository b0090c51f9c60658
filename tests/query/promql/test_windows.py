"""Windows: their borders, and blocks of them that are gathered piece by piece."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.query.promql.ranges import windows as module
from veriscope.query.promql.ranges.windows import Windows, cut
from veriscope.query.promql.sums import compensated_sum
from veriscope.signals import STALE_NAN, Grid, RaggedSamples

columns = st.lists(
    st.lists(st.integers(0, 200), unique=True, max_size=12).map(sorted), min_size=1, max_size=5
)
grids = st.builds(
    lambda start, steps, step: Grid(start, start + steps * step, step),
    st.integers(-50, 150),
    st.integers(0, 8),
    st.integers(1, 60),
)


def ragged(times: list[list[int]]) -> RaggedSamples:
    """Return series with samples at *times*, each of the value of its time."""
    flat = [time for column in times for time in column]
    return RaggedSamples(
        labels=tuple((("i", str(index)),) for index in range(len(times))),
        offsets=np.cumsum([0, *map(len, times)]),
        timestamps_ms=np.array(flat, dtype=np.int64),
        values=np.array(flat, dtype=np.float64),
    )


def contents(windows: Windows) -> list[list[list[float]]]:
    """Return the samples of each window."""
    return [
        [windows.values[a:b].tolist() for a, b in zip(*row, strict=True)]
        for row in zip(windows.low.tolist(), windows.high.tolist(), strict=True)
    ]


@given(times=columns, grid=grids, length=st.integers(1, 100))
def test_a_window_holds_what_is_after_its_start_until_its_end(
    times: list[list[int]], grid: Grid, length: int
) -> None:
    """Every window is open on the left and closed on the right, for every series and step."""
    found = contents(cut(ragged(times), grid, length, grid))
    steps = grid.times_ms().tolist()
    assert found == [
        [[float(t) for t in column if end - length < t <= end] for end in steps] for column in times
    ]


def test_one_window_serves_all_steps() -> None:
    """Where the data's time is pinned, each step has the same window and its own time."""
    windows = cut(ragged([[1, 5, 9]]), Grid.instant(6), 4, Grid(100, 120, 10))
    assert contents(windows) == [[[5.0], [5.0], [5.0]]]
    assert windows.ends_ms.tolist() == [6, 6, 6]
    assert windows.times_ms.tolist() == [100, 110, 120]


def test_stale_markers_are_left_out_unless_asked_for() -> None:
    """The markers of the store are no samples of a range."""
    samples = ragged([[1, 2, 3], [], [2]])
    samples.values[[1, 3]] = STALE_NAN
    grid = Grid.instant(3)
    assert cut(samples, grid, 5, grid).counts.tolist() == [[2], [0], [0]]
    assert cut(samples, grid, 5, grid, keep_stale=True).counts.tolist() == [[3], [0], [1]]


@pytest.mark.parametrize("cells", [64, 640, 1 << 21])
def test_blocks_hold_each_window_once(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    """However small the blocks, together they hold the chosen windows and nothing else."""
    monkeypatch.setattr(module, "_BLOCK_CELLS", cells)
    grid = Grid(0, 200, 10)
    windows = cut(ragged([list(range(0, 200, 7)), [3], [], list(range(100))]), grid, 60, grid)
    chosen = windows.counts > 1
    seen: dict[int, list[float]] = {}
    for block in windows.blocks(chosen):
        for row, values, valid in zip(block.rows, block.values, block.valid, strict=True):
            assert row not in seen
            seen[int(row)] = values[valid].tolist()
    flat = [window for row in contents(windows) for window in row]
    assert seen == {int(row): flat[row] for row in np.flatnonzero(chosen)}


@given(st.lists(st.integers(-(10**15), 10**15).map(float), max_size=40), st.floats(1e17, 1e100))
def test_compensated_sums_keep_small_terms(terms: list[float], large: float) -> None:
    """What is added and taken away again leaves the rest intact."""
    total: Any = compensated_sum(np.array([large, *terms, -large, 0.5]))
    assert total == pytest.approx(sum(map(int, terms)) + 0.5, rel=1e-12, abs=0.5)

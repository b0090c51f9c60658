"""Windows and every function of them, against the slowest and plainest way to compute them."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.plain_windows import (
    LOOKBACK,
    PARAMETERS,
    Q,
    Row,
    Sample,
    check,
    drawn,
    expected,
    fresh,
    grids,
    lengths,
    ragged,
    rows_of,
    variance,
)
from veriscope.query.promql import threads
from veriscope.query.promql.ranges.newest import newest, newest_seconds
from veriscope.query.promql.ranges.table import RANGE_FUNCTIONS
from veriscope.query.promql.ranges.windows import Windows
from veriscope.signals import STALE_NAN, Grid


@pytest.mark.parametrize("name", sorted(RANGE_FUNCTIONS))
@drawn
@given(
    rows=st.lists(rows_of, max_size=4),
    grid=grids,
    length=lengths,
    offset=st.integers(-60, 60),
    gap=st.integers(0, 2),
)
@example(
    rows=[[(time, 0.1) for time in range(60)]], grid=Grid(0, 59, 1), length=40, offset=0, gap=0
)
@example(
    rows=[[(time, float(7 * time % 11)) for time in range(0, 300, 2)]],
    grid=Grid(0, 300, 4), length=150, offset=0, gap=1,
)  # fmt: skip
def test_a_function_of_windows(  # noqa: PLR0917 - drawn
    name: str, rows: list[Row], grid: Grid, length: int, offset: int, gap: int
) -> None:
    """Each function gives what Prometheus' loop over one window gives, for any samples and grid."""
    ends = grid.shifted(-offset)
    parameters = [np.full(len(grid), number) for number in PARAMETERS.get(name, ())]
    with np.errstate(all="ignore"):
        found = RANGE_FUNCTIONS[name](Windows(ragged(rows, gap), ends, length, grid), *parameters)
        wanted = [
            [
                expected(name, [s for s in row if end - length < s[0] <= end], end, length, now)
                for end, now in zip(ends.times_ms().tolist(), grid.times_ms().tolist(), strict=True)
            ]
            for row in map(fresh, rows)
        ]
    check(found, wanted)


@st.composite
def hard_rows(draw: st.DrawFn) -> Row:
    """Return samples of noise, steps, constants and drifts, far from zero and near to it."""
    row: list[float] = []
    for _ in range(draw(st.integers(1, 4))):
        level = draw(st.sampled_from([0.0, 1.0, -3e5, 1e9, 1.7e9, 1e15, 1e-150, 1e200]))
        noise = draw(st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 1e6])) * (abs(level) or 1.0)
        drift = draw(st.sampled_from([0.0, 0.0, 1.0, 1e3]))
        draws = draw(st.lists(st.floats(-1, 1), min_size=40, max_size=120))
        row += [level + noise * value + drift * place for place, value in enumerate(draws)]
    for place in draw(st.lists(st.integers(0, len(row) - 1), max_size=2)):
        row[place] = draw(st.sampled_from([math.nan, math.inf, -math.inf, STALE_NAN]))
    return list(enumerate(row))


@drawn
@given(row=hard_rows(), length=st.integers(2, 150), step=st.integers(1, 40))
def test_a_variance_is_that_of_the_window_alone(row: Row, length: int, step: int) -> None:
    """Whatever large numbers were before: Prometheus' within 1e-9, and 0 where nothing changes."""
    grid = Grid(0, len(row), step)
    found = RANGE_FUNCTIONS["stdvar_over_time"](Windows(ragged([row]), grid, length, grid))
    with np.errstate(all="ignore"):
        wanted = [
            variance([value for _, value in window]) if window else None
            for end in grid.times_ms().tolist()
            for window in [fresh([s for s in row if end - length < s[0] <= end])]
        ]
    check(found, [wanted], rtol=1e-9)


@pytest.mark.parametrize("level", [0.1, 1e9 + 0.1, -1e300])
def test_what_does_not_change_has_no_variance(level: float) -> None:
    """A constant has exactly none, also after it was something else."""
    row = list(enumerate([3.0, 7.5, 1e8] * 20 + [level] * 100))
    grid = Grid(100, 159, 7)
    found = RANGE_FUNCTIONS["stddev_over_time"](Windows(ragged([row]), grid, 40, grid))
    check(found, [[0.0] * len(grid)])


@drawn
@given(rows=st.lists(rows_of, max_size=4), grid=grids)
def test_the_newest_sample_is_a_series_value_until_it_is_stale(rows: list[Row], grid: Grid) -> None:
    """A value lasts for the lookback, and ends at a stale marker."""
    windows = Windows(ragged(rows, 1), grid, LOOKBACK, grid)
    found: list[list[Sample | None]] = []
    for row in rows:
        points: list[Sample | None] = []
        for end in grid.times_ms().tolist():
            seen = [sample for sample in row if end - LOOKBACK < sample[0] <= end]
            points.append(seen[-1] if seen and fresh(seen[-1:]) else None)
        found.append(points)
    check(newest(windows), [[point and point[1] for point in row] for row in found])
    check(newest_seconds(windows), [[point and point[0] / 1000 for point in row] for row in found])


@pytest.mark.parametrize("name", ["mad_over_time", "quantile_over_time"])
def test_long_windows_are_ordered_by_merging(name: str) -> None:
    """Windows of hundreds of samples have the same order, with NaN and many equal numbers."""
    chance = np.random.default_rng(4)
    values = np.where(chance.random(2_000) < 0.02, np.nan, chance.integers(0, 90, 2_000) / 10)
    values[900:] = chance.integers(0, 90, 1_100) / 10  # in which there are distances to compare
    row = list(enumerate(values.tolist()))
    grid = Grid(300, 1_999, 37)
    q = [np.full(len(grid), Q)] if name == "quantile_over_time" else []
    found = RANGE_FUNCTIONS[name](Windows(ragged([row]), grid, 400, grid), *q)
    wanted = [
        expected(name, [s for s in row if end - 400 < s[0] <= end], end, 400, end)
        for end in grid.times_ms().tolist()
    ]
    check(found, [wanted])


def test_one_window_serves_all_steps() -> None:
    """Where the data's time is pinned, each step has the same window and its own time."""
    samples, ends, steps = (
        ragged([[(1, 5.0), (5, 9.0), (9, 2.0)]]),
        Grid.instant(6),
        Grid(100, 120, 10),
    )
    windows = Windows(samples, ends, 8, steps)
    check(RANGE_FUNCTIONS["sum_over_time"](windows), [[14.0] * 3])
    q = np.array([0.0, 0.5, 1.0])
    check(RANGE_FUNCTIONS["quantile_over_time"](windows, q), [[5.0, 7.0, 9.0]])
    # One a millisecond: 5 at 1 ms is 104 at 100 ms.
    predicted = RANGE_FUNCTIONS["predict_linear"](windows, np.zeros(3))
    check(predicted, [[104.0, 114.0, 124.0]])


def test_many_rows_are_shared_out_to_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the rows are split, each is written once and in its place."""
    rows = [[(time, float(time * index % 13)) for time in range(50)] for index in range(200)]
    grid = Grid(0, 60, 3)
    windows = Windows(ragged(rows), grid, 20, grid)
    alone = RANGE_FUNCTIONS["sum_over_time"](windows)
    monkeypatch.setattr(threads, "_LARGE", 10)
    together = RANGE_FUNCTIONS["sum_over_time"](windows)
    np.testing.assert_array_equal(alone, together)


def test_columns_may_be_read_only() -> None:
    """Samples of a cache are taken as they are."""
    samples = ragged([[(time, float(time)) for time in range(9)]])
    for part in samples.segments:
        part.values.flags.writeable = False
        part.timestamps_ms.flags.writeable = False
    grid = Grid(4, 8, 4)
    check(RANGE_FUNCTIONS["max_over_time"](Windows(samples, grid, 3, grid)), [[4.0, 8.0]])

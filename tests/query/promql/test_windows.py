"""Windows and every function of them, against the slowest and plainest way to compute them."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from veriscope.query.promql import threads
from veriscope.query.promql.ast import Edges
from veriscope.query.promql.ranges.newest import newest, newest_seconds
from veriscope.query.promql.ranges.table import RANGE_FUNCTIONS
from veriscope.query.promql.ranges.windows import Windows
from veriscope.signals import STALE_NAN, Grid, LabelSets, RaggedSamples, Segment, is_stale

Sample = tuple[int, float]
Row = list[Sample]

LOOKBACK = 40

drawn = settings(max_examples=50, deadline=None)
"""A kernel is compiled at its first call on a machine, which takes seconds."""


def kahan(term: float, total: float, rest: float) -> tuple[float, float]:
    """Prometheus' kahansum.Inc."""
    added = total + term
    if math.isinf(added):
        return added, 0.0
    if abs(total) >= abs(term):
        return added, rest + ((total - added) + term)
    return added, rest + ((term - added) + total)


def careful_sum(values: list[float]) -> float:
    """Sum as `sum_over_time` does."""
    total = rest = 0.0
    for value in values:
        total, rest = kahan(value, total, rest)
    return total if math.isinf(total) else total + rest


def careful_mean(values: list[float]) -> float:
    """Average as `avg_over_time` does: of means from where the sum would overflow on."""
    total, rest, mean, stepwise = values[0], 0.0, 0.0, False
    for count, value in enumerate(values[1:], 2):
        if not stepwise:
            added, error = kahan(value, total, rest)
            if not math.isinf(added):
                total, rest = added, error
                continue
            stepwise, mean, rest = True, total / (count - 1), rest / (count - 1)
        share = (count - 1) / count
        mean, rest = kahan(value / count, share * mean, share * rest)
    return mean + rest if stepwise else total / len(values) + rest / len(values)


def variance(values: list[float]) -> float:
    """Welford's recurrence, compensated."""
    mean = mean_rest = spread = spread_rest = 0.0
    for count, value in enumerate(values, 1):
        distance = value - (mean + mean_rest)
        mean, mean_rest = kahan(distance / count, mean, mean_rest)
        now = value - (mean + mean_rest)
        spread, spread_rest = kahan(distance * now, spread, spread_rest)
    return (spread + spread_rest) / len(values)


def quantile(q: float, values: list[float]) -> float:
    """Interpolate between ranks, NaN first."""
    if math.isnan(q):
        return math.nan
    if not 0 <= q <= 1:
        return -math.inf if q < 0 else math.inf
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    lower = math.floor(rank)
    upper, weight = min(len(ordered) - 1, lower + 1), rank - lower
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def best(row: Row, better: Callable[[float, float], bool]) -> Sample:
    """Return the sample that a loop of comparisons ends with; NaN gives way to anything."""
    found = row[0]
    for sample in row:
        if better(sample[1], found[1]) or math.isnan(found[1]):
            found = sample
    return found


def happenings(row: Row, happens: Callable[[float, float], bool]) -> float:
    """Count the neighbours for which *happens* holds."""
    return float(sum(happens(a, b) for (_, a), (_, b) in itertools.pairwise(row)))


def differs(before: float, after: float) -> bool:
    """Tell whether a value changed; NaN is NaN."""
    return before != after and not (math.isnan(before) and math.isnan(after))


def extrapolated(row: Row, start: int, end: int, *, counter: bool) -> float | None:
    """Prometheus 3's extrapolatedRate."""
    if len(row) < 2:
        return None
    (first_ms, first), (last_ms, last) = row[0], row[-1]
    result = last - first
    if counter:
        for (_, before), (_, after) in itertools.pairwise(row):
            result += before if after < before else 0.0
    sampled = (last_ms - first_ms) / 1000
    gap = sampled / (len(row) - 1)
    to_start, to_end = (first_ms - start) / 1000, (end - last_ms) / 1000
    to_start = gap / 2 if to_start >= gap * 1.1 else to_start
    if counter and result > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / result))
    to_end = gap / 2 if to_end >= gap * 1.1 else to_end
    return result * ((sampled + to_start + to_end) / sampled)


def last_two(row: Row, *, counter: bool) -> tuple[float, float] | None:
    """Return the difference of the last two samples and the seconds between them."""
    if len(row) < 2:
        return None
    (before_ms, before), (after_ms, after) = row[-2:]
    return after if counter and after < before else after - before, (after_ms - before_ms) / 1000


def line(row: Row, origin: int) -> tuple[float, float]:
    """Fit a line: slope a second and value at *origin*."""
    values = [value for _, value in row]
    if all(value == values[0] for value in values[1:]):
        return (math.nan, math.nan) if math.isinf(values[0]) else (0.0, values[0])
    xs = [(time - origin) / 1000 for time, _ in row]
    sums = []
    for terms in (
        xs,
        values,
        [x * y for x, y in zip(xs, values, strict=True)],
        [x * x for x in xs],
    ):
        total = rest = 0.0
        for term in terms:
            total, rest = kahan(term, total, rest)
        sums.append(np.float64(total + rest))
    x, y, xy, xx = sums
    n = len(row)
    slope = (xy - x * y / n) / (xx - x * x / n)
    return float(slope), float(y / n - slope * x / n)


def smooth(values: list[float], smoothing: float, trend: float) -> float:
    """Holt's recurrence."""
    before, level, slope = 0.0, values[0], values[1] - values[0]
    for index, value in enumerate(values[1:]):
        if index:
            slope = trend * (level - before) + (1 - trend) * slope
        before, level = level, smoothing * value + (1 - smoothing) * (level + slope)
    return level


Q, SECONDS, SMOOTHING, TREND = 0.3, 7.0, 0.4, 0.6


def expected(name: str, row: Row, end: int, length: int, now: int) -> float | None:
    """Return *name* of one window, whose stale markers are gone; None where it has no point."""
    if not row:
        return None
    values = [value for _, value in row]
    start = end - length
    two = len(row) > 1
    pair = last_two(row, counter=name == "irate")
    grown = extrapolated(row, start, end, counter=name != "delta")
    median = quantile(0.5, values)
    table: dict[str, Callable[[], float | None]] = {
        "avg_over_time": lambda: careful_mean(values),
        "changes": lambda: happenings(row, differs),
        "count_over_time": lambda: float(len(row)),
        "delta": lambda: grown,
        "deriv": lambda: line(row, row[0][0])[0] if two else None,
        "double_exponential_smoothing": lambda: smooth(values, SMOOTHING, TREND) if two else None,
        "first_over_time": lambda: values[0],
        "idelta": lambda: pair and pair[0],
        "increase": lambda: grown,
        "irate": lambda: pair and pair[0] / pair[1],
        "last_over_time": lambda: values[-1],
        "mad_over_time": lambda: (
            math.nan
            if any(map(math.isnan, values))
            else quantile(0.5, [abs(value - median) for value in values])
        ),
        "max_over_time": lambda: best(row, lambda value, top: value > top)[1],
        "min_over_time": lambda: best(row, lambda value, top: value < top)[1],
        "predict_linear": lambda: predict(row, now) if two else None,
        "present_over_time": lambda: 1.0,
        "quantile_over_time": lambda: quantile(Q, values),
        "rate": lambda: None if grown is None else grown / (length / 1000),
        "resets": lambda: happenings(row, lambda before, after: after < before),
        "stddev_over_time": lambda: math.sqrt(variance(values)),
        "stdvar_over_time": lambda: variance(values),
        "sum_over_time": lambda: careful_sum(values),
        "ts_of_first_over_time": lambda: row[0][0] / 1000,
        "ts_of_last_over_time": lambda: row[-1][0] / 1000,
        "ts_of_max_over_time": lambda: best(row, lambda value, top: value >= top)[0] / 1000,
        "ts_of_min_over_time": lambda: best(row, lambda value, top: value <= top)[0] / 1000,
    }
    return table[name]()


def predict(row: Row, now: int) -> float:
    """Follow the line."""
    slope, intercept = line(row, now)
    return slope * SECONDS + intercept


PARAMETERS = {
    "double_exponential_smoothing": (SMOOTHING, TREND),
    "predict_linear": (SECONDS,),
    "quantile_over_time": (Q,),
}

ordinary = st.integers(-5, 50).map(float) | st.floats(-100, 100)
odd = st.sampled_from([math.nan, math.inf, -math.inf, -0.0, STALE_NAN, 1e100, -1e100, 1.7e308])
times = st.lists(st.integers(0, 300), unique=True, max_size=60).map(sorted)
rows_of = st.builds(
    lambda times, values: list(zip(times, values, strict=False)),
    times,
    st.lists(ordinary, min_size=60, max_size=60)
    | st.lists(ordinary | odd, min_size=60, max_size=60),
)
grids = st.builds(
    lambda start, steps, step: Grid(start, start + steps * step, step),
    st.integers(-50, 200),
    st.integers(0, 30),
    st.integers(1, 60),
)
lengths = st.integers(1, 250)


def segment(rows: list[Row], gap: int) -> Segment:
    """Lay *rows* into shared columns, *gap* samples of others between them, last row first."""
    columns: Row = []
    starts, stops = [0] * len(rows), [0] * len(rows)
    for index in reversed(range(len(rows))):
        columns += [(17, 1e9)] * gap
        starts[index] = len(columns)
        columns += rows[index]
        stops[index] = len(columns)
    return Segment(
        np.array(starts, dtype=np.int64),
        np.array(stops, dtype=np.int64),
        np.array([time for time, _ in columns], dtype=np.int64),
        np.array([value for _, value in columns], dtype=np.float64),
    )


def ragged(rows: list[Row], gap: int = 0) -> RaggedSamples:
    """Return *rows* in two segments."""
    labels = LabelSets((("i", str(index)),) for index in range(len(rows)))
    half = len(rows) // 2
    return RaggedSamples(labels, (segment(rows[:half], gap), segment(rows[half:], gap)))


def fresh(row: Row) -> Row:
    """Leave out stale markers."""
    return [sample for sample in row if not is_stale(np.array([sample[1]]))[0]]


def check(found: Any, wanted: list[list[float | None]], rtol: float = 1e-12) -> None:
    """Compare points: presence exactly, values as close as floats allow, or to *rtol*."""
    values, present = found
    assert present.tolist() == [[point is not None for point in row] for row in wanted]
    np.testing.assert_allclose(
        values[present],
        [point for row in wanted for point in row if point is not None],
        rtol=rtol,
        atol=0,
    )


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


finite_rows = st.builds(
    lambda times, values: list(zip(times, values, strict=False)),
    times,
    st.lists(st.integers(0, 50).map(float) | st.just(STALE_NAN), min_size=60, max_size=60),
)


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


@pytest.mark.parametrize("work", [0, 1 << 40])
def test_a_threads_error_is_raised(work: int) -> None:
    """A failure in another thread is the caller's."""
    with pytest.raises(ZeroDivisionError):
        threads.run_all([lambda: None, lambda: 1 / 0, lambda: None], work)


@pytest.mark.parametrize("work", [0, 1 << 40])
def test_work_is_split_without_gaps(work: int) -> None:
    """The parts of all segments together hold each row once."""
    for count in (0, 1, 7, 100):
        parts = threads.split(count, work, 107)
        assert [row for part in parts for row in range(count)[part]] == list(range(count))


def test_columns_may_be_read_only() -> None:
    """Samples of a cache are taken as they are."""
    samples = ragged([[(time, float(time)) for time in range(9)]])
    for part in samples.segments:
        part.values.flags.writeable = False
        part.timestamps_ms.flags.writeable = False
    grid = Grid(4, 8, 4)
    check(RANGE_FUNCTIONS["max_over_time"](Windows(samples, grid, 3, grid)), [[4.0, 8.0]])

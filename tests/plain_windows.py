"""Functions of windows, the slowest and plainest way, and samples to compute them of."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

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
finite_rows = st.builds(
    lambda times, values: list(zip(times, values, strict=False)),
    times,
    st.lists(st.integers(0, 50).map(float) | st.just(STALE_NAN), min_size=60, max_size=60),
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

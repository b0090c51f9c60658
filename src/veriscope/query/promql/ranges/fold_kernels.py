"""Compiled loops that fold the samples of each window into one number: the `*_over_time` family."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ranges.variance_kernels import COLUMNS, variances
from veriscope.query.promql.ranges.window_kernels import cut_fresh
from veriscope.query.promql.sum_kernels import add_to_mean, kahan_sum, mean_of, two_sum
from veriscope.signals.compiled import compiled

AVG: Final = 0
COUNT: Final = 1
FIRST: Final = 2
LAST: Final = 3
MAX: Final = 4
MIN: Final = 5
PRESENT: Final = 6
STDDEV: Final = 7
STDVAR: Final = 8
SUM: Final = 9
TS_OF_FIRST: Final = 10
TS_OF_LAST: Final = 11
TS_OF_MAX: Final = 12
TS_OF_MIN: Final = 13

_WELL_CONDITIONED: Final = float(1 << 20)
"""
How much larger than a window's sum all that was added before it may be.

Below, a difference of two running sums of 106 bits is the window's sum to the last bit but one,
and so is Kahan's; beyond, the window is summed by itself as Prometheus does.
"""


@compiled
def fold_rows(
    op: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    length_ms: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """Write *op* of each row's windows `(end - length, end]`; 0 and no point where one is empty."""
    steps = out.shape[1]
    low, high = np.empty(steps, dtype=np.int64), np.empty(steps, dtype=np.int64)
    places, totals = np.empty(64, dtype=np.int64), np.empty((64, COLUMNS))
    for row in range(len(starts)):
        times, numbers, total = cut_fresh(
            timestamps_ms, values, starts[row], stops[row],
            first_ms, step_ms, length_ms, low, high,
        )  # fmt: skip
        span = high[-1] - low[0]
        # Whether windows overlap so much that their common part is worth finding.
        shared = total > 2 * span
        if shared and op in (AVG, SUM, STDVAR, STDDEV) and len(totals) <= span:
            totals = np.empty((2 * span, COLUMNS))
        if op in (AVG, SUM):
            _sums(op, numbers, low, high, shared, totals, out[row])
        elif op in (MIN, MAX, TS_OF_MIN, TS_OF_MAX):
            if shared and len(places) <= span:
                places = np.empty(2 * span, dtype=np.int64)
            _extremes(op, times, numbers, low, high, shared, places, out[row])
        elif op in (STDVAR, STDDEV):
            variances(numbers, low, high, shared, totals, out[row])
            if op == STDDEV:
                for step in range(steps):
                    out[row, step] = np.sqrt(out[row, step])
        else:
            _ends(op, times, numbers, low, high, out[row])
        for step in range(steps):
            present[row, step] = high[step] > low[step]


@compiled
def _ends(
    op: int,
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    for step in range(len(low)):
        start, stop = low[step], high[step]
        if stop == start:
            out[step] = 0.0
        elif op == COUNT:
            out[step] = stop - start
        elif op == FIRST:
            out[step] = values[start]
        elif op == LAST:
            out[step] = values[stop - 1]
        elif op == TS_OF_FIRST:
            out[step] = timestamps_ms[start] / 1000
        elif op == TS_OF_LAST:
            out[step] = timestamps_ms[stop - 1] / 1000
        else:
            out[step] = 1.0


@compiled
def _sums(
    op: int,
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    shared: bool,
    totals: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """
    Write each window's sum or mean, from running sums where these are exact enough.

    `totals` holds before each sample: the sum in two floats, the sum of sizes, and how many of
    the summands were no finite numbers (these are left out of the sums).
    """
    base = low[0]
    if shared:
        _run_totals(values, base, high[-1], totals)
    for step in range(len(low)):
        start, stop = low[step], high[step]
        if stop == start:
            out[step] = 0.0
            continue
        if shared and totals[stop - base, 3] == totals[start - base, 3]:
            total, rest = two_sum(totals[stop - base, 0], -totals[start - base, 0])
            total, rest = two_sum(total, rest + (totals[stop - base, 1] - totals[start - base, 1]))
            if totals[stop - base, 2] <= _WELL_CONDITIONED * abs(total):
                if op == SUM:
                    out[step] = total
                else:
                    count = float(stop - start)
                    out[step] = total / count + rest / count
                continue
        out[step] = kahan_sum(values, start, stop) if op == SUM else _mean(values, start, stop)


@compiled
def _run_totals(
    values: NDArray[np.float64], begin: int, stop: int, totals: NDArray[np.float64]
) -> None:
    total, rest, size, odd = 0.0, 0.0, 0.0, 0.0
    totals[0] = 0.0
    for place in range(begin, stop):
        value = values[place]
        if np.isfinite(value):
            added, error = two_sum(total, value)
            total, rest = two_sum(added, rest + error)
            size += abs(value)
        else:
            odd += 1
        after = place - begin + 1
        totals[after, 0], totals[after, 1] = total, rest
        totals[after, 2], totals[after, 3] = size, odd


@compiled
def _mean(values: NDArray[np.float64], start: int, stop: int) -> float:
    total, rest, stepwise = values[start], 0.0, False
    for place in range(start + 1, stop):
        count = float(place - start + 1)
        total, rest, stepwise = add_to_mean(values[place], count, total, rest, stepwise)
    return mean_of(total, rest, float(stop - start), stepwise)


@compiled
def _extremes(
    op: int,
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    shared: bool,
    queue: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """
    Write the best value of each window, or when it was seen; NaN only where all are.

    Of equal values the first counts, but for its time the last. With overlapping windows, *queue*
    holds the places that may still become the best of one, best first.
    """
    sign = 1.0 if op in (MAX, TS_OF_MAX) else -1.0
    timed = op in (TS_OF_MAX, TS_OF_MIN)
    head, tail, seen = 0, 0, low[0]
    for step in range(len(low)):
        start, stop = low[step], high[step]
        if stop == start:
            out[step] = 0.0
            continue
        if not shared:
            best = start
            for place in range(start + 1, stop):
                if _beats(sign, values[place], values[best], timed):
                    best = place
        else:
            if seen < start:
                head, tail, seen = 0, 0, start
            for place in range(seen, stop):
                while tail > head and _beats(sign, values[place], values[queue[tail - 1]], timed):
                    tail -= 1
                queue[tail] = place
                tail += 1
            seen = stop
            while queue[head] < start:
                head += 1
            best = queue[head]
        out[step] = timestamps_ms[best] / 1000 if timed else values[best]


@compiled
def _beats(sign: float, value: float, best: float, timed: bool) -> bool:
    if np.isnan(best):
        return timed or not np.isnan(value)
    return sign * value >= sign * best if timed else sign * value > sign * best

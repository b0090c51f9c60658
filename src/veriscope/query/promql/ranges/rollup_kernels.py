"""Compiled loops over roll-ups: what a window's whole buckets come to."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ranges.rate_kernels import DELTA, extrapolated
from veriscope.query.promql.ranges.window_kernels import cut
from veriscope.query.promql.sum_kernels import kahan_sum
from veriscope.signals.compiled import compiled

CHANGES: Final = 5
RESETS: Final = 6
SUM: Final = 10
AVG: Final = 11
MIN: Final = 12
MAX: Final = 13
COUNT: Final = 14
PRESENT: Final = 15
FIRST: Final = 16
LAST: Final = 17
TS_OF_FIRST: Final = 18
TS_OF_LAST: Final = 19


@compiled
def rollup_rows(
    op: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    ends_ms: NDArray[np.int64],
    firsts_ms: NDArray[np.int64],
    lasts_ms: NDArray[np.int64],
    counts: NDArray[np.float64],
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    figures: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    length_ms: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """
    Write *op* of the buckets that end in each row's windows `(end - length, end]`.

    *figures* is what a bucket itself has of *op*: its sum, least or greatest value, changes,
    resets, or what resets have hidden. Ends are `first_ms + step * step_ms`.
    """
    steps = out.shape[1]
    low, high = np.empty(steps, dtype=np.int64), np.empty(steps, dtype=np.int64)
    for row in range(len(starts)):
        cut(ends_ms, starts[row], stops[row], first_ms, step_ms, length_ms, low, high)
        for step in range(steps):
            start, stop = low[step], high[step]
            present[row, step] = stop > start
            out[row, step] = 0.0
            if stop == start:
                continue
            if op == FIRST:
                out[row, step] = first[start]
            elif op == LAST:
                out[row, step] = last[stop - 1]
            elif op == TS_OF_FIRST:
                out[row, step] = firsts_ms[start] / 1000
            elif op == TS_OF_LAST:
                out[row, step] = lasts_ms[stop - 1] / 1000
            elif op == PRESENT:
                out[row, step] = 1.0
            elif op in (MIN, MAX):
                out[row, step] = _extreme(op, figures, start, stop)
            elif op in (SUM, AVG):
                total = kahan_sum(figures, start, stop)
                if op == AVG:
                    total /= kahan_sum(counts, start, stop)
                out[row, step] = total
            elif op == COUNT:
                out[row, step] = kahan_sum(counts, start, stop)
            elif op in (CHANGES, RESETS):
                out[row, step] = kahan_sum(figures, start, stop) + _between(
                    op, first, last, start, stop
                )
            else:
                count = kahan_sum(counts, start, stop)
                if count < 2:
                    present[row, step] = False
                    continue
                result = last[stop - 1] - first[start]
                if op != DELTA:
                    result += _lost(figures, first, last, start, stop)
                out[row, step] = extrapolated(
                    op,
                    result,
                    first[start],
                    firsts_ms[start],
                    lasts_ms[stop - 1],
                    count,
                    first_ms + step * step_ms,
                    length_ms,
                )


@compiled
def _extreme(op: int, figures: NDArray[np.float64], start: int, stop: int) -> float:
    best: float = figures[start]
    for place in range(start + 1, stop):
        value = figures[place]
        if np.isnan(best) or (value < best if op == MIN else value > best):
            best = value
    return best


@compiled
def _between(
    op: int, first: NDArray[np.float64], last: NDArray[np.float64], start: int, stop: int
) -> float:
    """Count what happens from the last sample of a bucket to the first of the next."""
    count = 0.0
    for place in range(start + 1, stop):
        before, after = last[place - 1], first[place]
        if op == RESETS:
            count += after < before
        else:
            count += after != before and not (np.isnan(after) and np.isnan(before))
    return count


@compiled
def _lost(
    lost: NDArray[np.float64],
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    start: int,
    stop: int,
) -> float:
    total: float = lost[start]
    for place in range(start + 1, stop):
        if first[place] < last[place - 1]:
            total += last[place - 1]
        total += lost[place]
    return total

"""Quantiles and fractions of classic histograms: compiled loops over groups of buckets."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled

QUANTILE: Final = 0
FRACTION: Final = 1

_SMALL_DELTA: Final = 1e-12
"""Relative size of a difference between buckets that is rounding, not a broken histogram."""
_LARGEST: Final = float(np.finfo(np.float64).max)
_LEAST_NORMAL: Final = float(np.finfo(np.float64).tiny)


@compiled
def measure_groups(
    op: int,
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    order: NDArray[np.int64],
    bounds: NDArray[np.float64],
    starts: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    out: NDArray[np.float64],
    found: NDArray[np.bool_],
) -> bool:
    """
    Measure each histogram at each step; return whether counts had to be made to rise.

    The buckets of group *g* are the rows `order[starts[g]:starts[g + 1]]` of *values*, by rising
    upper bound, which *bounds* has in the same order. *first* is the quantile, or with *second*
    the two ends of the fraction, one for each step.
    """
    largest = 0
    for group in range(len(starts) - 1):
        largest = max(largest, starts[group + 1] - starts[group])
    uppers, counts = np.empty(largest), np.empty(largest)
    forced = False
    for group in range(len(starts) - 1):
        begin, end = starts[group], starts[group + 1]
        for step in range(values.shape[1]):
            number = 0
            for place in range(begin, end):
                row = order[place]
                if not present[row, step]:
                    continue
                if number and uppers[number - 1] == bounds[place]:
                    counts[number - 1] += values[row, step]
                else:
                    uppers[number], counts[number] = bounds[place], values[row, step]
                    number += 1
            found[group, step] = number > 0
            if not number:
                out[group, step] = 0.0
            elif op == QUANTILE:
                q = first[step]
                asks = 0 <= q <= 1 and uppers[number - 1] == np.inf
                forced |= asks and _rise(counts, number)
                out[group, step] = _quantile(q, uppers, counts, number)
            else:
                out[group, step] = _fraction(first[step], second[step], uppers, counts, number)
    return forced


@compiled
def _rise(counts: NDArray[np.float64], number: int) -> bool:
    """Let counts only rise; return whether one fell by more than rounding."""
    fell = False
    before = counts[0]
    for place in range(1, number):
        here = counts[place]
        if here == before:
            continue
        if _nearly(before, here):
            counts[place] = before
        elif here < before:
            counts[place] = before
            fell = True
        else:
            before = here
    return fell


@compiled
def _nearly(left: float, right: float) -> bool:
    """Tell whether two numbers differ by rounding only; NaN is near to NaN."""
    if np.isnan(left) and np.isnan(right):
        return True
    size, gap = abs(left) + abs(right), abs(left - right)
    if left == 0 or right == 0 or size < _LEAST_NORMAL:
        return bool(gap < _SMALL_DELTA * _LEAST_NORMAL)
    return bool(gap / min(size, _LARGEST) < _SMALL_DELTA)


@compiled
def _quantile(
    q: float, uppers: NDArray[np.float64], counts: NDArray[np.float64], number: int
) -> float:
    """Return the *q*-quantile, assuming even spread inside each bucket: `BucketQuantile`."""
    if np.isnan(q):
        return np.nan
    if q < 0 or q > 1:
        return -np.inf if q < 0 else np.inf
    last = number - 1
    if uppers[last] != np.inf or number < 2 or counts[last] == 0:
        return np.nan
    rank = q * counts[last]
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        if counts[middle] >= rank:
            high = middle
        else:
            low = middle + 1
    if low == last:
        return float(uppers[last - 1])
    if low == 0 and uppers[0] <= 0:
        return float(uppers[0])
    start = uppers[low - 1] if low else 0.0
    under = counts[low - 1] if low else 0.0
    return float(start + (uppers[low] - start) * ((rank - under) / (counts[low] - under)))


@compiled
def _fraction(
    lower: float,
    upper: float,
    uppers: NDArray[np.float64],
    counts: NDArray[np.float64],
    number: int,
) -> float:
    """Return the share of observations in `(lower, upper]`: `BucketFraction`."""
    total = counts[number - 1]
    if uppers[number - 1] != np.inf or total == 0 or np.isnan(lower) or np.isnan(upper):
        return np.nan
    if lower >= upper:
        return 0.0
    under_lower = _rank(lower, uppers, counts, number)
    return float((_rank(upper, uppers, counts, number) - under_lower) / total)


@compiled
def _rank(
    value: float, uppers: NDArray[np.float64], counts: NDArray[np.float64], number: int
) -> float:
    """Return how many observations are at most *value*."""
    # The lowest bucket reaches down to 0, or without end where its bound is not positive.
    start, under = (0.0 if uppers[0] > 0 else -np.inf), 0.0
    for place in range(number):
        if start >= value:
            break
        if uppers[place] > value:
            share = (value - start) / (uppers[place] - start)
            under += (counts[place] - under) * share
            break
        start, under = uppers[place], counts[place]
    return min(under, float(counts[number - 1]))

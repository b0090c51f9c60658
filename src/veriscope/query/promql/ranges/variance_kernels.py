"""Compiled loops for the variance of each window: from running sums where these are exact."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.sum_kernels import kahan, two_sum
from veriscope.signals.compiled import compiled

COLUMNS: Final = 5
"""
What *totals* holds before each sample: the sum of distances from a center in two floats, that of
their squares in two floats, and how many samples were no finite numbers (and are left out).
"""

_WELL_CONDITIONED: Final = float(1 << 16)
"""
How much larger than a window's squared distances from its mean those from the center may be.

Below, what rounding takes from squares and from the subtraction is less than 1e-10 of the
variance. Beyond, the center is moved into the window; should that not do, it is gone through by
itself.
"""
_ROUNDED: Final = float(1 << 40)
"""How much larger all that was added before a window may be, as sums have 106 bits."""
_FAR: Final = float(1 << 20)
"""
How many standard deviations the mean may be away from zero.

Beyond, rounding of the mean shows in what Prometheus computes, and is to show here too.
"""
_LEAST: Final = 1e-280
"""The least sum of squares that is surely not made of squares too small to have all digits."""


@compiled
def variances(
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    shared: bool,
    totals: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the population variance of each window; NaN where a sample is no finite number."""
    base, filled, alike, center = low[0], low[0], low[0], 0.0
    for step in range(len(low)):
        start, stop = low[step], high[step]
        if stop == start:
            out[step] = 0.0
            continue
        variance = -1.0
        if shared:
            if filled == base:
                center = _begin(values, start, stop, totals)
            alike = _run(values, filled, stop, base, center, alike, totals)
            filled = stop
            variance = _of_totals(totals, start - base, stop - base, center, alike <= start)
            if variance < 0 and base < start:
                base = start
                center = _begin(values, start, stop, totals)
                alike = _run(values, start, stop, base, center, start, totals)
                variance = _of_totals(totals, 0, stop - start, center, alike <= start)
        out[step] = _of_window(values, start, stop) if variance < 0 else variance


@compiled
def _begin(
    values: NDArray[np.float64], start: int, stop: int, totals: NDArray[np.float64]
) -> float:
    """Begin *totals* anew; return a center near to the samples of the window."""
    totals[0] = 0.0
    middle = values[(start + stop) >> 1]
    return middle if np.isfinite(middle) else 0.0


@compiled
def _run(
    values: NDArray[np.float64],
    begin: int,
    stop: int,
    base: int,
    center: float,
    alike: int,
    totals: NDArray[np.float64],
) -> int:
    """Go on with *totals*, which begin at *base*; return from where on samples are all the same."""
    before = begin - base
    total, rest, odd = totals[before, 0], totals[before, 1], totals[before, 4]
    squares, squares_rest = totals[before, 2], totals[before, 3]
    for place in range(begin, stop):
        value = values[place]
        if place > base and value != values[place - 1]:
            alike = place
        if np.isfinite(value):
            distance = value - center
            added, error = two_sum(total, distance)
            total, rest = two_sum(added, rest + error)
            added, error = two_sum(squares, distance * distance)
            squares, squares_rest = two_sum(added, squares_rest + error)
        else:
            odd += 1
        after = place - base + 1
        totals[after, 0], totals[after, 1], totals[after, 4] = total, rest, odd
        totals[after, 2], totals[after, 3] = squares, squares_rest
    return alike


@compiled
def _of_totals(
    totals: NDArray[np.float64], start: int, stop: int, center: float, constant: bool
) -> float:
    """Return the variance of the samples between; -1 where sums do not tell it exactly."""
    if totals[stop, 4] != totals[start, 4]:
        return np.nan
    if constant:
        return 0.0
    count = float(stop - start)
    total = (totals[stop, 0] - totals[start, 0]) + (totals[stop, 1] - totals[start, 1])
    squares = (totals[stop, 2] - totals[start, 2]) + (totals[stop, 3] - totals[start, 3])
    spread = squares - total * total / count
    variance = spread / count
    near = abs(center + total / count) <= _FAR * np.sqrt(variance)
    exact = squares <= _WELL_CONDITIONED * spread and totals[stop, 2] <= _ROUNDED * spread
    return variance if near and exact and spread >= _LEAST else -1.0


@compiled
def _of_window(values: NDArray[np.float64], start: int, stop: int) -> float:
    """Return the variance as Prometheus does: Welford's recurrence, compensated."""
    count, mean, mean_rest, spread, spread_rest = 0.0, 0.0, 0.0, 0.0, 0.0
    for place in range(start, stop):
        count += 1
        distance = values[place] - (mean + mean_rest)
        mean, mean_rest = kahan(distance / count, mean, mean_rest)
        now = values[place] - (mean + mean_rest)
        spread, spread_rest = kahan(distance * now, spread, spread_rest)
    return (spread + spread_rest) / count

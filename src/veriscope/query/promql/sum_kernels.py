"""Compiled additions that do not lose digits."""

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled


@compiled
def kahan(term: float, total: float, rest: float) -> tuple[float, float]:
    """
    Add *term* to `total + rest`; Kahan's summation as Neumaier improved it.

    Nothing is left to compensate once the total is infinite, as in Prometheus' `kahansum.Inc`.
    """
    added = total + term
    if np.isinf(added):
        return added, 0.0
    if abs(total) >= abs(term):
        return added, rest + ((total - added) + term)
    return added, rest + ((term - added) + total)


@compiled
def two_sum(left: float, right: float) -> tuple[float, float]:
    """Return the sum and what rounding took from it, exactly (Knuth)."""
    total = left + right
    shifted = total - left
    return total, (left - (total - shifted)) + (right - shifted)


@compiled
def kahan_sum(values: NDArray[np.float64], start: int, stop: int) -> float:
    """Return the sum of `start:stop`."""
    total, rest = 0.0, 0.0
    for place in range(start, stop):
        total, rest = kahan(values[place], total, rest)
    return total if np.isinf(total) else total + rest


@compiled
def add_to_mean(
    value: float, count: float, total: float, rest: float, stepwise: bool
) -> tuple[float, float, bool]:
    """
    Take in the *count*-th value of a mean, as Prometheus does.

    `total + rest` is the sum, or (*stepwise*) the mean, from where the sum would overflow on.
    """
    if not stepwise:
        added, error = kahan(value, total, rest)
        if not np.isinf(added):
            return added, error, False
        total /= count - 1
        rest /= count - 1
    share = (count - 1) / count
    total, rest = kahan(value / count, share * total, share * rest)
    return total, rest, True


@compiled
def mean_of(total: float, rest: float, count: float, stepwise: bool) -> float:
    """Return the mean of what `add_to_mean` has taken in."""
    return total + rest if stepwise else total / count + rest / count

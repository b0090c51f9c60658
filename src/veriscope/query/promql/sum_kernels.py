"""Compiled additions that do not lose digits."""

import numpy as np

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

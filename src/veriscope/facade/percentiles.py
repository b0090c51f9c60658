"""Percentiles of values that are all at hand."""

import math
from collections.abc import Sequence


def interpolated(ordered: Sequence[float], q: float) -> float:
    """
    Return quantile *q* of sorted values, between the neighbours as NumPy does by default.

    NaN without values.
    """
    if not ordered:
        return math.nan
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (place - below) * (high - low)

"""Compiled order statistics."""

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled


@compiled
def quantile_of_sorted(ordered: NDArray[np.float64], numbers: int, size: int, q: float) -> float:
    """
    Return the *q*-quantile of *size* (at least 1) values, of which *numbers* are not NaN.

    *ordered* begins with the numbers, ascending. Linear between ranks, as Prometheus' `quantile`:
    NaN comes before every number; -Inf where *q* < 0, +Inf where *q* > 1, NaN where it is NaN.
    """
    if np.isnan(q):
        return np.nan
    if q < 0:
        return -np.inf
    if q > 1:
        return np.inf
    rank = q * (size - 1)
    lower = int(np.floor(rank))
    upper = min(size - 1, lower + 1)
    weight = rank - lower
    unordered = size - numbers
    if lower < unordered:
        return np.nan
    before, after = float(ordered[lower - unordered]), float(ordered[upper - unordered])
    return before * (1 - weight) + after * weight


@compiled
def _select(numbers: NDArray[np.float64], count: int, rank: int) -> None:
    """Reorder the first *count* numbers so that the one of *rank* is in its place (Hoare)."""
    low, high = 0, count - 1
    while low < high:
        first, middle, last = numbers[low], numbers[(low + high) >> 1], numbers[high]
        pivot = max(min(first, middle), min(max(first, middle), last))
        left, right = low, high
        while left <= right:
            while numbers[left] < pivot:
                left += 1
            while numbers[right] > pivot:
                right -= 1
            if left <= right:
                numbers[left], numbers[right] = numbers[right], numbers[left]
                left += 1
                right -= 1
        if rank <= right:
            high = right
        elif rank >= left:
            low = left
        else:
            break


@compiled
def order_around(numbers: NDArray[np.float64], count: int, size: int, q: float) -> None:
    """
    Put the two numbers between which the *q*-quantile lies where sorting would put them.

    See `quantile_of_sorted`, which then needs no more.
    """
    if not 0 <= q <= 1:
        return
    lower = int(np.floor(q * (size - 1))) - (size - count)
    if 0 <= lower < count:
        _select(numbers, count, lower)
        if lower + 1 < count:
            least = lower + 1
            for place in range(lower + 2, count):
                if numbers[place] < numbers[least]:
                    least = place
            numbers[least], numbers[lower + 1] = numbers[lower + 1], numbers[least]

"""Compiled loops over a window's samples in order of size: quantiles and the median's spread."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.order_kernels import quantile_of_sorted
from veriscope.query.promql.ranges.window_kernels import cut_fresh
from veriscope.signals.compiled import compiled

QUANTILE: Final = 0
MAD: Final = 1

_SHORT: Final = 128
"""Samples of a window up to which numbers are put in their places one by one."""


@compiled
def rank_rows(
    op: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    length_ms: int,
    q: NDArray[np.float64],
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """Write each window's `q[step]`-quantile, or its median distance from the median."""
    steps = out.shape[1]
    low, high = np.empty(steps, dtype=np.int64), np.empty(steps, dtype=np.int64)
    room = 64
    ordered, spare, changed = np.empty(room), np.empty(room), np.empty((2, room))
    for row in range(len(starts)):
        _, numbers, _ = cut_fresh(
            timestamps_ms, values, starts[row], stops[row],
            first_ms, step_ms, length_ms, low, high,
        )  # fmt: skip
        longest = np.max(high - low)
        if room < longest:
            room = 2 * longest
            ordered, spare, changed = np.empty(room), np.empty(room), np.empty((2, room))
        start, stop, count = low[0], low[0], 0
        for step in range(steps):
            size = high[step] - low[step]
            present[row, step] = size > 0
            out[row, step] = 0.0
            if size == 0:
                continue
            gone, come = low[step] - start, high[step] - stop
            if 2 * (gone + come) >= size:
                count = _numbers(numbers, low[step], high[step], ordered)
                _sort(ordered, count)
            elif size <= _SHORT:
                count = _shift(numbers, start, low[step], stop, high[step], ordered, count)
            else:
                left = _numbers(numbers, start, low[step], changed[0])
                added = _numbers(numbers, stop, high[step], changed[1])
                count = _merge(ordered, count, changed, left, added, spare)
                ordered, spare = spare, ordered
            start, stop = low[step], high[step]
            if op == QUANTILE:
                out[row, step] = quantile_of_sorted(ordered, count, size, q[step])
            else:
                out[row, step] = _spread(ordered, count, size, spare)


@compiled
def _spread(
    ordered: NDArray[np.float64], count: int, size: int, distances: NDArray[np.float64]
) -> float:
    """Return the median distance from the median; NaN unless all *size* values are numbers."""
    median = quantile_of_sorted(ordered, count, size, 0.5)
    if count < size or not np.isfinite(median):
        return np.nan
    lower = (size - 1) // 2
    for rank in range(lower, min(lower + 2, size)):
        distances[rank] = _distance(ordered, size, median, rank)
    return quantile_of_sorted(distances, size, size, 0.5)


@compiled
def _distance(ordered: NDArray[np.float64], count: int, center: float, rank: int) -> float:
    """Return the distance from *center* that *rank* of the first *count* numbers are within."""
    # The `rank + 1` nearest numbers follow each other: the first is searched for.
    low, high = 0, count - 1 - rank
    while low < high:
        middle = (low + high) >> 1
        if center - ordered[middle] > ordered[middle + rank + 1] - center:
            low = middle + 1
        else:
            high = middle
    return float(max(center - ordered[low], ordered[low + rank] - center))


@compiled
def _numbers(
    values: NDArray[np.float64], start: int, stop: int, numbers: NDArray[np.float64]
) -> int:
    """Write the numbers of `start:stop`, leaving out NaN; count them."""
    count = 0
    for place in range(start, stop):
        if not np.isnan(values[place]):
            numbers[count] = values[place]
            count += 1
    return count


@compiled
def _shift(
    values: NDArray[np.float64],
    start: int,
    low: int,
    stop: int,
    high: int,
    ordered: NDArray[np.float64],
    count: int,
) -> int:
    """Take `start:low` out of *ordered* and put `stop:high` in, one by one; count what is in it."""
    for place in range(start, low):
        value = values[place]
        if not np.isnan(value):
            count -= 1
            for rank in range(_rank(ordered, count + 1, value), count):
                ordered[rank] = ordered[rank + 1]
    for place in range(stop, high):
        value = values[place]
        if not np.isnan(value):
            target = _rank(ordered, count, value)
            for rank in range(count, target, -1):
                ordered[rank] = ordered[rank - 1]
            ordered[target] = value
            count += 1
    return count


@compiled
def _merge(
    ordered: NDArray[np.float64],
    count: int,
    changed: NDArray[np.float64],
    left: int,
    added: int,
    merged: NDArray[np.float64],
) -> int:
    """Write *ordered* less `changed[0]` and with `changed[1]`, in order; count what is written."""
    gone, come = changed[0], changed[1]
    _sort(gone, left)
    _sort(come, added)
    written, taken, put = 0, 0, 0
    for place in range(count):
        value = ordered[place]
        if taken < left and gone[taken] == value:
            taken += 1
            continue
        while put < added and come[put] < value:
            merged[written] = come[put]
            written += 1
            put += 1
        merged[written] = value
        written += 1
    while put < added:
        merged[written] = come[put]
        written += 1
        put += 1
    return written


@compiled
def _rank(ordered: NDArray[np.float64], count: int, value: float) -> int:
    """Return how many of the first *count* numbers are less than *value*."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _sort(numbers: NDArray[np.float64], count: int) -> None:
    if count > 48:
        numbers[:count].sort()
        return
    for place in range(1, count):
        value, target = numbers[place], place
        while target > 0 and numbers[target - 1] > value:
            numbers[target] = numbers[target - 1]
            target -= 1
        numbers[target] = value

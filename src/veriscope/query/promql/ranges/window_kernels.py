"""Compiled loops that cut one series' samples into windows, and read its newest sample."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled
from veriscope.signals.samples import STALE_BITS

_STALE: Final = np.uint64(STALE_BITS)
VALUE: Final = 0
"""The newest sample of `(end - lookback, end]`; a stale marker ends a series."""
SECONDS: Final = 1
"""When that sample was taken, in Unix seconds."""
SMOOTHED: Final = 2
"""
The value on the line between the samples around the step, each at most the lookback away.

Without one after it, the sample before is the value, and without one before it there is none.
"""

_SPARSE: Final = 16
"""Samples a step from which on a window's borders are searched for, not walked to."""


@compiled
def first_after(timestamps_ms: NDArray[np.int64], low: int, high: int, time_ms: int) -> int:
    """Return the first place of `low:high` whose time is after *time_ms*, else *high*."""
    while low < high:
        middle = (low + high) >> 1
        if timestamps_ms[middle] <= time_ms:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def cut(
    timestamps_ms: NDArray[np.int64],
    begin: int,
    stop: int,
    first_ms: int,
    step_ms: int,
    length_ms: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> int:
    """
    Set window *j* to `low[j]:high[j]`, the samples of `begin:stop` in `(end - length, end]`.

    It ends at `first_ms + j * step_ms`. Returns the number of samples in all windows together.
    """
    steps = len(low)
    start = first_after(timestamps_ms, begin, stop, first_ms - length_ms)
    stop = first_after(timestamps_ms, start, stop, first_ms + (steps - 1) * step_ms)
    sparse = stop - start > _SPARSE * steps
    end = start
    total = 0
    for step in range(steps):
        end_ms = first_ms + step * step_ms
        if sparse:
            end = first_after(timestamps_ms, end, stop, end_ms)
            start = first_after(timestamps_ms, start, end, end_ms - length_ms)
        else:
            while end < stop and timestamps_ms[end] <= end_ms:
                end += 1
            while start < end and timestamps_ms[start] <= end_ms - length_ms:
                start += 1
        low[step], high[step] = start, end
        total += end - start
    return total


@compiled
def cut_fresh(
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    begin: int,
    stop: int,
    first_ms: int,
    step_ms: int,
    length_ms: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """
    Cut windows as `cut` does, less stale markers.

    Returns the columns that *low* and *high* are places of, new ones where a marker was left out,
    and the number of samples in all windows together.
    """
    total = cut(timestamps_ms, begin, stop, first_ms, step_ms, length_ms, low, high)
    if not _holds_stale(values, low, high):
        return timestamps_ms, values, total
    times, numbers = _without_stale(timestamps_ms, values, low[0], high[-1])
    return times, numbers, cut(times, 0, len(times), first_ms, step_ms, length_ms, low, high)


@compiled
def _holds_stale(
    values: NDArray[np.float64], low: NDArray[np.int64], high: NDArray[np.int64]
) -> bool:
    """Return whether there is a stale marker in any window."""
    bits = values.view(np.uint64)
    seen = 0
    for step in range(len(low)):
        for place in range(max(seen, low[step]), high[step]):
            if bits[place] == _STALE:
                return True
        seen = max(seen, high[step])
    return False


@compiled
def _without_stale(
    timestamps_ms: NDArray[np.int64], values: NDArray[np.float64], begin: int, stop: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the samples of `begin:stop` less stale markers."""
    bits = values.view(np.uint64)
    kept_ms = np.empty(stop - begin, dtype=np.int64)
    kept = np.empty(stop - begin)
    count = 0
    for place in range(begin, stop):
        if bits[place] != _STALE:
            kept_ms[count], kept[count] = timestamps_ms[place], values[place]
            count += 1
    return kept_ms[:count], kept[:count]


@compiled
def newest_rows(
    op: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    lookback_ms: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """Write each row's value at each step, see the opcodes."""
    if op == SMOOTHED:
        _smoothed_rows(
            starts, stops, timestamps_ms, values, first_ms, step_ms, lookback_ms, out, present
        )
    else:
        _newest_rows(
            op, starts, stops, timestamps_ms, values, first_ms, step_ms, lookback_ms, out, present
        )


@compiled
def _newest_rows(
    op: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    lookback_ms: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    bits = values.view(np.uint64)
    steps = out.shape[1]
    last_ms = first_ms + (steps - 1) * step_ms
    for row in range(len(starts)):
        stop = first_after(timestamps_ms, starts[row], stops[row], last_ms)
        place = first_after(timestamps_ms, starts[row], stop, first_ms - lookback_ms)
        sparse = stop - place > _SPARSE * steps
        for step in range(steps):
            end_ms = first_ms + step * step_ms
            if sparse:
                place = first_after(timestamps_ms, place, stop, end_ms)
            else:
                while place < stop and timestamps_ms[place] <= end_ms:
                    place += 1
            newest = place - 1
            found = (
                newest >= starts[row]
                and timestamps_ms[newest] > end_ms - lookback_ms
                and bits[newest] != _STALE
            )
            present[row, step] = found
            if not found:
                out[row, step] = 0.0
            elif op == SECONDS:
                out[row, step] = timestamps_ms[newest] / 1000
            else:
                out[row, step] = values[newest]


@compiled
def _smoothed_rows(
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    lookback_ms: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    steps = out.shape[1]
    low, high = np.empty(steps, dtype=np.int64), np.empty(steps, dtype=np.int64)
    for row in range(len(starts)):
        times, numbers, _ = cut_fresh(
            timestamps_ms, values, starts[row], stops[row],
            first_ms + lookback_ms, step_ms, 2 * lookback_ms, low, high,
        )  # fmt: skip
        for step in range(steps):
            end_ms = first_ms + step * step_ms
            after = first_after(times, low[step], high[step], end_ms - 1)
            present[row, step] = True
            if after < high[step] and times[after] == end_ms:
                out[row, step] = numbers[after]
            elif low[step] < after < high[step]:
                out[row, step] = between(times, numbers, after, end_ms, False)
            elif after > low[step]:
                out[row, step] = numbers[after - 1]
            else:
                present[row, step] = False
                out[row, step] = 0.0


@compiled
def between(
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    after: int,
    time_ms: int,
    counter: bool,
) -> float:
    """
    Return the value at *time_ms* on the line between sample *after* and the one before it.

    A counter that fell between the two has grown from zero.
    """
    first, second = float(values[after - 1]), float(values[after])
    if counter and second < first:
        first = 0.0
    begin_ms, end_ms = timestamps_ms[after - 1], timestamps_ms[after]
    return first + (second - first) * float(time_ms - begin_ms) / float(end_ms - begin_ms)

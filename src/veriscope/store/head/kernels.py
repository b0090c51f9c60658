"""
Loops over samples: into the columns of a metric, along with commits, and cut out of them.

The rows of a metric lie in two shared columns. Row *r* is `starts[r]:stops[r]`, and may grow to
`limits[r]`. What lies before `stops` never changes, so that whoever holds older stops goes on
reading; all that changes a sample moves its row to the columns' free end.
"""

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled

Ints = NDArray[np.int64]
Ids = NDArray[np.uint64]
Floats = NDArray[np.float64]

# 2**64 divided by the golden ratio: spreads ids over the table (Knuth, volume 3, 6.4).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@compiled
def slack(samples: int) -> int:
    """Return how many samples a row of *samples* may grow by before it is moved."""
    return (samples >> 3) + 8


@compiled
def _replaces(new: float, old: float) -> bool:
    """Tell which of two samples at one time counts, as table `samples` merges them."""
    return new > old or (np.isnan(old) and not np.isnan(new))


@compiled
def load(
    ids: Ids,
    times: Ints,
    values: Floats,
    state: Ints,
    row_ids: Ids,
    starts: Ints,
    stops: Ints,
    limits: Ints,
    out_times: Ints,
    out_values: Floats,
) -> None:
    """
    Append samples, in order of id and time, to rows that follow each other with slack between.

    `state` is the last row (-1 before the first) and the place behind its last sample; what one
    call leaves there the next goes on from.
    """
    row, place = state[0], state[1]
    for i in range(len(ids)):
        if row < 0 or ids[i] != row_ids[row]:
            if row >= 0:
                place = limits[row]
            row += 1
            row_ids[row] = ids[i]
            starts[row] = place
        elif out_times[place - 1] == times[i]:
            if _replaces(values[i], out_values[place - 1]):
                out_values[place - 1] = values[i]
            continue
        out_times[place] = times[i]
        out_values[place] = values[i]
        place += 1
        stops[row] = place
        limits[row] = place + slack(place - starts[row])
    state[0], state[1] = row, place


@compiled
def runs(ids: Ids, out_ids: Ids, out_stops: Ints) -> int:
    """Write each id that differs from the one before it and where its run ends; return how many."""
    count = 0
    for i in range(len(ids)):
        if i == 0 or ids[i] != ids[i - 1]:
            out_ids[count] = ids[i]
            count += 1
        out_stops[count - 1] = i + 1
    return count


@compiled
def enter(table: NDArray[np.int32], row_ids: Ids, first: int) -> None:
    """Enter the rows from *first* on into *table*, whose size is a power of two over twice them."""
    shift = np.uint64(64 - int(np.log2(len(table))))
    last = len(table) - 1
    for row in range(first, len(row_ids)):
        place = np.int64((row_ids[row] * _SPREAD) >> shift)
        while table[place] >= 0:
            place = (place + 1) & last
        table[place] = row


@compiled
def find(ids: Ids, table: NDArray[np.int32], row_ids: Ids, rows: NDArray[np.int32]) -> int:
    """Write the row of each of *ids*, -1 where there is none, and return how many have none."""
    shift = np.uint64(64 - int(np.log2(len(table))))
    last = len(table) - 1
    missing = 0
    for i in range(len(ids)):
        place = np.int64((ids[i] * _SPREAD) >> shift)
        row = table[place]
        while row >= 0 and row_ids[row] != ids[i]:
            place = (place + 1) & last
            row = table[place]
        rows[i] = row
        missing += row < 0
    return missing


@compiled
def append(
    rows: NDArray[np.int32],
    times: Ints,
    values: Floats,
    after_ms: int,
    starts: Ints,
    stops: Ints,
    limits: Ints,
    out_times: Ints,
    out_values: Floats,
    late: Ints,
) -> tuple[int, int]:
    """
    Append to its row each sample that fits behind it.

    What must change a row or does not fit is listed in *late*. Samples of row -1 or not after
    *after_ms* are left out. Returns how many are late and the greatest time appended.
    """
    count = 0
    newest = -1
    for i in range(len(rows)):
        row = rows[i]
        if row < 0 or times[i] <= after_ms:
            continue
        stop = stops[row]
        if stop > starts[row] and out_times[stop - 1] >= times[i]:
            if out_times[stop - 1] > times[i] or _replaces(values[i], out_values[stop - 1]):
                late[count] = i
                count += 1
        elif stop == limits[row]:
            late[count] = i
            count += 1
        else:
            out_times[stop] = times[i]
            out_values[stop] = values[i]
            stops[row] = stop + 1
            newest = max(newest, times[i])
    return count, newest


@compiled
def move(
    late: Ints,
    rows: NDArray[np.int32],
    times: Ints,
    values: Floats,
    starts: Ints,
    stops: Ints,
    limits: Ints,
    out_times: Ints,
    out_values: Floats,
    used: int,
) -> int:
    """
    Merge the samples *late*, in order of row and time, with their rows at the free end.

    Returns the first place that is free after it, or -1 where they do not fit.
    """
    i = 0
    while i < len(late):
        row = rows[late[i]]
        end = i
        while end < len(late) and rows[late[end]] == row:
            end += 1
        most = stops[row] - starts[row] + end - i
        if used + most + slack(most) > len(out_times):
            return -1
        place, old = used, starts[row]
        while old < stops[row] or i < end:
            if i == end or (old < stops[row] and out_times[old] <= times[late[i]]):
                time, value = out_times[old], out_values[old]
                old += 1
            else:
                time, value = times[late[i]], values[late[i]]
                i += 1
            if place > used and out_times[place - 1] == time:
                if _replaces(value, out_values[place - 1]):
                    out_values[place - 1] = value
            else:
                out_times[place] = time
                out_values[place] = value
                place += 1
        starts[row], stops[row] = used, place
        limits[row] = used = place + slack(place - used)
    return used


@compiled
def copy(
    starts: Ints,
    stops: Ints,
    times: Ints,
    values: Floats,
    new_starts: Ints,
    new_stops: Ints,
    new_limits: Ints,
    out_times: Ints,
    out_values: Floats,
) -> int:
    """Copy rows into new columns, with slack, and return the first place that is free there."""
    place = 0
    for row in range(len(starts)):
        new_starts[row] = place
        for i in range(starts[row], stops[row]):
            out_times[place] = times[i]
            out_values[place] = values[i]
            place += 1
        new_stops[row] = place
        place += slack(place - new_starts[row])
        new_limits[row] = place
    return place


@compiled
def cut(
    rows: Ints,
    starts: Ints,
    stops: Ints,
    times: Ints,
    after_ms: int,
    until_ms: int,
    out_starts: Ints,
    out_stops: Ints,
) -> tuple[int, int]:
    """
    Find the samples of *rows* with `after_ms < t <= until_ms`.

    Returns how many there are, and how many rows have none.
    """
    samples = empty = 0
    before_start = before_stop = np.int64(0)
    for i in range(len(rows)):
        first, end = starts[rows[i]], stops[rows[i]]
        # Rows that were scraped together are cut at the same place: try that first.
        out_starts[i] = _bound(times, first, end, after_ms, first + before_start)
        out_stops[i] = _bound(times, first, end, until_ms, end - before_stop)
        before_start, before_stop = out_starts[i] - first, end - out_stops[i]
        samples += out_stops[i] - out_starts[i]
        empty += out_stops[i] == out_starts[i]
    return samples, empty


@compiled
def _bound(times: Ints, first: int, end: int, time_ms: int, guess: int) -> int:
    """Return the first place in `first:end` whose time is after *time_ms*, else *end*."""
    if (
        first <= guess <= end
        and (guess == end or times[guess] > time_ms)
        and (guess == first or times[guess - 1] <= time_ms)
    ):
        return guess
    low, high = first, end
    while low < high:
        middle = (low + high) >> 1
        if times[middle] > time_ms:
            high = middle
        else:
            low = middle + 1
    return low

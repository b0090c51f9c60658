"""Compiled loops over what changes between a window's samples: rates, resets, changes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ast import Edges
from veriscope.query.promql.ranges.window_kernels import (
    between,
    cut_fresh,
    first_after,
)
from veriscope.signals.compiled import compiled

DELTA: Final = 0
INCREASE: Final = 1
RATE: Final = 2
IDELTA: Final = 3
IRATE: Final = 4
CHANGES: Final = 5
RESETS: Final = 6

PLAIN: Final = 0
ANCHORED: Final = 1
SMOOTHED: Final = 2
EDGES: Final = {Edges.PLAIN: PLAIN, Edges.ANCHORED: ANCHORED, Edges.SMOOTHED: SMOOTHED}


@compiled
def rate_rows(
    op: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    length_ms: int,
    edges: int,
    lookback_ms: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """
    Write *op* of each row's windows, each `(end - length, end]` with ends as *edges* says.

    Anchored and smoothed windows see samples up to *lookback_ms* before their start, smoothed
    ones also as far beyond their end.
    """
    steps = out.shape[1]
    low, high = np.empty(steps, dtype=np.int64), np.empty(steps, dtype=np.int64)
    marks = np.empty(64, dtype=np.int64)
    ahead_ms = lookback_ms if edges == SMOOTHED else 0
    seen_ms = length_ms + ahead_ms + (lookback_ms if edges != PLAIN else 0)
    for row in range(len(starts)):
        times, numbers, total = cut_fresh(
            timestamps_ms, values, starts[row], stops[row],
            first_ms + ahead_ms, step_ms, seen_ms, low, high,
        )  # fmt: skip
        span = high[-1] - low[0]
        paired = op in (INCREASE, RATE, CHANGES, RESETS)
        if paired and total > span and edges == PLAIN:
            # Windows overlap: what happens between neighbours is found once for all of them.
            if len(marks) < span:
                marks = np.empty(2 * span, dtype=np.int64)
            count = _mark(op, numbers, low[0], high[-1], marks)
        else:
            count = -1
        if op in (IDELTA, IRATE):
            _last_two(op, times, numbers, low, high, out[row], present[row])
        elif op in (CHANGES, RESETS):
            if edges == ANCHORED:
                for step in range(steps):
                    start_ms = first_ms + step * step_ms - length_ms
                    if high[step] == low[step] or times[high[step] - 1] <= start_ms:
                        low[step] = high[step]
                    else:
                        low[step] = _anchor(times, low[step], high[step], start_ms)
            _happenings(op, numbers, low, high, marks, count, out[row], present[row])
        elif edges == PLAIN:
            _gained(
                op, times, numbers, low, high, first_ms, step_ms, length_ms,
                marks, count, out[row], present[row],
            )  # fmt: skip
        else:
            _extended(
                op, edges, times, numbers, low, high, first_ms, step_ms, length_ms,
                out[row], present[row],
            )  # fmt: skip


@compiled
def _happens(op: int, before: float, after: float) -> bool:
    if op == CHANGES:
        return after != before and not (np.isnan(after) and np.isnan(before))
    return after < before


@compiled
def _mark(
    op: int, values: NDArray[np.float64], begin: int, stop: int, marks: NDArray[np.int64]
) -> int:
    """Write the places where a sample of `begin:stop` differs from the one before; count them."""
    count = 0
    for place in range(begin + 1, stop):
        if _happens(op, values[place - 1], values[place]):
            marks[count] = place
            count += 1
    return count


@compiled
def _happenings(
    op: int,
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    marks: NDArray[np.int64],
    count: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """Count the places of each window at which *op* happens, from *marks* where there are any."""
    after, until = 0, 0
    for step in range(len(low)):
        start, stop = low[step], high[step]
        found = 0
        if count >= 0:
            while after < count and marks[after] <= start:
                after += 1
            while until < count and marks[until] < stop:
                until += 1
            found = max(0, until - after)
        else:
            for place in range(start + 1, stop):
                found += _happens(op, values[place - 1], values[place])
        present[step] = stop > start
        out[step] = found


@compiled
def _last_two(
    op: int,
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    for step in range(len(low)):
        stop = high[step]
        present[step] = stop - low[step] >= 2
        if not present[step]:
            out[step] = 0.0
            continue
        before, last = values[stop - 2], values[stop - 1]
        # After a counter reset, the counter has grown from zero.
        gained = last if op == IRATE and last < before else last - before
        if op == IRATE:
            gained /= float(timestamps_ms[stop - 1] - timestamps_ms[stop - 2]) / 1000
        out[step] = gained


@compiled
def _gained(
    op: int,
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    first_ms: int,
    step_ms: int,
    length_ms: int,
    falls: NDArray[np.int64],
    count: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """Write last minus first, plus what counter resets hide, scaled to the whole window."""
    counter = op != DELTA
    after = 0
    for step in range(len(low)):
        start, stop = low[step], high[step]
        present[step] = stop - start >= 2
        if not present[step]:
            out[step] = 0.0
            continue
        end_ms = first_ms + step * step_ms
        first, last = values[start], values[stop - 1]
        result = last - first
        # One after the other, as Prometheus does: what was lost may be far larger than the rest.
        if count >= 0:
            while after < count and falls[after] <= start:
                after += 1
            mark = after
            while mark < count and falls[mark] < stop:
                result += values[falls[mark] - 1]
                mark += 1
        elif counter:
            for place in range(start + 1, stop):
                if values[place] < values[place - 1]:
                    result += values[place - 1]
        out[step] = extrapolated(
            op,
            result,
            first,
            timestamps_ms[start],
            timestamps_ms[stop - 1],
            float(stop - start),
            end_ms,
            length_ms,
        )


@compiled
def extrapolated(
    op: int,
    result: float,
    first: float,
    first_ms: int,
    last_ms: int,
    count: float,
    end_ms: int,
    length_ms: int,
) -> float:
    """
    Return *result*, gained by *count* samples in `[first_ms, last_ms]`, for the whole window.

    Prometheus' `extrapolatedRate`: the slope reaches to an edge of the window when a sample
    is within 1.1 average gaps of it, else half a gap beyond the outermost sample; a counter
    never reaches back beyond the moment when it would have been zero.
    """
    sampled = float(last_ms - first_ms) / 1000
    gap = sampled / (count - 1)
    threshold = gap * 1.1
    to_start = float(first_ms - (end_ms - length_ms)) / 1000
    to_end = float(end_ms - last_ms) / 1000
    if to_start >= threshold:
        to_start = gap / 2
    if op != DELTA and result > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / result))
    if to_end >= threshold:
        to_end = gap / 2
    factor = (sampled + to_start + to_end) / sampled
    if op == RATE:
        factor /= _seconds(length_ms)
    return result * factor


@compiled
def _extended(
    op: int,
    edges: int,
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    first_ms: int,
    step_ms: int,
    length_ms: int,
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """
    Write right edge minus left edge, plus what counter resets between them hide.

    Prometheus' `extendedRate`: an anchored window begins with the last sample at or before its
    start; a smoothed one has values at both of its edges, on the lines between samples.
    """
    counter = op != DELTA
    for step in range(len(low)):
        end_ms = first_ms + step * step_ms
        start_ms = end_ms - length_ms
        present[step] = False
        out[step] = 0.0
        if high[step] == low[step]:
            continue
        first = _anchor(timestamps_ms, low[step], high[step], start_ms)
        last = high[step] - 1
        if edges == SMOOTHED:
            last = first_after(timestamps_ms, low[step], last, end_ms - 1)
        if timestamps_ms[last] <= start_ms or timestamps_ms[first] > end_ms:
            continue
        left, right = values[first], values[last]
        if edges == SMOOTHED and timestamps_ms[first] < start_ms:
            left = between(timestamps_ms, values, first + 1, start_ms, counter)
        if edges == SMOOTHED and last > low[step] and timestamps_ms[last] > end_ms:
            right = between(timestamps_ms, values, last, end_ms, counter)
        result = right - left
        if counter:
            if timestamps_ms[first] <= start_ms:
                first += 1
            if timestamps_ms[last] >= end_ms:
                last -= 1
            lost, before = 0.0, left
            for place in range(first, last + 1):
                if values[place] < before:
                    lost += before
                before = values[place]
            if right < before:
                lost += before
            result += lost
        if op == RATE:
            result /= _seconds(length_ms)
        present[step] = True
        out[step] = result


@compiled
def _anchor(timestamps_ms: NDArray[np.int64], low: int, high: int, start_ms: int) -> int:
    """Return the last sample of `low:high - 1` at or before *start_ms*, else the first one."""
    return max(low, first_after(timestamps_ms, low, high - 1, start_ms) - 1)


@compiled
def _seconds(length_ms: int) -> float:
    """Return *length_ms* in seconds, rounded as Go's `Duration.Seconds` does."""
    return float(length_ms // 1000) + float(length_ms % 1000 * 1_000_000) / 1e9

"""Functions of the first and last samples: `rate`, `increase`, `delta`, `irate`, `idelta`."""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ranges.windows import Windows

Points: TypeAlias = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Values and where they are present, each of shape `(series, steps)`."""

_EXTRAPOLATION_THRESHOLD: Final = 1.1
"""Gaps between samples by which a series may miss a window's edge and still reach it."""


def rate(windows: Windows) -> Points:
    """Return the per-second increase of counters, extrapolated to the window's edges."""
    values, present = _extrapolated(windows, counter=True)
    return values / (windows.length_ms / 1000), present


def increase(windows: Windows) -> Points:
    """Return the increase of counters, extrapolated to the window's edges."""
    return _extrapolated(windows, counter=True)


def delta(windows: Windows) -> Points:
    """Return the difference of gauges, extrapolated to the window's edges."""
    return _extrapolated(windows, counter=False)


def irate(windows: Windows) -> Points:
    """Return the per-second increase between a window's last two samples."""
    last, before = windows.last(windows.values), windows.last(windows.values, back=1)
    # After a counter reset, the counter has grown from zero.
    gained = np.where(last < before, last, last - before)
    times = windows.timestamps_ms.astype(np.float64)
    seconds = (windows.last(times) - windows.last(times, back=1)) / 1000
    return gained / seconds, windows.counts >= 2  # noqa: PLR2004 - two samples span an interval


def idelta(windows: Windows) -> Points:
    """Return the difference between a window's last two samples."""
    last, before = windows.last(windows.values), windows.last(windows.values, back=1)
    return last - before, windows.counts >= 2  # noqa: PLR2004 - two samples span an interval


def _extrapolated(windows: Windows, *, counter: bool) -> Points:
    """
    Return last minus first (plus what counter resets hide), scaled to the whole window.

    Prometheus' `extrapolatedRate`: the slope reaches to an edge of the window when a sample
    is within 1.1 average gaps of it, else half a gap beyond the outermost sample; a counter
    never reaches back beyond the moment when it would have been zero.
    """
    first, last = windows.first(windows.values), windows.last(windows.values)
    result = last - first
    if counter:
        result = _with_resets(windows, result)
    times = windows.timestamps_ms.astype(np.float64)
    first_ms, last_ms = windows.first(times), windows.last(times)
    sampled = (last_ms - first_ms) / 1000
    gap = sampled / (windows.counts - 1)
    threshold = gap * _EXTRAPOLATION_THRESHOLD
    to_start = (first_ms - (windows.ends_ms - windows.length_ms)) / 1000
    to_end = (windows.ends_ms - last_ms) / 1000
    to_start = np.where(to_start >= threshold, gap / 2, to_start)
    if counter:
        to_zero = np.where((result > 0) & (first >= 0), sampled * (first / result), to_start)
        to_start = np.where(to_zero < to_start, to_zero, to_start)
    to_end = np.where(to_end >= threshold, gap / 2, to_end)
    factor = (sampled + to_start + to_end) / sampled
    return result * factor, windows.counts >= 2  # noqa: PLR2004 - two samples span an interval


def _with_resets(windows: Windows, difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return *difference* plus, in each window, the values just before the counter fell."""
    values = windows.values
    falls = np.flatnonzero(values[1:] < values[:-1])
    if not len(falls):
        return difference
    lost, at = values[falls], falls + 1
    # Of the falls, those whose lower sample is in the window but not its first.
    low = np.searchsorted(at, windows.low, side="right")
    high = np.searchsorted(at, windows.high - 1, side="right")
    reset = (high > low) & (windows.counts > 1)
    total, start, stop = difference[reset], low[reset], high[reset]
    # One after the other, as Prometheus does: what is lost may be far larger than the result.
    for turn in range(int((stop - start).max(initial=0))):
        nth = start + turn
        total += np.where(nth < stop, lost[np.minimum(nth, len(lost) - 1)], 0.0)
    result = difference.copy()
    result[reset] = total
    return result

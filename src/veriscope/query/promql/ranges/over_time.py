"""The `*_over_time` functions that fold a window's values."""

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ranges.rates import Points
from veriscope.query.promql.ranges.windows import Windows
from veriscope.query.promql.sums import cancels, compensated_sum


def sum_over_time(windows: Windows) -> Points:
    """Return the sum; compensated where summands cancel, as Prometheus' Kahan summation."""
    return _total(windows), windows.counts > 0


def avg_over_time(windows: Windows) -> Points:
    """Return the mean, also where the sum is too large for a float."""
    filled = windows.counts > 0
    counts = np.maximum(windows.counts, 1)
    mean = _total(windows) / counts
    for block in windows.blocks(filled & np.isinf(mean)):
        if np.isfinite(block.values).all(axis=1).any():
            scaled = (block.values / block.counts[:, None]).sum(axis=1)
            np.put(mean, block.rows, np.where(np.isnan(scaled), np.nan, scaled))
    return mean, filled


def min_over_time(windows: Windows) -> Points:
    """Return the least value; NaN only where there is nothing else."""
    return windows.reduce(np.fmin, windows.values), windows.counts > 0


def max_over_time(windows: Windows) -> Points:
    """Return the greatest value; NaN only where there is nothing else."""
    return windows.reduce(np.fmax, windows.values), windows.counts > 0


def count_over_time(windows: Windows) -> Points:
    """Return the number of samples."""
    return windows.counts.astype(np.float64), windows.counts > 0


def present_over_time(windows: Windows) -> Points:
    """Return 1 where there is any sample."""
    return np.ones(windows.shape), windows.counts > 0


def first_over_time(windows: Windows) -> Points:
    """Return the oldest value."""
    return windows.first(windows.values), windows.counts > 0


def last_over_time(windows: Windows) -> Points:
    """Return the newest value."""
    return windows.last(windows.values), windows.counts > 0


def stdvar_over_time(windows: Windows) -> Points:
    """Return the population variance: the mean squared distance from the mean."""
    variance = np.zeros(windows.shape)
    for block in windows.blocks(windows.counts > 0):
        # Seen from the first value, so that equal values have exactly no variance.
        offset = np.where(block.valid, block.values - block.values[:, :1], 0.0)
        mean = compensated_sum(offset) / block.counts
        distance = np.where(block.valid, offset - mean[:, None], 0.0)
        np.put(variance, block.rows, (distance * distance).sum(axis=1) / block.counts)
    return variance, windows.counts > 0


def stddev_over_time(windows: Windows) -> Points:
    """Return the population standard deviation."""
    variance, present = stdvar_over_time(windows)
    return np.sqrt(variance), present


def changes(windows: Windows) -> Points:
    """Return how often the value differs from the one before; NaN does not differ from NaN."""
    after, before = windows.values[1:], windows.values[:-1]
    changed = (after != before) & ~(np.isnan(after) & np.isnan(before))
    return _count_between(windows, changed), windows.counts > 0


def resets(windows: Windows) -> Points:
    """Return how often the value is below the one before."""
    return _count_between(windows, windows.values[1:] < windows.values[:-1]), windows.counts > 0


def ts_of_first_over_time(windows: Windows) -> Points:
    """Return when the oldest sample was taken, in Unix seconds."""
    return windows.first(_seconds(windows)), windows.counts > 0


def ts_of_last_over_time(windows: Windows) -> Points:
    """Return when the newest sample was taken, in Unix seconds."""
    return windows.last(_seconds(windows)), windows.counts > 0


def ts_of_min_over_time(windows: Windows) -> Points:
    """Return when the least value was last seen, in Unix seconds."""
    return _time_of(windows, min_over_time(windows)[0])


def ts_of_max_over_time(windows: Windows) -> Points:
    """Return when the greatest value was last seen, in Unix seconds."""
    return _time_of(windows, max_over_time(windows)[0])


def _total(windows: Windows) -> NDArray[np.float64]:
    total = windows.reduce(np.add, windows.values)
    size = windows.reduce(np.add, np.abs(windows.values))
    for block in windows.blocks((windows.counts > 0) & cancels(total, size)):
        np.put(total, block.rows, compensated_sum(block.values))
    return total


def _count_between(windows: Windows, happened: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Count the pairs of neighbours, both in the window, for which *happened* holds."""
    before = np.concatenate(([0, 0], np.cumsum(happened)))
    end, start = np.maximum(windows.high, 1), np.minimum(windows.low + 1, len(before) - 1)
    pairs = before[end] - before[start]
    counted: NDArray[np.float64] = np.where(windows.counts > 1, pairs, 0).astype(np.float64)
    return counted


def _time_of(windows: Windows, wanted: NDArray[np.float64]) -> Points:
    """Return the time of the last sample that equals *wanted* (NaN equals NaN), in seconds."""
    out = np.zeros(windows.shape)
    for block in windows.blocks(windows.counts > 0):
        target = wanted.ravel()[block.rows][:, None]
        hit = block.valid & ((block.values == target) | (np.isnan(block.values) & np.isnan(target)))
        newest = hit.shape[1] - 1 - hit[:, ::-1].argmax(axis=1)
        times = np.take_along_axis(block.timestamps_ms, newest[:, None], axis=1)[:, 0]
        np.put(out, block.rows, times / 1000)
    return out, windows.counts > 0


def _seconds(windows: Windows) -> NDArray[np.float64]:
    return windows.timestamps_ms / 1000

"""Fits to windows: `deriv`, `predict_linear`, `double_exponential_smoothing`."""

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.ranges.rates import Points
from veriscope.query.promql.ranges.windows import Block, Windows
from veriscope.query.promql.sums import compensated_sum


def deriv(windows: Windows) -> Points:
    """Return the per-second slope of the least-squares line."""
    out, fitted = np.zeros(windows.shape), windows.counts > 1
    for block in windows.blocks(fitted):
        slope, _ = _line(block, block.timestamps_ms[:, 0])
        np.put(out, block.rows, slope)
    return out, fitted


def predict_linear(windows: Windows, seconds: NDArray[np.float64]) -> Points:
    """Return the least-squares line's value *seconds* (one for each step) after the step."""
    out, fitted = np.zeros(windows.shape), windows.counts > 1
    for block in windows.blocks(fitted):
        step = block.rows % windows.shape[1]
        slope, intercept = _line(block, windows.times_ms[step])
        np.put(out, block.rows, slope * seconds[step] + intercept)
    return out, fitted


def double_exponential_smoothing(
    windows: Windows, smoothing: NDArray[np.float64], trend: NDArray[np.float64]
) -> Points:
    """
    Return the last value smoothed with factors *smoothing* and *trend*, both in `(0, 1)`.

    Raises `ExecutionError` for factors outside.
    """
    _check_factor("smoothing", smoothing)
    _check_factor("trend", trend)
    out, fitted = np.zeros(windows.shape), windows.counts > 1
    for block in windows.blocks(fitted):
        step = block.rows % windows.shape[1]
        np.put(out, block.rows, _smooth(block, smoothing[step], trend[step]))
    return out, fitted


def _line(block: Block, origin_ms: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Return slope (per second) and value at *origin_ms* of each row's least-squares line."""
    seconds = np.where(block.valid, (block.timestamps_ms - origin_ms[:, None]) / 1000, 0.0)
    count, first = block.counts, block.values[:, 0]
    sum_x, sum_y = compensated_sum(seconds), compensated_sum(block.values)
    sum_xy = compensated_sum(seconds * block.values)
    sum_xx = compensated_sum(seconds * seconds)
    slope = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
    intercept = sum_y / count - slope * sum_x / count
    # A flat line is exactly flat, whatever rounding says; an infinite one has no slope.
    flat = np.where(block.valid, block.values == first[:, None], True).all(axis=1)
    infinite = np.isinf(first)
    slope = np.where(flat, np.where(infinite, np.nan, 0.0), slope)
    return slope, np.where(flat, np.where(infinite, np.nan, first), intercept)


def _smooth(
    block: Block, smoothing: NDArray[np.float64], trend: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Run Holt's recurrence along the rows; a row that has ended keeps its state."""
    values = block.values
    level, slope = values[:, 0], values[:, 1] - values[:, 0]
    previous = np.zeros(len(level))
    for position in range(1, values.shape[1]):
        running = position < block.counts
        if position > 1:
            new_slope = trend * (level - previous) + (1 - trend) * slope
            slope = np.where(running, new_slope, slope)
        smoothed = smoothing * values[:, position] + (1 - smoothing) * (level + slope)
        previous = np.where(running, level, previous)
        level = np.where(running, smoothed, level)
    return level


def _check_factor(name: str, factor: NDArray[np.float64]) -> None:
    wrong = factor[~((factor > 0) & (factor < 1))]
    if len(wrong):
        raise ExecutionError(
            f"invalid {name} factor. Expected: 0 < {name} factor < 1, got: {wrong[0]:f}"
        )

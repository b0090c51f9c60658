"""Compiled fits to windows: least-squares lines and Holt's smoothing."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ranges.window_kernels import cut_fresh
from veriscope.query.promql.sum_kernels import kahan
from veriscope.signals.compiled import compiled

DERIV: Final = 0
PREDICT_LINEAR: Final = 1
SMOOTHING: Final = 2


@compiled
def trend_rows(
    op: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    first_ms: int,
    step_ms: int,
    length_ms: int,
    times_ms: NDArray[np.int64],
    first_param: NDArray[np.float64],
    second_param: NDArray[np.float64],
    out: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """
    Write *op* of each row's windows of two samples or more.

    *times_ms* are the evaluation times, which may differ from the windows' ends. Parameters are
    one for each step: the seconds to predict, or the two factors of smoothing.
    """
    steps = out.shape[1]
    low, high = np.empty(steps, dtype=np.int64), np.empty(steps, dtype=np.int64)
    for row in range(len(starts)):
        times, numbers, _ = cut_fresh(
            timestamps_ms, values, starts[row], stops[row],
            first_ms, step_ms, length_ms, low, high,
        )  # fmt: skip
        for step in range(steps):
            start, stop = low[step], high[step]
            present[row, step] = stop - start >= 2
            if not present[row, step]:
                out[row, step] = 0.0
            elif op == DERIV:
                out[row, step] = _line(times, numbers, start, stop, times[start])[0]
            elif op == PREDICT_LINEAR:
                slope, intercept = _line(times, numbers, start, stop, times_ms[step])
                out[row, step] = slope * first_param[step] + intercept
            else:
                out[row, step] = _smooth(
                    numbers, start, stop, first_param[step], second_param[step]
                )


@compiled
def _line(
    timestamps_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    start: int,
    stop: int,
    origin_ms: int,
) -> tuple[float, float]:
    """Return slope (per second) and value at *origin_ms* of the least-squares line."""
    sum_x, rest_x, sum_y, rest_y = 0.0, 0.0, 0.0, 0.0
    sum_xy, rest_xy, sum_xx, rest_xx = 0.0, 0.0, 0.0, 0.0
    first, flat = values[start], True
    for place in range(start, stop):
        y = values[place]
        if place > start and y != first:
            flat = False
        x = float(timestamps_ms[place] - origin_ms) / 1e3
        sum_x, rest_x = kahan(x, sum_x, rest_x)
        sum_y, rest_y = kahan(y, sum_y, rest_y)
        sum_xy, rest_xy = kahan(x * y, sum_xy, rest_xy)
        sum_xx, rest_xx = kahan(x * x, sum_xx, rest_xx)
    # A flat line is exactly flat, whatever rounding says; an infinite one has no slope.
    if flat:
        return (np.nan, np.nan) if np.isinf(first) else (0.0, first)
    sum_x, sum_y, sum_xy, sum_xx = (
        sum_x + rest_x,
        sum_y + rest_y,
        sum_xy + rest_xy,
        sum_xx + rest_xx,
    )
    count = float(stop - start)
    slope = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
    return slope, sum_y / count - slope * sum_x / count


@compiled
def _smooth(
    values: NDArray[np.float64], start: int, stop: int, smoothing: float, trend: float
) -> float:
    """Return the last value smoothed by Holt's recurrence."""
    before, level = 0.0, float(values[start])
    slope = values[start + 1] - values[start]
    for place in range(start + 1, stop):
        if place > start + 1:
            slope = trend * (level - before) + (1 - trend) * slope
        before, level = level, smoothing * values[place] + (1 - smoothing) * (level + slope)
    return level

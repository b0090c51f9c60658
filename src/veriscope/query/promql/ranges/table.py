"""Every function of a range vector, by its PromQL name."""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.floats import format_fixed
from veriscope.query.promql.ranges import (
    fold_kernels,
    rank_kernels,
    rate_kernels,
    trend_kernels,
)
from veriscope.query.promql.ranges.windows import Points, Windows
from veriscope.query.promql.threads import frozen


def _folded(op: int, windows: Windows) -> Points:
    return windows.fill(fold_kernels.fold_rows, op)


def _changed(op: int, windows: Windows) -> Points:
    return windows.fill(
        rate_kernels.rate_rows, op, rate_kernels.EDGES[windows.edges], windows.lookback_ms
    )


def _quantile_over_time(windows: Windows, q: NDArray[np.float64]) -> Points:
    op = rank_kernels.QUANTILE
    return windows.fill(rank_kernels.rank_rows, op, frozen(q), each_step=True)


def _mad_over_time(windows: Windows) -> Points:
    return windows.fill(rank_kernels.rank_rows, rank_kernels.MAD, frozen(np.empty(0)))


def _deriv(windows: Windows) -> Points:
    none = frozen(np.empty(0))
    times_ms = frozen(windows.times.times_ms())
    return windows.fill(trend_kernels.trend_rows, trend_kernels.DERIV, times_ms, none, none)


def _predict_linear(windows: Windows, seconds: NDArray[np.float64]) -> Points:
    """Predict from the evaluation time on, wherever `offset` and `@` put the windows."""
    times_ms = frozen(windows.times.times_ms())
    extra = times_ms, frozen(seconds), frozen(np.empty(0))
    op = trend_kernels.PREDICT_LINEAR
    return windows.fill(trend_kernels.trend_rows, op, *extra, each_step=True)


def _double_exponential_smoothing(
    windows: Windows, smoothing: NDArray[np.float64], trend: NDArray[np.float64]
) -> Points:
    """Raise `ExecutionError` for factors outside of `(0, 1)`, where there are samples."""
    _check_factor(windows, "smoothing factor. Expected: 0 < sf < 1", smoothing)
    _check_factor(windows, "trend factor. Expected: 0 < tf < 1", trend)
    extra = frozen(windows.times.times_ms()), frozen(smoothing), frozen(trend)
    op = trend_kernels.SMOOTHING
    return windows.fill(trend_kernels.trend_rows, op, *extra, each_step=True)


def _check_factor(windows: Windows, expected: str, factor: NDArray[np.float64]) -> None:
    wrong = (factor <= 0) | (factor >= 1)
    if wrong.any():
        _, filled = _folded(fold_kernels.PRESENT, windows)
        steps = np.flatnonzero(wrong & filled.any(axis=0))
        if len(steps):
            raise ExecutionError(f"invalid {expected}, got: {format_fixed(factor[steps[0]])}")


RANGE_FUNCTIONS: Final[dict[str, Callable[..., Points]]] = {
    "avg_over_time": partial(_folded, fold_kernels.AVG),
    "changes": partial(_changed, rate_kernels.CHANGES),
    "count_over_time": partial(_folded, fold_kernels.COUNT),
    "delta": partial(_changed, rate_kernels.DELTA),
    "deriv": _deriv,
    "double_exponential_smoothing": _double_exponential_smoothing,
    "first_over_time": partial(_folded, fold_kernels.FIRST),
    "idelta": partial(_changed, rate_kernels.IDELTA),
    "increase": partial(_changed, rate_kernels.INCREASE),
    "irate": partial(_changed, rate_kernels.IRATE),
    "last_over_time": partial(_folded, fold_kernels.LAST),
    "mad_over_time": _mad_over_time,
    "max_over_time": partial(_folded, fold_kernels.MAX),
    "min_over_time": partial(_folded, fold_kernels.MIN),
    "predict_linear": _predict_linear,
    "present_over_time": partial(_folded, fold_kernels.PRESENT),
    "quantile_over_time": _quantile_over_time,
    "rate": partial(_changed, rate_kernels.RATE),
    "resets": partial(_changed, rate_kernels.RESETS),
    "stddev_over_time": partial(_folded, fold_kernels.STDDEV),
    "stdvar_over_time": partial(_folded, fold_kernels.STDVAR),
    "sum_over_time": partial(_folded, fold_kernels.SUM),
    "ts_of_first_over_time": partial(_folded, fold_kernels.TS_OF_FIRST),
    "ts_of_last_over_time": partial(_folded, fold_kernels.TS_OF_LAST),
    "ts_of_max_over_time": partial(_folded, fold_kernels.TS_OF_MAX),
    "ts_of_min_over_time": partial(_folded, fold_kernels.TS_OF_MIN),
}
"""Each takes the windows and then the call's other arguments, one value for each step."""

NAME_KEEPING: Final = frozenset({"first_over_time", "last_over_time"})
"""Functions whose results are still samples of the metric, so that they keep its name."""

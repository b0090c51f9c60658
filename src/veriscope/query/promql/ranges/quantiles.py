"""Order statistics of windows: `quantile_over_time` and `mad_over_time`."""

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ranges.rates import Points
from veriscope.query.promql.ranges.windows import Windows


def quantile_over_time(windows: Windows, q: NDArray[np.float64]) -> Points:
    """Return the *q*-quantile (one *q* for each step) of each window."""
    out = np.zeros(windows.shape)
    steps = windows.shape[1]
    for block in windows.blocks(windows.counts > 0):
        values = np.where(block.valid, block.values, np.nan)
        np.put(out, block.rows, quantiles(values, block.counts, q[block.rows % steps]))
    return out, windows.counts > 0


def mad_over_time(windows: Windows) -> Points:
    """Return the median distance from the median."""
    out = np.zeros(windows.shape)
    for block in windows.blocks(windows.counts > 0):
        values = np.where(block.valid, block.values, np.nan)
        half = np.full(len(values), 0.5)
        median = quantiles(values, block.counts, half)
        distance = np.abs(values - median[:, None])
        np.put(out, block.rows, quantiles(distance, block.counts, half))
    return out, windows.counts > 0


def quantiles(
    values: NDArray[np.float64], counts: NDArray[np.int64], q: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return the `q[i]`-quantile of the first `counts[i]` (at least 1) values of each row *i*.

    Cells beyond are NaN. Linear between ranks, as Prometheus' `quantile`: NaN sorts before
    every number; -Inf where *q* < 0, +Inf where *q* > 1, NaN where it is NaN.
    """
    ordered = np.sort(values, axis=1)
    numbers = values.shape[1] - np.isnan(values).sum(axis=1)
    unordered = counts - numbers
    rank = np.where((q >= 0) & (q <= 1), q, 0.0) * (counts - 1)
    lower = np.floor(rank).astype(np.int64)
    weight = rank - lower

    def at(position: NDArray[np.int64]) -> NDArray[np.float64]:
        index = np.clip(position - unordered, 0, values.shape[1] - 1)[:, None]
        found = np.take_along_axis(ordered, index, axis=1)[:, 0]
        return np.where(position < unordered, np.nan, found)

    result = at(lower) * (1 - weight) + at(np.minimum(lower + 1, counts - 1)) * weight
    result = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, result))
    return np.where(np.isnan(q), np.nan, result)

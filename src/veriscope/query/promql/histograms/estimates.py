"""Functions of native histograms that give floats: counts, sums, quantiles, fractions, spread."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms import annotations, measure_kernels, points
from veriscope.query.promql.histograms.annotations import Remarks
from veriscope.query.promql.histograms.arithmetic import columns
from veriscope.query.promql.histograms.measure_kernels import (
    FRACTION,
    NAN_RESULT,
    NAN_SKEW,
    QUANTILE,
    VARIANCE,
)
from veriscope.signals import METRIC_NAME, Labels, LabelSets, Matrix, label_value
from veriscope.signals.histograms import Histograms

_BOUND: Final = "le"


def count(histograms: Histograms) -> NDArray[np.float64]:
    """Return how many observations each histogram has."""
    return histograms.count


def total(histograms: Histograms) -> NDArray[np.float64]:
    """Return the sum of each histogram's observations."""
    return histograms.sum


def average(histograms: Histograms) -> NDArray[np.float64]:
    """Return the mean of each histogram's observations."""
    found: NDArray[np.float64] = np.divide(histograms.sum, histograms.count)
    return found


def variance(histograms: Histograms) -> NDArray[np.float64]:
    """Return the variance of each histogram's observations, as if all were mid-bucket."""
    nothing = np.zeros(len(histograms))
    return _measured(histograms, VARIANCE, nothing, nothing)[0]


def deviation(histograms: Histograms) -> NDArray[np.float64]:
    """Return the standard deviation of each histogram's observations."""
    return np.sqrt(variance(histograms))


SIMPLE: Final[dict[str, Callable[[Histograms], NDArray[np.float64]]]] = {
    "histogram_avg": average,
    "histogram_count": count,
    "histogram_stddev": deviation,
    "histogram_stdvar": variance,
    "histogram_sum": total,
}
"""Functions of a vector that leave out its floats, by PromQL name."""


def of_histograms(function: str, vector: Matrix) -> Matrix:
    """Return a `SIMPLE` *function* of the histograms of *vector*, whose floats are left out."""
    if vector.histograms is None:
        return _floats(vector, np.empty(0))
    with np.errstate(all="ignore"):
        return _floats(vector, SIMPLE[function](vector.histograms.values))


def quantile(vector: Matrix, q: NDArray[np.float64], remarks: Remarks) -> Matrix:
    """Return the *q*-quantile (one for each step) of the histograms of *vector*."""
    found = vector.histograms
    if found is None:
        return _floats(vector, np.empty(0))
    values, flags = _measured(found.values, QUANTILE, q[found.steps], np.zeros(len(found.rows)))
    _say(vector, flags, NAN_RESULT, annotations.nan_quantile, remarks)
    _say(vector, flags, NAN_SKEW, annotations.skewed_quantile, remarks)
    return _floats(vector, values)


def fraction(
    vector: Matrix, lower: NDArray[np.float64], upper: NDArray[np.float64], remarks: Remarks
) -> Matrix:
    """Return the share of observations between *lower* and *upper* (one for each step)."""
    found = vector.histograms
    if found is None:
        return _floats(vector, np.empty(0))
    values, flags = _measured(found.values, FRACTION, lower[found.steps], upper[found.steps])
    _say(vector, flags, NAN_SKEW, annotations.nan_fraction, remarks)
    return _floats(vector, values)


def without_conflicts(vector: Matrix, remarks: Remarks) -> Matrix:
    """
    Return *vector* less the points that are a classic and a native histogram at once.

    A classic histogram has the labels of a native one but for `le`; at a step where both are
    present, neither counts.
    """
    if vector.histograms is None:
        return vector
    numbers: dict[Labels, int] = {}
    plain = [_without_bound(labels) for labels in vector.labels]
    owner = np.array([numbers.setdefault(key, len(numbers)) for key in plain], dtype=np.int64)
    bounded = np.array([bool(label_value(row, _BOUND)) for row in vector.labels], dtype=np.bool_)
    native = points.where(vector)
    shape = (len(numbers), len(vector.grid))
    classics, natives = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    np.logical_or.at(classics, owner[bounded], (vector.present & ~native)[bounded])
    np.logical_or.at(natives, owner[~bounded], native[~bounded])
    clash = classics & natives
    if not clash.any():
        return vector
    for group in np.flatnonzero(clash.any(axis=1)).tolist():
        labels = plain[int(np.argmax(owner == group))]
        annotations.mixed_classic_and_native(remarks, label_value(labels, METRIC_NAME))
    kept = vector.present & ~clash[owner]
    return replace(vector, present=kept, histograms=points.present_in(vector.histograms, kept))


def stacked(parts: Sequence[Matrix]) -> Matrix:
    """Return the rows of all *parts*, vectors of floats, one part after the other."""
    return Matrix(
        LabelSets([labels for part in parts for labels in part.labels]),
        parts[0].grid,
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.present for part in parts]),
    )


def _without_bound(labels: Labels) -> Labels:
    return tuple([pair for pair in labels if pair[0] != _BOUND])


def _measured(
    histograms: Histograms, what: int, first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    values, flags = measure_kernels.measure(columns(histograms), what, first, second)
    return values, flags


def _floats(vector: Matrix, values: NDArray[np.float64]) -> Matrix:
    """Return *vector* with *values* in place of its histograms, and nothing else."""
    cells = np.zeros(vector.values.shape)
    if vector.histograms is not None:
        cells[vector.histograms.rows, vector.histograms.steps] = values
    return Matrix(vector.labels, vector.grid, cells, points.where(vector))


def _say(
    vector: Matrix,
    flags: NDArray[np.int8],
    flag: int,
    remark: Callable[[Remarks, str], None],
    remarks: Remarks,
) -> None:
    if vector.histograms is None or not (flags & flag).any():
        return
    rows = vector.histograms.rows[(flags & flag) != 0]
    for row in dict.fromkeys(rows.tolist()):
        remark(remarks, label_value(vector.labels[row], METRIC_NAME))

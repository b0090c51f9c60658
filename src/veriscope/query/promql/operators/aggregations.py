"""Aggregations that fold the series of a group into one: `sum`, `avg`, `stddev`, `quantile`."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.operators.groups import Groups
from veriscope.query.promql.ranges.quantiles import quantiles
from veriscope.query.promql.sums import cancels, compensated_sum
from veriscope.signals import Matrix

Fold: TypeAlias = Callable[[Matrix, Groups], NDArray[np.float64]]


def fold(op: str, vector: Matrix, groups: Groups) -> Matrix:
    """Return *op* of each group of *vector*'s rows, with a point where any of them has one."""
    if not len(groups):
        return Matrix((), vector.grid, vector.values[:0], vector.present[:0])
    present = _reduce(np.logical_or, vector.present, groups).astype(np.bool_)
    return Matrix(groups.labels, vector.grid, FOLDS[op](vector, groups), present)


def quantile(vector: Matrix, groups: Groups, q: NDArray[np.float64]) -> Matrix:
    """Return the *q*-quantile (one for each step) of each group."""
    shape = (len(groups), len(vector.grid))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for group, members in enumerate(groups.members()):
        cells = np.where(vector.present[members], vector.values[members], np.nan).T
        counts = vector.present[members].sum(axis=0)
        filled = present[group] = counts > 0
        values[group, filled] = quantiles(cells[filled], counts[filled], q[filled])
    return Matrix(groups.labels, vector.grid, values, present)


def _sum(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    cells = np.where(vector.present, vector.values, 0.0)
    total = _reduce(np.add, cells, groups)
    doubtful = cancels(total, _reduce(np.add, np.abs(cells), groups))
    if doubtful.any():
        members = groups.members()
        for group in np.flatnonzero(doubtful.any(axis=1)).tolist():
            steps = np.flatnonzero(doubtful[group])
            total[group, steps] = compensated_sum(cells[np.ix_(members[group], steps)].T)
    return total


def _count(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    return _reduce(np.add, vector.present.astype(np.float64), groups)


def _avg(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    counts = np.maximum(_count(vector, groups), 1)
    mean = _sum(vector, groups) / counts
    if np.isinf(mean).any():
        # Numbers that are finite one by one may have a sum that is not.
        scaled = np.where(vector.present, vector.values, 0.0) / counts[groups.ids]
        mean = np.where(np.isinf(mean), _reduce(np.add, scaled, groups), mean)
    return mean


def _min(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    return _reduce(np.fmin, np.where(vector.present, vector.values, np.nan), groups)


def _max(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    return _reduce(np.fmax, np.where(vector.present, vector.values, np.nan), groups)


def _group(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    return np.ones((len(groups), len(vector.grid)))


def _stdvar(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    order, starts = groups.sorted_rows()
    # Seen from a value of the group, so that equal values have exactly no variance.
    origin = np.zeros((len(groups), len(vector.grid)))
    row, step = np.nonzero(vector.present[order[::-1]])
    origin[groups.ids[order[::-1]][row], step] = vector.values[order[::-1]][row, step]
    offset = np.where(vector.present, vector.values - origin[groups.ids], 0.0)
    counts = np.maximum(_count(vector, groups), 1)
    mean = np.add.reduceat(offset[order], starts, axis=0) / counts
    distance = np.where(vector.present, offset - mean[groups.ids], 0.0)
    return _reduce(np.add, distance * distance, groups) / counts


def _stddev(vector: Matrix, groups: Groups) -> NDArray[np.float64]:
    return np.sqrt(_stdvar(vector, groups))


FOLDS: Final[dict[str, Fold]] = {
    "avg": _avg,
    "count": _count,
    "group": _group,
    "max": _max,
    "min": _min,
    "stddev": _stddev,
    "stdvar": _stdvar,
    "sum": _sum,
}


def _reduce(ufunc: np.ufunc, cells: NDArray[np.generic], groups: Groups) -> NDArray[np.float64]:
    order, starts = groups.sorted_rows()
    folded: NDArray[np.float64] = ufunc.reduceat(cells[order], starts, axis=0)
    return folded

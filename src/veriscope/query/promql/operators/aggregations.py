"""Aggregations that fold the series of a group into one: `sum`, `avg`, `stddev`, `quantile`."""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.operators import aggregation_kernels as kernels
from veriscope.query.promql.operators.groups import Groups
from veriscope.query.promql.threads import frozen, run_all, split
from veriscope.signals import Matrix

FOLDS: Final = {
    "avg": kernels.AVG,
    "count": kernels.COUNT,
    "group": kernels.GROUP,
    "max": kernels.MAX,
    "min": kernels.MIN,
    "stddev": kernels.STDDEV,
    "stdvar": kernels.STDVAR,
    "sum": kernels.SUM,
}


def fold(op: str, vector: Matrix, groups: Groups) -> Matrix:
    """Return *op* of each group of *vector*'s rows, with a point where any of them has one."""
    values, present = _empty(vector, groups)
    columns = frozen(vector.values), frozen(vector.present), frozen(groups.ids)
    run_steps(vector, lambda begin, stop: partial(
        kernels.fold_groups, FOLDS[op], *columns, begin, stop, values, present
    ))  # fmt: skip
    return Matrix(groups.labels, vector.grid, values, present)


def quantile(vector: Matrix, groups: Groups, q: NDArray[np.float64]) -> Matrix:
    """Return the *q*-quantile (one for each step) of each group."""
    values, present = _empty(vector, groups)
    columns = frozen(vector.values), frozen(vector.present)
    places = frozen(groups.order), frozen(groups.bounds), frozen(q)
    run_steps(vector, lambda begin, stop: partial(
        kernels.quantile_groups, *columns, *places, begin, stop, values, present
    ))  # fmt: skip
    return Matrix(groups.labels, vector.grid, values, present)


def run_steps(vector: Matrix, task: Callable[[int, int], Callable[[], None]]) -> None:
    """Run the tasks for `begin:stop` of *vector*'s steps, together all of them."""
    work = vector.values.size
    run_all([task(part.start, part.stop) for part in split(len(vector.grid), work)], work)


def _empty(vector: Matrix, groups: Groups) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    shape = (len(groups), len(vector.grid))
    return np.zeros(shape), np.zeros(shape, dtype=np.bool_)

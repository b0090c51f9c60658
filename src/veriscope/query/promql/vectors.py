"""Vectors on a grid: names dropped, duplicates merged or refused, rows chosen and ordered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError
from veriscope.signals import METRIC_NAME, Grid, Labels, Matrix

_DUPLICATES: Final = "vector cannot contain metrics with the same labelset"


def empty(grid: Grid) -> Matrix:
    """Return the vector without series."""
    shape = (0, len(grid))
    return Matrix((), grid, np.zeros(shape), np.zeros(shape, dtype=np.bool_))


def single(labels: Labels, grid: Grid, values: NDArray[np.float64]) -> Matrix:
    """Return the vector of one series that has a point on every step."""
    return Matrix((labels,), grid, values[None, :], np.ones((1, len(values)), dtype=np.bool_))


def on_grid(vector: Matrix, grid: Grid) -> Matrix:
    """Return *vector* with its steps called those of *grid*; a single step is repeated."""
    shape = (len(vector.labels), len(grid))
    return Matrix(
        vector.labels,
        grid,
        np.broadcast_to(vector.values, shape),
        np.broadcast_to(vector.present, shape),
    )


def rows(vector: Matrix, positions: NDArray[np.int64]) -> Matrix:
    """Return the series at *positions*, in their order."""
    return Matrix(
        tuple([vector.labels[position] for position in positions.tolist()]),
        vector.grid,
        vector.values[positions],
        vector.present[positions],
    )


def without_empty(vector: Matrix) -> Matrix:
    """Return *vector* less the series that have no point."""
    filled = np.flatnonzero(vector.present.any(axis=1))
    return vector if len(filled) == len(vector.labels) else rows(vector, filled)


def without_name(labels: Labels) -> Labels:
    """Return *labels* less the metric name."""
    # `__name__` sorts before every label that does not begin with an upper-case letter, so it
    # is nearly always first.
    if labels and labels[0][0] == METRIC_NAME:
        return labels[1:]
    return tuple([pair for pair in labels if pair[0] != METRIC_NAME])


def drop_names(vector: Matrix) -> Matrix:
    """Return *vector* without metric names; see `merged` for what may then be the same."""
    return replace(vector, labels=tuple([without_name(labels) for labels in vector.labels]))


def unique(vector: Matrix) -> Matrix:
    """
    Return *vector* less its empty series; raise `ExecutionError` where two have the same labels.

    For functions that Prometheus evaluates series by series: at whatever steps the two have
    points, they may not be the same.
    """
    vector = without_empty(vector)
    if len(set(vector.labels)) != len(vector.labels):
        raise ExecutionError(_DUPLICATES)
    return vector


def merged(vector: Matrix, message: str = _DUPLICATES) -> Matrix:
    """
    Return *vector* with the series of the same labels as one.

    For functions that Prometheus evaluates step by step: raises `ExecutionError` with
    *message* where two have a point at the same step.
    """
    vector = without_empty(vector)
    numbers: dict[Labels, int] = {}
    ids = [numbers.setdefault(labels, len(numbers)) for labels in vector.labels]
    if len(numbers) == len(ids):
        return vector
    owner = np.array(ids, dtype=np.int64)
    refuse_overlaps(owner, vector.present, message)
    shape = (len(numbers), len(vector.grid))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    row, step = np.nonzero(vector.present)
    values[owner[row], step] = vector.values[row, step]
    present[owner[row], step] = True
    return Matrix(tuple(numbers), vector.grid, values, present)


def refuse_overlaps(owner: NDArray[np.int64], present: NDArray[np.bool_], message: str) -> None:
    """Raise `ExecutionError` where two rows of the same *owner* have a point at one step."""
    if len(owner) < 2 or len(np.unique(owner)) == len(owner):  # noqa: PLR2004 - two collide
        return
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    if (np.add.reduceat(present[order].astype(np.int32), starts, axis=0) > 1).any():
        raise ExecutionError(message)


def order_by_labels(labels: Sequence[Labels]) -> NDArray[np.int64]:
    """Return the positions of *labels* in Prometheus' order of label sets."""
    return np.array(sorted(range(len(labels)), key=labels.__getitem__), dtype=np.int64)


def spell(labels: Labels) -> str:
    """Return *labels* as Prometheus prints them in errors: `{__name__="up", job="a"}`."""
    return "{" + ", ".join(f"{name}={_quote(value)}" for name, value in labels) + "}"


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

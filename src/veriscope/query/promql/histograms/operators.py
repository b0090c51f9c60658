"""Binary operators where one side or both are native histograms."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms import annotations, points
from veriscope.query.promql.histograms.annotations import Remarks
from veriscope.query.promql.histograms.arithmetic import add, divided, equal, scaled, subtract
from veriscope.query.promql.histograms.trimming import trimmed
from veriscope.signals import Matrix
from veriscope.signals.histograms import Histograms
from veriscope.signals.matrix import HistogramPoints

TRIMS: Final = frozenset({"</", ">/"})
"""Operators that a histogram alone may have on its left, and a float alone on its right."""
_OPERATIONS: Final = {"+": (add, "addition"), "-": (subtract, "subtraction")}


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Places in the operands' matrices, and the places of their histograms (-1 for floats)."""

    rows: NDArray[np.int64]
    steps: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]

    def where(self, kept: NDArray[np.bool_]) -> "_Cells":
        return _Cells(self.rows[kept], self.steps[kept], self.left[kept], self.right[kept])


def on_pairs(
    op: str,
    left: Matrix,
    right: Matrix,
    answer: Matrix,
    *,
    return_bool: bool = False,
    remarks: Remarks,
) -> Matrix:
    """
    Return *answer*, what `left op right` gives for floats, with what it gives for histograms.

    All three have the same rows and steps. Points for which *op* does nothing are dropped, which
    is remarked upon.
    """
    if left.histograms is None and right.histograms is None and op not in TRIMS:
        return answer
    both = left.present & right.present
    ours, theirs = _places(left), _places(right)
    touched = both & ((ours >= 0) | (theirs >= 0) | (op in TRIMS))
    rows, steps = np.nonzero(touched)
    cells = _Cells(rows, steps, ours[rows, steps], theirs[rows, steps])
    values, present = answer.values.copy(), answer.present & ~touched
    parts: list[HistogramPoints | None] = []
    alone = (cells.left >= 0) & (cells.right < 0)
    twice = (cells.left >= 0) & (cells.right >= 0)
    second = (cells.left < 0) & (cells.right >= 0)
    parts.append(_with_float(op, cells.where(alone), left, right.values, remarks))
    parts.append(_after_float(op, cells.where(second), right, left.values, remarks))
    if (same := _compared(op, cells.where(twice), left, right)) is None:
        parts.append(_both(op, cells.where(twice), left, right, remarks))
    else:
        rows, steps = cells.rows[twice], cells.steps[twice]
        if return_bool:
            values[rows, steps], present[rows, steps] = same, True
        else:
            parts.append(_points(cells.where(twice).where(same), left))
    if (~alone & ~twice & ~second).any():
        annotations.incompatible_types(remarks, "float", op, "float")
    made = replace(answer, values=values, present=present, histograms=None)
    return points.with_points(made, points.joined(parts))


def on_scalar(
    op: str,
    vector: Matrix,
    scalar: NDArray[np.float64],
    answer: Matrix,
    *,
    return_bool: bool,
    swapped: bool,
    remarks: Remarks,
) -> Matrix:
    """Return *answer*, `vector op scalar` of floats (or *swapped*), with that of histograms."""
    shape = vector.values.shape
    other = Matrix(
        vector.labels,
        vector.grid,
        np.broadcast_to(scalar, shape),
        np.broadcast_to(np.bool_(True), shape),
    )
    left, right = (other, vector) if swapped else (vector, other)
    return on_pairs(op, left, right, answer, return_bool=return_bool, remarks=remarks)


def negated(points_: HistogramPoints | None) -> HistogramPoints | None:
    """Return each histogram times -1."""
    if points_ is None:
        return None
    return replace(points_, values=scaled(points_.values, np.full(len(points_.rows), -1.0)))


def _with_float(
    op: str, cells: _Cells, left: Matrix, floats: NDArray[np.float64], remarks: Remarks
) -> HistogramPoints | None:
    """Return `histogram op float`."""
    if not len(cells.rows):
        return None
    if op not in _BY_FLOAT:
        annotations.incompatible_types(remarks, "histogram", op, "float")
        return None
    values = _values(left).take(cells.left)
    made = _BY_FLOAT[op](values, floats[cells.rows, cells.steps])
    return points.at_cells(cells.rows, cells.steps, made)


def _after_float(
    op: str, cells: _Cells, right: Matrix, floats: NDArray[np.float64], remarks: Remarks
) -> HistogramPoints | None:
    """Return `float op histogram`."""
    if not len(cells.rows):
        return None
    if op != "*":
        annotations.incompatible_types(remarks, "float", op, "histogram")
        return None
    made = scaled(_values(right).take(cells.right), floats[cells.rows, cells.steps])
    return points.at_cells(cells.rows, cells.steps, made)


def _both(
    op: str, cells: _Cells, left: Matrix, right: Matrix, remarks: Remarks
) -> HistogramPoints | None:
    """Return `histogram op histogram`."""
    if not len(cells.rows):
        return None
    if op not in _OPERATIONS:
        annotations.incompatible_types(remarks, "histogram", op, "histogram")
        return None
    operation, name = _OPERATIONS[op]
    found = operation(_values(left).take(cells.left), _values(right).take(cells.right))
    if not found.valid.all():
        annotations.mixed_schemas_in_operator(remarks, op)
    if found.collision:
        annotations.reset_collision(remarks, name)
    if found.reconciled:
        annotations.reconciled(remarks, name)
    kept = cells.where(found.valid)
    return points.at_cells(kept.rows, kept.steps, found.values.take(found.valid))


def _compared(op: str, cells: _Cells, left: Matrix, right: Matrix) -> NDArray[np.bool_] | None:
    """Return for which cells a comparison holds; None for other operators."""
    if op not in {"==", "!="}:
        return None
    ours, theirs = _values(left), _values(right)
    both = Histograms.concatenate((ours, theirs))
    same = equal(both, cells.left, cells.right + len(ours))
    return same if op == "==" else ~same


def _points(cells: _Cells, left: Matrix) -> HistogramPoints | None:
    return points.at_cells(cells.rows, cells.steps, _values(left).take(cells.left))


def _values(vector: Matrix) -> Histograms:
    return Histograms.none() if vector.histograms is None else vector.histograms.values


def _places(vector: Matrix) -> NDArray[np.int64]:
    """Return where each point is among the histograms of *vector*, -1 where it is a float."""
    found = np.full(vector.values.shape, -1, dtype=np.int64)
    if vector.histograms is not None:
        count = len(vector.histograms.rows)
        found[vector.histograms.rows, vector.histograms.steps] = np.arange(count)
    return found


_BY_FLOAT: Final[dict[str, Callable[[Histograms, NDArray[np.float64]], Histograms]]] = {
    "*": scaled,
    "/": divided,
    "</": lambda values, at: trimmed(values, at, upper=True),
    ">/": lambda values, at: trimmed(values, at, upper=False),
}

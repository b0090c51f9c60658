"""The points of a vector that are native histograms: chosen, moved and joined."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.histograms import Histograms
from veriscope.signals.matrix import HistogramPoints, Matrix


def where(vector: Matrix) -> NDArray[np.bool_]:
    """Return which points of *vector* are histograms, shape `(series, steps)`."""
    found = np.zeros(vector.values.shape, dtype=np.bool_)
    if vector.histograms is not None:
        found[vector.histograms.rows, vector.histograms.steps] = True
    return found


def floats_only(vector: Matrix) -> Matrix:
    """Return *vector* less its histograms, as functions see it that know floats only."""
    if vector.histograms is None:
        return vector
    return replace(vector, present=vector.present & ~where(vector), histograms=None)


def with_points(vector: Matrix, points: HistogramPoints | None) -> Matrix:
    """Return *vector* with *points*, which take the place of whatever was there."""
    if points is None or not len(points.rows):
        return replace(vector, histograms=None)
    present = vector.present.copy()
    present[points.rows, points.steps] = True
    return replace(vector, present=present, histograms=points)


def at_cells(
    rows: NDArray[np.int64], steps: NDArray[np.int64], values: Histograms
) -> HistogramPoints | None:
    """Return *values* as points at different cells, in row-major order; None where none."""
    if not len(rows):
        return None
    order = np.lexsort((steps, rows))
    if not (np.diff(order) < 0).any():
        return HistogramPoints(rows, steps, values)
    return HistogramPoints(rows[order], steps[order], values.take(order))


def joined(parts: Sequence[HistogramPoints | None]) -> HistogramPoints | None:
    """Return the points of all *parts*, which are at different cells."""
    found = [part for part in parts if part is not None and len(part.rows)]
    if not found:
        return None
    return at_cells(
        np.concatenate([part.rows for part in found]),
        np.concatenate([part.steps for part in found]),
        Histograms.concatenate([part.values for part in found]),
    )


def chosen(points: HistogramPoints | None, kept: NDArray[np.bool_]) -> HistogramPoints | None:
    """Return the points that are *kept*, shape `(points,)`."""
    if points is None or not kept.any():
        return None
    if kept.all():
        return points
    return HistogramPoints(points.rows[kept], points.steps[kept], points.values.take(kept))


def present_in(
    points: HistogramPoints | None, present: NDArray[np.bool_]
) -> HistogramPoints | None:
    """Return the points at cells that are True in *present*, shape `(series, steps)`."""
    if points is None:
        return None
    return chosen(points, present[points.rows, points.steps])


def of_rows(
    points: HistogramPoints | None, positions: NDArray[np.int64], series: int
) -> HistogramPoints | None:
    """
    Return the points of the rows at *positions*, whose places there are their new rows.

    A row may be taken more than once, or not at all. *series* is how many rows there are now.
    """
    if points is None:
        return None
    begins = np.searchsorted(points.rows, np.arange(series + 1))
    counts = np.diff(begins)[positions]
    if not counts.any():
        return None
    ends = np.cumsum(counts)
    places = np.arange(ends[-1]) + np.repeat(begins[positions] - (ends - counts), counts)
    rows = np.repeat(np.arange(len(positions)), counts)
    return HistogramPoints(rows, points.steps[places], points.values.take(places))


def moved(points: HistogramPoints | None, owner: NDArray[np.int64]) -> HistogramPoints | None:
    """Return the points with row *i* called `owner[i]`; no two of them may meet."""
    if points is None:
        return None
    return at_cells(owner[points.rows], points.steps, points.values)

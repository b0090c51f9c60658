"""Vectors on a grid: names dropped, duplicates merged or refused, rows chosen and ordered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from veriscope.query.errors import ExecutionError
from veriscope.signals import METRIC_NAME, Grid, HistogramPoints, Labels, LabelSets, Matrix

_DUPLICATES: Final = "vector cannot contain metrics with the same labelset"
_UNIT: Final = "__unit__"
_METADATA: Final = frozenset({METRIC_NAME, "__type__", _UNIT})
"""The labels that tell of a metric, not of a series: what makes another quantity drops them."""
_REMEMBERED_CHOICES: Final = 4
"""Choices of rows that are remembered with the label sets they were made from."""


def empty(grid: Grid) -> Matrix:
    """Return the vector without series."""
    shape = (0, len(grid))
    return Matrix(LabelSets(), grid, np.zeros(shape), np.zeros(shape, dtype=np.bool_))


def single(labels: Labels, grid: Grid, values: NDArray[np.float64]) -> Matrix:
    """Return the vector of one series that has a point on every step."""
    present = np.ones((1, len(values)), dtype=np.bool_)
    return Matrix(LabelSets((labels,)), grid, values[None, :], present)


def on_grid(vector: Matrix, grid: Grid) -> Matrix:
    """Return *vector* with its steps called those of *grid*; a single step is repeated."""
    steps = len(grid)
    histograms = vector.histograms
    if histograms is not None and steps != len(vector.grid):
        index = np.repeat(np.arange(len(histograms.rows)), steps)
        histograms = HistogramPoints(
            rows=histograms.rows[index],
            steps=np.tile(np.arange(steps), len(histograms.rows)),
            values=histograms.values.take(index),
        )
    shape = (len(vector.labels), steps)
    values, present = np.broadcast_to(vector.values, shape), np.broadcast_to(vector.present, shape)
    return Matrix(vector.labels, grid, values, present, histograms)


def rows(vector: Matrix, positions: NDArray[np.int64]) -> Matrix:
    """Return the series at *positions*, in their order; *vector* itself where they are all."""
    if len(positions) == len(vector.labels) and (positions == np.arange(len(positions))).all():
        return vector
    return Matrix(
        _chosen(vector.labels, positions),
        vector.grid,
        vector.values[positions],
        vector.present[positions],
        None if vector.histograms is None else _rows_of(vector.histograms, positions),
    )


def _chosen(labels: LabelSets, positions: NDArray[np.int64]) -> LabelSets:
    """Return the label sets at *positions*: the same object for one of the last choices."""
    remembered: dict[bytes, LabelSets] = labels.derived(_chosen, lambda _: {})
    key = xxh3_128_digest(positions.tobytes())
    chosen = remembered.get(key)
    if chosen is None:
        chosen = LabelSets([labels[position] for position in positions.tolist()])
        if len(remembered) >= _REMEMBERED_CHOICES:
            remembered.clear()
        remembered[key] = chosen
    return chosen


def _rows_of(points: HistogramPoints, positions: NDArray[np.int64]) -> HistogramPoints:
    starts = np.searchsorted(points.rows, positions, side="left")
    counts = np.searchsorted(points.rows, positions, side="right") - starts
    before = np.cumsum(counts) - counts
    index = np.arange(counts.sum()) + np.repeat(starts - before, counts)
    owners = np.repeat(np.arange(len(positions)), counts)
    return HistogramPoints(owners, points.steps[index], points.values.take(index))


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


def without_metadata(labels: Labels) -> Labels:
    """Return *labels* less what tells of the metric: its name, `__type__` and `__unit__`."""
    if labels and labels[0][0] == METRIC_NAME and (len(labels) == 1 or labels[1][0] > _UNIT):
        return labels[1:]  # names are sorted: nothing more of it can follow
    return tuple([pair for pair in labels if pair[0] not in _METADATA])


def drop_names(vector: Matrix) -> Matrix:
    """
    Return *vector* without metric names, types and units.

    See `merged` for what may then be the same.
    """
    nameless = vector.labels.derived(without_metadata, _nameless)
    return vector if nameless is None else replace(vector, labels=nameless)


def unique(vector: Matrix) -> Matrix:
    """
    Return *vector* less its empty series; raise `ExecutionError` where two have the same labels.

    For functions that Prometheus evaluates series by series: at whatever steps the two have
    points, they may not be the same.
    """
    vector = without_empty(vector)
    if vector.labels.derived(_sharing, _sharing) is not None:
        raise ExecutionError(_DUPLICATES)
    return vector


def merged(vector: Matrix, message: str = _DUPLICATES) -> Matrix:
    """
    Return *vector* with the series of the same labels as one.

    For functions that Prometheus evaluates step by step: raises `ExecutionError` with
    *message* where two have a point at the same step.
    """
    vector = without_empty(vector)
    sharing = vector.labels.derived(_sharing, _sharing)
    if sharing is None:
        return vector
    labels, owner = sharing
    refuse_overlaps(owner, vector.present, message)
    shape = (len(labels), len(vector.grid))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    row, step = np.nonzero(vector.present)
    values[owner[row], step] = vector.values[row, step]
    present[owner[row], step] = True
    points = vector.histograms
    if points is not None:
        places = np.lexsort((points.steps, owner[points.rows]))
        points = HistogramPoints(
            owner[points.rows][places], points.steps[places], points.values.take(places)
        )
    return Matrix(labels, vector.grid, values, present, points)


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
    return LabelSets(labels).derived(order_by_labels, _order)


def _order(labels: LabelSets) -> NDArray[np.int64]:
    return np.array(sorted(range(len(labels)), key=labels.__getitem__), dtype=np.int64)


def _nameless(labels: LabelSets) -> LabelSets | None:
    """Return *labels* without what tells of their metrics; None where they have nothing of it."""
    nameless = LabelSets([without_metadata(row) for row in labels])
    return None if nameless == labels else nameless


def _sharing(labels: LabelSets) -> tuple[LabelSets, NDArray[np.int64]] | None:
    """Return the different ones of *labels* and which each row has; None where all differ."""
    numbers: dict[Labels, int] = {}
    ids = [numbers.setdefault(row, len(numbers)) for row in labels]
    return None if len(numbers) == len(ids) else (LabelSets(numbers), np.array(ids, np.int64))


def spell(labels: Labels) -> str:
    """Return *labels* as Prometheus prints them in errors: `{__name__="up", job="a"}`."""
    return "{" + ", ".join(f"{name}={_quote(value)}" for name, value in labels) + "}"


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

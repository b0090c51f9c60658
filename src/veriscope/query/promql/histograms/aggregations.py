"""Aggregations of vectors that have native histograms in them."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms import annotations, points
from veriscope.query.promql.histograms.annotations import Remarks
from veriscope.query.promql.histograms.arithmetic import fold
from veriscope.query.promql.histograms.text import spelled
from veriscope.query.promql.operators.aggregations import fold as float_fold
from veriscope.query.promql.operators.groups import Groups
from veriscope.signals import METRIC_NAME, Labels, LabelSets, Matrix, label_value, to_labels

_SUMS: Final = frozenset({"sum", "avg"})
_KNOWING: Final = _SUMS | {"count", "count_values", "group", "limitk", "limit_ratio"}
"""Aggregations that do something with histograms."""


def folded(op: str, vector: Matrix, groups: Groups, remarks: Remarks) -> Matrix:
    """
    Return *op*, one of `operators.aggregations.FOLDS`, of each group of *vector*'s rows.

    The `sum` and `avg` of histograms is a histogram; a group of floats and histograms has no
    point at that step, nor has one of exponential and custom buckets.
    """
    if op not in _SUMS or vector.histograms is None:
        return replace(float_fold(op, vector, groups), histograms=None)
    floats = float_fold(op, points.floats_only(vector), groups)
    return _with_sums(vector, groups, floats, remarks, mean=op == "avg")


def _with_sums(
    vector: Matrix, groups: Groups, floats: Matrix, remarks: Remarks, *, mean: bool
) -> Matrix:
    """Return *floats*, with a row for each group, and the sums or means of histograms."""
    found = vector.histograms
    if found is None:
        return floats
    shape = floats.present.shape
    cells = groups.ids[found.rows] * shape[1] + found.steps
    order = np.argsort(cells, kind="stable")
    kept, starts = np.unique(cells[order], return_index=True)
    rows, steps = np.divmod(kept, shape[1])
    mixed = floats.present[rows, steps]
    if mixed.any():
        annotations.mixed_aggregation(remarks)
    sums = fold(found.values, np.append(starts, len(order)), order, mean=mean)
    if (~sums.valid & ~mixed).any():
        _say_mixed_schemas(vector, found.rows[order[starts]][~sums.valid & ~mixed], remarks)
    if sums.collision:
        annotations.reset_collision(remarks, "aggregation")
    if sums.reconciled:
        annotations.reconciled(remarks, "aggregation")
    present = floats.present.copy()
    present[rows, steps] = False
    valid = sums.valid & ~mixed
    made = points.at_cells(rows[valid], steps[valid], sums.values.take(valid))
    return points.with_points(replace(floats, present=present), made)


def without_ignored(op: str, vector: Matrix, remarks: Remarks) -> Matrix:
    """Return *vector* as aggregation *op* sees it, and say so if that leaves histograms out."""
    if vector.histograms is None or op in _KNOWING:
        return vector
    annotations.ignored_in_aggregation(remarks, op)
    return points.floats_only(vector)


def counted_values(vector: Matrix, groups: Groups, label: str, *, dropped: bool) -> Matrix:
    """
    Return how many histograms of each group are spelled alike, which becomes *label*.

    The rows are in no order, and their labels may be those of `count_values` of the floats.
    *dropped* says that *label* is one that the grouping takes away, so it is not there.
    """
    found = vector.histograms
    rows: dict[Labels, int] = {}
    if found is None:
        shape = (0, len(vector.grid))
        return Matrix(LabelSets(), vector.grid, np.zeros(shape), np.zeros(shape, dtype=np.bool_))
    owners = []
    for group, text in zip(groups.ids[found.rows].tolist(), spelled(found.values), strict=True):
        common = dict(groups.labels[group])
        labels = to_labels(common if dropped else {**common, label: text})
        owners.append(rows.setdefault(labels, len(rows)))
    counts = np.zeros((len(rows), len(vector.grid)))
    np.add.at(counts, (np.array(owners, dtype=np.int64), found.steps), 1.0)
    return Matrix(LabelSets(rows), vector.grid, counts, counts > 0)


def _say_mixed_schemas(vector: Matrix, rows: NDArray[np.int64], remarks: Remarks) -> None:
    for row in dict.fromkeys(rows.tolist()):
        annotations.mixed_schemas(remarks, label_value(vector.labels[row], METRIC_NAME))

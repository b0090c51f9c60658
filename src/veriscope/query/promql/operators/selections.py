"""Aggregations that choose or count: `topk`, `bottomk`, `limitk`, `limit_ratio`, `count_values`."""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.floats import format_float
from veriscope.query.promql.operators.groups import Groups
from veriscope.query.promql.vectors import rows
from veriscope.signals import Labels, Matrix, to_labels

_INT64_LIMIT: Final = 2.0**63


def top(vector: Matrix, groups: Groups, k: NDArray[np.float64], *, largest: bool) -> Matrix:
    """
    Return, at each step, the *k* largest (or smallest) of each group; NaN is chosen last.

    Rows come group by group, the best of the first step first: the order of an instant query.
    Of equal values, the earlier series is chosen.
    """
    wanted = _counts(k)
    kept = np.zeros_like(vector.present)
    order: list[NDArray[np.int64]] = []
    for members in groups.members():
        ranks = _ranks(vector, members, largest=largest)
        kept[members] = vector.present[members] & (ranks < wanted)
        order.append(members[np.argsort(ranks[:, 0], kind="stable")])
    chosen = Matrix(vector.labels, vector.grid, vector.values, kept)
    return rows(chosen, np.concatenate(order)) if order else chosen


def limit(vector: Matrix, groups: Groups, k: NDArray[np.float64]) -> Matrix:
    """Return, at each step, the first *k* series of each group."""
    wanted = _counts(k)
    kept = np.zeros_like(vector.present)
    for members in groups.members():
        present = vector.present[members]
        kept[members] = present & (np.cumsum(present, axis=0) <= wanted)
    return Matrix(vector.labels, vector.grid, vector.values, kept)


def limit_ratio(vector: Matrix, groups: Groups, ratio: NDArray[np.float64]) -> Matrix:
    """
    Return the share *ratio* of the series, the same ones at every step and in every query.

    A negative *ratio* chooses exactly the series that `1 + ratio` leaves out. Which series
    fall on which side differs from Prometheus, whose hash of labels is its own.
    """
    del groups  # each series is drawn by itself
    if np.isnan(ratio).any():
        raise ExecutionError("Ratio value is NaN")
    place = np.array([_place(labels) for labels in vector.labels])[:, None]
    ratio = np.clip(ratio, -1.0, 1.0)
    chosen = np.where(ratio >= 0, place < ratio, place >= 1 + ratio)
    return Matrix(vector.labels, vector.grid, vector.values, vector.present & chosen)


def count_values(vector: Matrix, groups: Groups, label: str) -> Matrix:
    """
    Return how many series of each group have each value, which becomes *label*.

    Raises `ExecutionError` for an empty *label*.
    """
    if not label:
        raise ExecutionError('invalid label name ""')
    found: dict[Labels, NDArray[np.float64]] = {}
    for common, members in zip(groups.labels, groups.members(), strict=True):
        values, present = vector.values[members], vector.present[members]
        for value in np.unique(values[present]).tolist():
            same = np.isnan(values) if np.isnan(value) else values == value
            labels = to_labels({**dict(common), label: format_float(value)})
            count = (present & same).sum(axis=0, dtype=np.float64)
            found[labels] = found.get(labels, 0.0) + count
    shape = (len(found), len(vector.grid))
    counts = np.concatenate([*found.values(), np.zeros(0)]).reshape(shape)
    return Matrix(tuple(found), vector.grid, counts, counts > 0)


def _ranks(vector: Matrix, members: NDArray[np.int64], *, largest: bool) -> NDArray[np.int64]:
    """Return each member's place, 0 the best, at each step."""
    keys = -vector.values[members] if largest else vector.values[members]
    absent, unordered = ~vector.present[members], np.isnan(keys)
    order = np.lexsort((np.where(unordered, 0.0, keys), unordered, absent), axis=0)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(members))[:, None], axis=0)
    return ranks


def _place(labels: Labels) -> float:
    """Return where in `[0, 1)` a hash puts *labels*."""
    text = "\xff".join([part for pair in labels for part in pair])
    digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2.0**48


def _counts(k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return *k* as whole numbers; raise `ExecutionError` where it is none."""
    if np.isnan(k).any():
        raise ExecutionError("Parameter value is NaN")
    if (k >= _INT64_LIMIT).any():
        raise ExecutionError(f"Scalar value {float(k.max())!r} overflows int64")
    if (k <= -_INT64_LIMIT).any():
        raise ExecutionError(f"Scalar value {float(k.min())!r} underflows int64")
    return np.trunc(k)

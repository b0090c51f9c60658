"""Binary operators between vectors: which series meet, and what may not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError, QueryTooLargeError
from veriscope.query.promql.ast import COMPARISONS, Binary, Cardinality, Matching
from veriscope.query.promql.operators.elementwise import OPERATIONS
from veriscope.query.promql.operators.groups import group_rows, projection
from veriscope.query.promql.vectors import merged, refuse_overlaps, rows, spell, without_name
from veriscope.signals import Labels, Matrix, keep, label_value, to_labels, without

_MANY_TO_ONE: Final = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)
_NOT_UNIQUE: Final = "multiple matches for labels: grouping labels must ensure unique matches"


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """The two vectors and the number of each row's match group, shared by both."""

    many: Matrix
    one: Matrix
    many_ids: NDArray[np.int64]
    one_ids: NDArray[np.int64]
    groups: int


def on_vectors(binary: Binary, left: Matrix, right: Matrix, max_samples: int) -> Matrix:
    """
    Return `left op right` for the series that *binary*'s matching brings together.

    Raises `ExecutionError` where a match is ambiguous at any step, in Prometheus' words, and
    `QueryTooLargeError` where more than *max_samples* pairs of points would meet.
    """
    matching = binary.matching
    flipped = matching.cardinality is Cardinality.ONE_TO_MANY
    sides = _sides(matching, *((right, left) if flipped else (left, right)))
    _refuse_many_to_many(sides, matching)
    many_rows, one_rows = _pairs(sides, max_samples)
    many, one = rows(sides.many, many_rows), rows(sides.one, one_rows)
    operands = (one, many) if flipped else (many, one)
    result = OPERATIONS[binary.op](operands[0].values, operands[1].values)
    present, values = many.present & one.present, result.astype(np.float64)
    if binary.op in COMPARISONS and not binary.return_bool:
        present, values = present & result.astype(np.bool_), operands[0].values
    label = _result_labels(binary)
    labels = tuple([label(*pair) for pair in zip(many.labels, one.labels, strict=True)])
    answer = Matrix(labels, left.grid, values, present)
    _refuse_ambiguous(answer, sides.many_ids[many_rows], matching)
    return merged(answer)


def on_sets(binary: Binary, left: Matrix, right: Matrix) -> Matrix:
    """Return `left and right`, `left or right` or `left unless right`."""
    sides = _sides(binary.matching, left, right)
    if binary.op == "or":
        covered = _any_in_group(sides.many_ids, left.present, sides.groups)[sides.one_ids]
        return merged(
            Matrix(
                left.labels + right.labels,
                left.grid,
                np.concatenate((left.values, right.values)),
                np.concatenate((left.present, right.present & ~covered)),
            )
        )
    found = _any_in_group(sides.one_ids, right.present, sides.groups)[sides.many_ids]
    kept = left.present & (found if binary.op == "and" else ~found)
    return merged(replace(left, present=kept))


def _sides(matching: Matching, many: Matrix, one: Matrix) -> _Sides:
    signature = projection(matching.names, drop=not matching.on)
    groups = group_rows(many.labels + one.labels, signature)
    count = len(many.labels)
    return _Sides(many, one, groups.ids[:count], groups.ids[count:], len(groups))


def _any_in_group(
    ids: NDArray[np.int64], present: NDArray[np.bool_], groups: int
) -> NDArray[np.bool_]:
    """Return, for each group and step, whether any of its rows has a point."""
    found = np.zeros((groups, present.shape[1]), dtype=np.bool_)
    np.logical_or.at(found, ids, present)
    return found


def _refuse_many_to_many(sides: _Sides, matching: Matching) -> None:
    """Raise where two series of the "one" side are in the same match group at one step."""
    if len(np.unique(sides.one_ids)) == len(sides.one_ids):
        return
    # Prometheus does not look at the one side on steps where the other has nothing.
    present = sides.one.present & sides.many.present.any(axis=0)
    for group in np.flatnonzero(np.bincount(sides.one_ids) > 1).tolist():
        members = np.flatnonzero(sides.one_ids == group)
        crowded = np.flatnonzero(present[members].sum(axis=0) > 1)
        if len(crowded):
            first, second = members[present[members, crowded[0]]][:2].tolist()
            raise _many_to_many(matching, sides.one.labels[first], sides.one.labels[second])


def _many_to_many(matching: Matching, first: Labels, second: Labels) -> ExecutionError:
    side = "left" if matching.cardinality is Cardinality.ONE_TO_MANY else "right"
    names = frozenset(matching.names)
    common = keep(first, names) if matching.on else without(without_name(first), names)
    return ExecutionError(
        f"found duplicate series for the match group {spell(common)} on the {side} "
        f"hand-side of the operation: [{spell(second)}, {spell(first)}];many-to-many matching "
        "not allowed: matching labels must be unique on one side"
    )


def _pairs(sides: _Sides, max_samples: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the many side and of the one side that share a match group."""
    order = np.argsort(sides.one_ids, kind="stable")
    start = np.searchsorted(sides.one_ids[order], sides.many_ids, side="left")
    stop = np.searchsorted(sides.one_ids[order], sides.many_ids, side="right")
    counts = stop - start
    if (wanted := int(counts.sum()) * len(sides.one.grid)) > max_samples:
        raise QueryTooLargeError(wanted=wanted, limit=max_samples)
    many_rows = np.repeat(np.arange(len(sides.many_ids)), counts)
    ordinal = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return many_rows, order[np.repeat(start, counts) + ordinal]


def _refuse_ambiguous(answer: Matrix, ids: NDArray[np.int64], matching: Matching) -> None:
    """Raise where results of one match group cannot be told apart at some step."""
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        refuse_overlaps(ids, answer.present, _MANY_TO_ONE)
        return
    numbers: dict[tuple[int, Labels], int] = {}
    owner = [
        numbers.setdefault(key, len(numbers))
        for key in zip(ids.tolist(), answer.labels, strict=True)
    ]
    refuse_overlaps(np.array(owner, dtype=np.int64), answer.present, _NOT_UNIQUE)


def _result_labels(binary: Binary) -> Callable[[Labels, Labels], Labels]:
    """Return what makes the labels of a result from those of its two series."""
    matching = binary.matching
    names, include = frozenset(matching.names), matching.include
    named = binary.op in COMPARISONS and not binary.return_bool
    one_to_one = matching.cardinality is Cardinality.ONE_TO_ONE

    def combine(many: Labels, one: Labels) -> Labels:
        labels = many if named else without_name(many)
        if one_to_one:
            return keep(labels, names) if matching.on else without(labels, names)
        if not include:
            return labels
        return to_labels({**dict(labels), **{name: label_value(one, name) for name in include}})

    return combine

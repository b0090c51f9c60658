"""Binary operators between vectors: which series meet, and what may not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError, QueryTooLargeError
from veriscope.query.promql.ast import COMPARISONS, Binary, Cardinality, Matching
from veriscope.query.promql.histograms import points
from veriscope.query.promql.histograms.annotations import Remarks
from veriscope.query.promql.histograms.operators import TRIMS, on_pairs
from veriscope.query.promql.operators.elementwise import OPERATIONS
from veriscope.query.promql.operators.groups import Projection, group_rows, projection
from veriscope.query.promql.vectors import (
    merged,
    order_by_labels,
    refuse_overlaps,
    rows,
    spell,
    without_metadata,
    without_name,
)
from veriscope.signals import Labels, LabelSets, Matrix, keep, label_value, to_labels, without

_MANY_TO_ONE: Final = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)
_NOT_UNIQUE: Final = "multiple matches for labels: grouping labels must ensure unique matches"
_REMEMBERED: Final = 8
"""What is remembered with the label sets of one side."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """The number of each row's match group, shared by both sides, and what its rows share."""

    many: NDArray[np.int64]
    one: NDArray[np.int64]
    labels: LabelSets


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Rows of both sides that meet, and what each pair is called."""

    many: NDArray[np.int64]
    one: NDArray[np.int64]
    labels: LabelSets
    owners: NDArray[np.int64] | None
    """Which pairs may not both have a point at one step: those of the same number; None if all."""


def on_vectors(
    binary: Binary, left: Matrix, right: Matrix, max_samples: int, remarks: Remarks
) -> Matrix:
    """
    Return `left op right` for the series that *binary*'s matching brings together.

    Raises `ExecutionError` where a match is ambiguous at any step, in Prometheus' words, and
    `QueryTooLargeError` where more than *max_samples* pairs of points would meet.
    """
    matching = binary.matching
    flipped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if flipped else (left, right)
    groups = _groups(matching, many.labels, one.labels)
    _refuse_many_to_many(groups, many, one, matching)
    if (matching.fill_left, matching.fill_right) != (None, None):
        many, one = _filled(groups, many, one, matching)
        groups = _groups(matching, many.labels, one.labels)
    pairs = _pairs(binary, groups, many, one, max_samples)
    many, one = rows(many, pairs.many), rows(one, pairs.one)
    operands = (one, many) if flipped else (many, one)
    answer = _combined(binary, operands[0], operands[1], pairs.labels, remarks)
    if pairs.owners is not None:
        one_to_one = matching.cardinality is Cardinality.ONE_TO_ONE
        message = _MANY_TO_ONE if one_to_one else _NOT_UNIQUE
        refuse_overlaps(pairs.owners, answer.present, message)
    return merged(answer)


def on_sets(binary: Binary, left: Matrix, right: Matrix) -> Matrix:
    """Return `left and right`, `left or right` or `left unless right`."""
    groups = _groups(binary.matching, left.labels, right.labels)
    if binary.op == "or":
        covered = _any_in_group(groups.many, left.present, len(groups.labels))[groups.one]
        return _united(left, right, right.present & ~covered)
    found = _any_in_group(groups.one, right.present, len(groups.labels))[groups.many]
    kept = left.present & (found if binary.op == "and" else ~found)
    return merged(replace(left, present=kept, histograms=points.present_in(left.histograms, kept)))


def _united(left: Matrix, right: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    """Return the rows of *left*, and those of *right* with the points that are *kept*."""
    added = points.present_in(right.histograms, kept)
    place = np.arange(len(right.labels)) + len(left.labels)
    return merged(
        Matrix(
            LabelSets(left.labels + right.labels),
            left.grid,
            np.concatenate((left.values, right.values)),
            np.concatenate((left.present, kept)),
            points.joined([left.histograms, points.moved(added, place)]),
        )
    )


def _combined(
    binary: Binary, left: Matrix, right: Matrix, labels: LabelSets, remarks: Remarks
) -> Matrix:
    """Return the operator of two vectors row by row; a comparison keeps *left* where it holds."""
    op, present = binary.op, left.present & right.present
    if op in TRIMS:
        answer = Matrix(labels, left.grid, left.values, present)
    else:
        result = OPERATIONS[op](left.values, right.values)
        values = result.astype(np.float64, copy=False)
        if op in COMPARISONS and not binary.return_bool:
            present, values = present & result.astype(np.bool_), left.values
        answer = Matrix(labels, left.grid, values, present)
    return on_pairs(op, left, right, answer, return_bool=binary.return_bool, remarks=remarks)


# --- who meets whom -------------------------------------------------------------------------


def _remembered(
    many: LabelSets, one: LabelSets, key: tuple[object, ...], make: Callable[[], T]
) -> T:
    """Return what *make* found for these two, which is remembered with *many* for some time."""
    kept: dict[object, tuple[LabelSets, T]] = many.derived(_remembered, lambda _: {})
    place = *key, id(one)
    found = kept.get(place)
    if found is not None and found[0] is one:
        return found[1]
    made = make()
    if len(kept) >= _REMEMBERED:
        kept.clear()
    kept[place] = one, made
    return made


def _groups(matching: Matching, many: LabelSets, one: LabelSets) -> _Groups:
    signature = projection(matching.names, drop=not matching.on)
    return _remembered(many, one, (signature,), lambda: _make_groups(signature, many, one))


def _make_groups(signature: Projection, many: LabelSets, one: LabelSets) -> _Groups:
    ours, theirs = group_rows(many, signature), group_rows(one, signature)
    if ours is theirs:
        return _Groups(ours.ids, ours.ids, LabelSets(ours.labels))
    numbers = {labels: number for number, labels in enumerate(ours.labels)}
    places = [numbers.setdefault(labels, len(numbers)) for labels in theirs.labels]
    return _Groups(ours.ids, np.array(places, dtype=np.int64)[theirs.ids], LabelSets(numbers))


def _any_in_group(
    ids: NDArray[np.int64], present: NDArray[np.bool_], groups: int
) -> NDArray[np.bool_]:
    """Return, for each group and step, whether any of its rows has a point."""
    found = np.zeros((groups, present.shape[1]), dtype=np.bool_)
    if len(ids):
        order = np.argsort(ids, kind="stable")
        starts = np.flatnonzero(np.diff(ids[order], prepend=-1))
        found[ids[order][starts]] = np.logical_or.reduceat(present[order], starts, axis=0)
    return found


def _refuse_many_to_many(groups: _Groups, many: Matrix, one: Matrix, matching: Matching) -> None:
    """Raise where two series of the "one" side are in the same match group at one step."""
    if np.bincount(groups.one).max(initial=0) < 2:  # noqa: PLR2004 - two are many
        return
    # Prometheus does not look at the one side on steps where the other has nothing.
    present = one.present & many.present.any(axis=0)
    order = np.argsort(groups.one, kind="stable")
    starts = np.flatnonzero(np.diff(groups.one[order], prepend=-1))
    counts = np.add.reduceat(present[order].astype(np.int32), starts, axis=0)
    crowded = np.flatnonzero((counts > 1).any(axis=0))
    if not len(crowded):
        return
    found: dict[int, int] = {}
    for row in order_by_labels(one.labels).tolist():
        first = found.setdefault(int(groups.one[row]), row) if present[row, crowded[0]] else row
        if first != row:
            raise _many_to_many(matching, one.labels[first], one.labels[row])


def _many_to_many(matching: Matching, first: Labels, second: Labels) -> ExecutionError:
    side = "left" if matching.cardinality is Cardinality.ONE_TO_MANY else "right"
    names = frozenset(matching.names)
    common = keep(first, names) if matching.on else without(without_name(first), names)
    return ExecutionError(
        f"found duplicate series for the match group {spell(common)} on the {side} "
        f"hand-side of the operation: [{spell(second)}, {spell(first)}];many-to-many matching "
        "not allowed: matching labels must be unique on one side"
    )


def _filled(
    groups: _Groups, many: Matrix, one: Matrix, matching: Matching
) -> tuple[Matrix, Matrix]:
    """
    Return both sides with a series for each match group that stands in where a side has no point.

    It has the labels of the group, and points only on steps where the other side has one. As in
    Prometheus, `fill_left` is for the side of many, which with `group_right` is the right one.
    """
    has_many = _any_in_group(groups.many, many.present, len(groups.labels))
    has_one = _any_in_group(groups.one, one.present, len(groups.labels))
    return (
        _with_rows(many, groups.labels, has_one & ~has_many, matching.fill_left),
        _with_rows(one, groups.labels, has_many & ~has_one, matching.fill_right),
    )


def _with_rows(
    vector: Matrix, labels: LabelSets, present: NDArray[np.bool_], value: float | None
) -> Matrix:
    """Return *vector* and a row of *value* for each of *labels*."""
    if value is None:
        return vector
    return replace(
        vector,
        labels=LabelSets(vector.labels + labels),
        values=np.concatenate((vector.values, np.full(present.shape, value))),
        present=np.concatenate((vector.present, present)),
    )


# --- pairs ----------------------------------------------------------------------------------


def _pairs(binary: Binary, groups: _Groups, many: Matrix, one: Matrix, max_samples: int) -> _Pairs:
    """Return the pairs; raise `QueryTooLargeError` where they would have too many points."""
    pairs = _remembered(
        many.labels,
        one.labels,
        (binary.matching, _keeps_name(binary), binary.return_bool),
        lambda: _make_pairs(binary, groups, many, one, max_samples),
    )
    _check_size(len(pairs.many) * len(one.grid), max_samples)
    return pairs


def _make_pairs(
    binary: Binary, groups: _Groups, many: Matrix, one: Matrix, max_samples: int
) -> _Pairs:
    order = np.argsort(groups.one, kind="stable")
    start = np.searchsorted(groups.one[order], groups.many, side="left")
    stop = np.searchsorted(groups.one[order], groups.many, side="right")
    counts = stop - start
    _check_size(int(counts.sum()) * len(one.grid), max_samples)
    many_rows = np.repeat(np.arange(len(groups.many)), counts)
    ordinal = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    one_rows = order[np.repeat(start, counts) + ordinal]
    label = _result_labels(binary)
    labels = LabelSets(
        [
            label(many.labels[ours], one.labels[theirs])
            for ours, theirs in zip(many_rows.tolist(), one_rows.tolist(), strict=True)
        ]
    )
    owners = _owners(binary.matching, groups.many[many_rows], labels)
    return _Pairs(many_rows, one_rows, labels, owners)


def _owners(
    matching: Matching, ids: NDArray[np.int64], labels: LabelSets
) -> NDArray[np.int64] | None:
    """Return the number of each pair's match (and labels, where many may meet one)."""
    numbers: dict[object, int] = {}
    keys: list[object] = ids.tolist()
    if matching.cardinality is not Cardinality.ONE_TO_ONE:
        keys = list(zip(keys, labels, strict=True))
    owners = [numbers.setdefault(key, len(numbers)) for key in keys]
    return None if len(numbers) == len(owners) else np.array(owners, dtype=np.int64)


def _check_size(wanted: int, limit: int) -> None:
    if wanted > limit:
        raise QueryTooLargeError(wanted=wanted, limit=limit)


def _keeps_name(binary: Binary) -> bool:
    """Tell whether results are still samples of the metric."""
    return (binary.op in COMPARISONS and not binary.return_bool) or binary.op in TRIMS


def _result_labels(binary: Binary) -> Callable[[Labels, Labels], Labels]:
    """Return what makes the labels of a result from those of its two series."""
    matching = binary.matching
    names, include = frozenset(matching.names), matching.include
    named = _keeps_name(binary)
    one_to_one = matching.cardinality is Cardinality.ONE_TO_ONE

    def combine(many: Labels, one: Labels) -> Labels:
        labels = many if named else without_metadata(many)
        if one_to_one:
            return keep(labels, names) if matching.on else without(labels, names)
        if not include:
            return labels
        added = {name: label_value(one, name) for name in include}
        labels = to_labels({**dict(labels), **added})
        return without_metadata(labels) if binary.return_bool else labels

    return combine

"""Aggregations that choose or count: `topk`, `bottomk`, `limitk`, `limit_ratio`, `count_values`."""

from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.floats import format_float, format_general
from veriscope.query.promql.operators import aggregation_kernels as kernels
from veriscope.query.promql.operators.aggregations import run_steps
from veriscope.query.promql.operators.groups import Groups
from veriscope.query.promql.threads import frozen
from veriscope.query.promql.vectors import rows
from veriscope.signals import Labels, LabelSets, Matrix, to_labels

_INT64_LIMIT: Final = 2.0**63
_LARGEST_HASH: Final = float(2**64 - 1)
_LONG: Final = 255
"""Bytes from which on a string's length takes four bytes."""
_NAN_BITS: Final = 0x7FF8000000000001


def top(vector: Matrix, groups: Groups, k: NDArray[np.float64], *, largest: bool) -> Matrix:
    """
    Return, at each step, the *k* largest (or smallest) of each group; NaN is chosen last.

    The rows of a single step come group by group, the best first: the order of an instant query.
    Of equal values, those are chosen that Prometheus chooses from series in the same order.
    """
    op = kernels.TOPK if largest else kernels.BOTTOMK
    kept, places = _choose(op, vector, groups, k)
    chosen = np.flatnonzero(kept.any(axis=1))
    if len(vector.grid) == 1:
        keys, place = vector.values[chosen, 0] * (-1 if largest else 1), places[chosen]
        unordered = np.isnan(keys)
        # Sorting a heap leaves equals in its order, and NaN in the reverse of it.
        place = np.where(unordered, -place, place)
        keys = np.where(unordered, 0.0, keys)
        chosen = chosen[np.lexsort((place, keys, unordered, groups.ids[chosen]))]
    return rows(replace(vector, present=kept), chosen)


def limit(vector: Matrix, groups: Groups, k: NDArray[np.float64]) -> Matrix:
    """Return, at each step, the first *k* series of each group."""
    kept, _ = _choose(kernels.LIMITK, vector, groups, k)
    return rows(replace(vector, present=kept), np.flatnonzero(kept.any(axis=1)))


def limit_ratio(vector: Matrix, groups: Groups, ratio: NDArray[np.float64]) -> Matrix:
    """
    Return the share *ratio* of the series, the same ones at every step and in every query.

    A negative *ratio* chooses exactly the series that `1 + ratio` leaves out. Which series fall
    on which side is as in Prometheus, whose hash of labels decides.
    """
    del groups  # each series is drawn by itself
    if np.isnan(ratio).any():
        raise ExecutionError("Ratio value is NaN")
    place = vector.labels.derived("places", _places)[:, None]
    ratio = np.clip(ratio, -1.0, 1.0)
    chosen = np.where(ratio >= 0, place < ratio, place >= 1 + ratio)
    return replace(vector, present=vector.present & chosen)


def count_values(vector: Matrix, groups: Groups, label: str, *, dropped: bool = False) -> Matrix:
    """
    Return how many series of each group have each value, which becomes *label*.

    Where *dropped*, the grouping drops *label* from its results. Raises `ExecutionError` for an
    empty *label*.
    """
    if not label:
        raise ExecutionError('invalid label name ""')
    row, step = np.nonzero(vector.present)
    bits = vector.values[row, step].view(np.int64)
    bits[np.isnan(vector.values[row, step])] = _NAN_BITS
    distinct, value_of = np.unique(bits, return_inverse=True)
    pairs, pair_of = np.unique(
        groups.ids[row] * max(1, len(distinct)) + value_of, return_inverse=True
    )
    texts = [format_float(value) for value in distinct.view(np.float64).tolist()]
    numbers: dict[Labels, int] = {}
    places = []
    for pair in pairs.tolist():
        group, value = divmod(pair, len(distinct))
        added = {} if dropped else {label: texts[value]}
        labels = to_labels({**dict(groups.labels[group]), **added})
        places.append(numbers.setdefault(labels, len(numbers)))
    owner = np.array(places, dtype=np.int64)[pair_of]
    steps = len(vector.grid)
    shape = (len(numbers), steps)
    counts = np.bincount(owner * steps + step, minlength=shape[0] * steps).reshape(shape)
    return Matrix(LabelSets(numbers), vector.grid, counts.astype(np.float64), counts > 0)


def _choose(
    op: int, vector: Matrix, groups: Groups, k: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which points are chosen, and each row's place in its heap at the first step."""
    kept = np.zeros(vector.present.shape, dtype=np.bool_)
    places = np.zeros(len(vector.labels), dtype=np.int64)
    if (k < 1).all():
        return kept, places
    columns = frozen(vector.values), frozen(vector.present)
    grouped = frozen(groups.order), frozen(groups.bounds), frozen(_counts(k))
    run_steps(vector, lambda begin, stop: partial(
        kernels.choose_groups, op, *columns, *grouped, begin, stop, kept, places
    ))  # fmt: skip
    return kept, places


def _places(labels: LabelSets) -> NDArray[np.float64]:
    """Return where in `[0, 1)` Prometheus' hash puts each of *labels*."""
    return np.array([xxh64_intdigest(_encoded(row)) / _LARGEST_HASH for row in labels])


def _encoded(labels: Labels) -> bytes:
    """Return *labels* as Prometheus keeps and hashes them: each string behind its length."""
    parts = [part.encode() for pair in labels for part in pair]
    return b"".join([_length(len(part)) + part for part in parts])


def _length(size: int) -> bytes:
    return bytes((size,)) if size < _LONG else b"\xff" + size.to_bytes(3, "little")


def _counts(k: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return *k* as whole numbers; raise `ExecutionError` where it is none."""
    if np.isnan(k).any():
        raise ExecutionError("Parameter value is NaN")
    if (k <= -_INT64_LIMIT).any():
        raise ExecutionError(f"Scalar value {format_general(float(k.min()))} underflows int64")
    if (k >= _INT64_LIMIT).any():
        raise ExecutionError(f"Scalar value {format_general(float(k.max()))} overflows int64")
    return k.astype(np.int64)

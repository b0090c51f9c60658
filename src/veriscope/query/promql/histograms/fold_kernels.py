"""Compiled loops that add up native histograms, bucket by bucket; see `bucket_kernels`."""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms.bucket_kernels import (
    Columns,
    Sides,
    absorbed,
    added,
    copy,
    drop,
    empty_sides,
    identical,
    load,
    rebound,
    reduce,
    shared_bounds,
)
from veriscope.signals.compiled import compiled

T = TypeVar("T", np.int32, np.float64)

# Flags of what happened to a fold.
RECONCILED: Final = 1
"""Custom bounds differed, and only those in common were kept."""
COLLISION: Final = 2
"""Some said that there was a counter reset before them, some that there was none."""
INCOMPATIBLE: Final = 4
"""Exponential and custom buckets met: there is no result."""


@compiled
def _merge(left: Sides, right: Sides, into: Sides) -> None:
    """Add the buckets of *right* to those of *left*."""
    for side in range(2):
        i, j, at = 0, 0, 0
        while i < left.length[side] or j < right.length[side]:
            behind = i >= left.length[side]
            if not behind and (
                j >= right.length[side] or left.indices[side, i] <= right.indices[side, j]
            ):
                into.indices[side, at] = left.indices[side, i]
                count, lost = left.counts[side, i], left.lost[side, i]
                if j < right.length[side] and left.indices[side, i] == right.indices[side, j]:
                    count, lost = added(count, lost, right.counts[side, j])
                    lost += right.lost[side, j]
                    j += 1
                i += 1
            else:
                into.indices[side, at] = right.indices[side, j]
                count, lost = right.counts[side, j], right.lost[side, j]
                j += 1
            into.counts[side, at], into.lost[side, at] = count, lost
            at += 1
        into.length[side] = at


@compiled
def _covers(mine: NDArray[np.int64], index: NDArray[np.int32]) -> bool:
    """Tell whether all buckets *index* are among *mine*; both rise."""
    at, length = 0, len(mine)
    if len(index) > length:
        return False
    for k in range(len(index)):
        while at < length and mine[at] < index[k]:
            at += 1
        if at == length or mine[at] != index[k]:
            return False
        at += 1
    return True


@compiled
def _add_covered(
    sides: Sides,
    side: int,
    index: NDArray[np.int32],
    count: NDArray[np.float64],
    weight: float,
) -> None:
    """Add buckets that are there already, in place."""
    mine, totals, lost = sides.indices[side], sides.counts[side], sides.lost[side]
    if len(index) == sides.length[side]:
        for k in range(len(index)):
            totals[k], lost[k] = added(totals[k], lost[k], count[k] * weight)
        return
    at = 0
    for k in range(len(index)):
        while mine[at] < index[k]:
            at += 1
        totals[at], lost[at] = added(totals[at], lost[at], count[k] * weight)


@compiled
def _scale(sides: Sides, factor: float) -> None:
    for side in range(2):
        for k in range(sides.length[side]):
            sides.counts[side, k] *= factor
            sides.lost[side, k] *= factor


@compiled
def _overflows(sides: Sides) -> bool:
    for side in range(2):
        for k in range(sides.length[side]):
            if np.isinf(sides.counts[side, k]):
                return True
    return False


@compiled
def _joint_hint(mine: int, other: int) -> int:
    """Return the counter reset hint of a sum: a gauge if either is, else unknown if they differ."""
    if mine != other:
        return 3 if max(mine, other) == 3 else 0
    return mine


@compiled
def _capacity(h: Columns, starts: NDArray[np.int64], source: NDArray[np.int64]) -> int:
    """Return how many buckets any of the folds may need on a side."""
    low, high, most = 0, 1, 1
    for group in range(len(starts) - 1):
        positive, negative = 0, 0
        for row in source[starts[group] : starts[group + 1]]:
            begin, end = h.positive_offsets[row], h.positive_offsets[row + 1]
            positive += end - begin
            if end > begin:
                low, high = min(low, h.positive_index[begin]), max(high, h.positive_index[end - 1])
            begin, end = h.negative_offsets[row], h.negative_offsets[row + 1]
            negative += end - begin
            if end > begin:
                low, high = min(low, h.negative_index[begin]), max(high, h.negative_index[end - 1])
        most = max(most, positive, negative)
    return min(most, high - low + 2)


@compiled
def _grown(array: NDArray[T], wanted: int) -> NDArray[T]:
    if wanted <= len(array):
        return array
    larger = np.empty(max(wanted, 2 * len(array)), array.dtype)
    for k in range(len(array)):
        larger[k] = array[k]
    return larger


@compiled
def _store(
    sides: Sides,
    side: int,
    parts: int,
    index: NDArray[np.int32],
    count: NDArray[np.float64],
    at: int,
) -> int:
    """Write the buckets of a side that count anything, divided by *parts*; return the end."""
    for k in range(sides.length[side]):
        value = sides.counts[side, k] / parts + sides.lost[side, k] / parts
        if value != 0:
            index[at], count[at] = sides.indices[side, k], value
            at += 1
    return at


@compiled
def fold(
    h: Columns,
    starts: NDArray[np.int64],
    source: NDArray[np.int64],
    weight: NDArray[np.float64],
    resolution: NDArray[np.int8],
    mean: bool,
) -> tuple[Columns, NDArray[np.int8]]:
    """
    Add up histograms: fold *i* is `sum(weight[k] * source[k])` of `k` in `starts[i]:starts[i+1]`.

    No fold is empty. *resolution* is the greatest schema that each result may have. With *mean*,
    each sum is divided by its number of summands, and overflows nowhere before that. Schemas,
    zero thresholds and custom bounds are reconciled as Prometheus does, one summand after the
    other; empty buckets are left out. Returns the results and their flags.
    """
    folds = len(starts) - 1
    capacity = _capacity(h, starts, source)
    total, other, spare = empty_sides(capacity), empty_sides(capacity), empty_sides(capacity)
    widest = 0
    for row in source:
        widest = max(widest, h.bound_offsets[row + 1] - h.bound_offsets[row])
    bounds, common = np.empty(widest), np.empty(widest)
    flags = np.zeros(folds, np.int8)
    schemas, hints = np.empty(folds, np.int8), np.empty(folds, np.int8)
    counts, sums = np.empty(folds), np.empty(folds)
    thresholds, zeros = np.empty(folds), np.empty(folds)
    positive_offsets = np.zeros(folds + 1, np.int64)
    negative_offsets = np.zeros(folds + 1, np.int64)
    positive_index, positive_count = np.empty(64, np.int32), np.empty(64)
    negative_index, negative_count = np.empty(64, np.int32), np.empty(64)
    bound_offsets, out_bounds = np.zeros(folds + 1, np.int64), np.empty(64)
    for group in range(folds):
        begin, end = starts[group], starts[group + 1]
        stepwise = False
        while True:
            row = source[begin]
            factor = weight[begin]
            schema, hint = int(h.schema[row]), int(h.hint[row])
            count, count_lost = h.counts[row] * factor, 0.0
            observed, observed_lost = h.sums[row] * factor, 0.0
            zero, zero_lost = h.zero_count[row] * factor, 0.0
            threshold = h.zero_threshold[row]
            bounded = h.bound_offsets[row + 1] - h.bound_offsets[row]
            copy(h.bounds, h.bound_offsets[row], bounded, bounds, 0)
            load(h, row, factor, total)
            if schema != -53 and schema > resolution[group]:
                reduce(total, schema - resolution[group])
                schema = int(resolution[group])
            flag, seen_yes, seen_no = 0, hint == 1, hint == 2
            overflow = False
            for k in range(begin + 1, end):
                row = source[k]
                factor = weight[k]
                other_schema, other_hint = int(h.schema[row]), int(h.hint[row])
                if (schema == -53) != (other_schema == -53):
                    flag |= INCOMPATIBLE
                    break
                if stepwise:
                    share = (k - begin) / (k - begin + 1)
                    factor /= k - begin + 1
                    _scale(total, share)
                    count, count_lost = count * share, count_lost * share
                    observed, observed_lost = observed * share, observed_lost * share
                    zero, zero_lost = zero * share, zero_lost * share
                seen_yes, seen_no = seen_yes or other_hint == 1, seen_no or other_hint == 2
                hint = _joint_hint(hint, other_hint)
                first, last = h.bound_offsets[row], h.bound_offsets[row + 1]
                theirs = h.bounds[first:last]
                alike = identical(bounds[:bounded], theirs)
                alike = alike and schema == other_schema and threshold == h.zero_threshold[row]
                # Nearly always a histogram has the buckets of the one before it.
                low, high = h.positive_offsets[row], h.positive_offsets[row + 1]
                under, upto = h.negative_offsets[row], h.negative_offsets[row + 1]
                index, below = h.positive_index[low:high], h.negative_index[under:upto]
                alike = alike and _covers(total.indices[0, : total.length[0]], index)
                alike = alike and _covers(total.indices[1, : total.length[1]], below)
                if alike:
                    _add_covered(total, 0, index, h.positive_count[low:high], factor)
                    _add_covered(total, 1, below, h.negative_count[under:upto], factor)
                    zero, zero_lost = added(zero, zero_lost, h.zero_count[row] * factor)
                elif schema == -53:
                    load(h, row, factor, other)
                    if not identical(bounds[:bounded], theirs):
                        flag |= RECONCILED
                        kept = shared_bounds(bounds[:bounded], theirs, common)
                        rebound(total, bounds[:bounded], common[:kept])
                        rebound(other, theirs, common[:kept])
                        copy(common, 0, kept, bounds, 0)
                        bounded = kept
                else:
                    load(h, row, factor, other)
                    other_zero, other_lost = h.zero_count[row] * factor, 0.0
                    other_threshold = h.zero_threshold[row]
                    while other_threshold != threshold:
                        if threshold > other_threshold:
                            other_zero, other_lost, other_threshold = absorbed(
                                other, other_schema, h.zero_count[row] * factor, 0.0, threshold
                            )
                        if other_threshold > threshold:
                            zero, zero_lost, threshold = absorbed(
                                total, schema, zero, zero_lost, other_threshold
                            )
                            drop(total, schema, threshold, 1)
                    drop(other, other_schema, threshold, 0)
                    zero, zero_lost = added(zero, zero_lost, other_zero)
                    zero_lost += other_lost
                    reduce(total, schema - other_schema)
                    reduce(other, other_schema - schema)
                    schema = min(schema, other_schema)
                count, count_lost = added(count, count_lost, h.counts[row] * factor)
                observed, observed_lost = added(observed, observed_lost, h.sums[row] * factor)
                if not alike:
                    _merge(total, other, spare)
                    total, spare = spare, total
                if mean and not stepwise:
                    overflow = np.isinf(count) or np.isinf(observed) or np.isinf(zero)
                    overflow = overflow or _overflows(total)
                    if overflow:
                        break
            if not overflow:
                break
            stepwise = True
        if seen_yes and seen_no:
            flag |= COLLISION
        parts = end - begin if mean and not stepwise else 1
        flags[group], schemas[group], hints[group] = flag, schema, hint
        counts[group] = count / parts + count_lost / parts
        sums[group] = observed / parts + observed_lost / parts
        zeros[group], thresholds[group] = zero / parts + zero_lost / parts, threshold
        at = positive_offsets[group]
        positive_index = _grown(positive_index, at + total.length[0])
        positive_count = _grown(positive_count, at + total.length[0])
        positive_offsets[group + 1] = _store(total, 0, parts, positive_index, positive_count, at)
        at = negative_offsets[group]
        negative_index = _grown(negative_index, at + total.length[1])
        negative_count = _grown(negative_count, at + total.length[1])
        negative_offsets[group + 1] = _store(total, 1, parts, negative_index, negative_count, at)
        at = bound_offsets[group]
        bound_offsets[group + 1] = at + bounded
        out_bounds = _grown(out_bounds, at + bounded)
        copy(bounds, 0, bounded, out_bounds, at)
    folded = Columns(
        schemas,
        hints,
        counts,
        sums,
        thresholds,
        zeros,
        positive_offsets,
        positive_index[: positive_offsets[folds]],
        positive_count[: positive_offsets[folds]],
        negative_offsets,
        negative_index[: negative_offsets[folds]],
        negative_count[: negative_offsets[folds]],
        bound_offsets,
        out_bounds[: bound_offsets[folds]],
    )
    return folded, flags

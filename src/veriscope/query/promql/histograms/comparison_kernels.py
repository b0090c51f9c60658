"""Compiled loops that compare native histograms, bucket by bucket; see `bucket_kernels`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms.bucket_kernels import (
    Columns,
    Sides,
    absorbed,
    drop,
    empty_sides,
    identical,
    load,
    rebound,
    reduce,
    shared_bounds,
)
from veriscope.signals.compiled import compiled

# What `pairs` compares.
RESET: Final = 0
EQUAL: Final = 1


@compiled
def _fell(now: Sides, before: Sides) -> bool:
    """Tell whether a bucket counts less than it did; both have the same schema."""
    for side in range(2):
        i = 0
        for j in range(before.length[side]):
            while i < now.length[side] and now.indices[side, i] < before.indices[side, j]:
                i += 1
            found = i < now.length[side] and now.indices[side, i] == before.indices[side, j]
            if (now.counts[side, i] if found else 0.0) < before.counts[side, j]:
                return True
    return False


@compiled
def _lost_any(
    index: NDArray[np.int32],
    count: NDArray[np.float64],
    old_index: NDArray[np.int32],
    old_count: NDArray[np.float64],
) -> bool:
    """Tell whether a bucket counts less than it did, in columns of the same schema."""
    i, length = 0, len(index)
    for j in range(len(old_index)):
        while i < length and index[i] < old_index[j]:
            i += 1
        found = i < length and index[i] == old_index[j]
        if (count[i] if found else 0.0) < old_count[j]:
            return True
    return False


@compiled
def _reset_alike(h: Columns, row: int, previous: int) -> bool:
    """Tell whether a counter was reset between histograms of the same schema and threshold."""
    if h.zero_count[row] < h.zero_count[previous]:
        return True
    begin, end = h.positive_offsets[row], h.positive_offsets[row + 1]
    first, last = h.positive_offsets[previous], h.positive_offsets[previous + 1]
    if _lost_any(
        h.positive_index[begin:end],
        h.positive_count[begin:end],
        h.positive_index[first:last],
        h.positive_count[first:last],
    ):
        return True
    begin, end = h.negative_offsets[row], h.negative_offsets[row + 1]
    first, last = h.negative_offsets[previous], h.negative_offsets[previous + 1]
    return _lost_any(
        h.negative_index[begin:end],
        h.negative_count[begin:end],
        h.negative_index[first:last],
        h.negative_count[first:last],
    )


@compiled
def _reset(h: Columns, row: int, previous: int, now: Sides, before: Sides) -> bool:
    """Tell whether a counter was reset between two histograms; see `FloatHistogram.DetectReset`."""
    hint = int(h.hint[row])
    if hint in (1, 2):
        return hint == 1
    if h.counts[row] < h.counts[previous]:
        return True
    custom = h.schema[row] == -53
    if custom != (h.schema[previous] == -53):
        return True
    mine = h.bounds[h.bound_offsets[row] : h.bound_offsets[row + 1]]
    theirs = h.bounds[h.bound_offsets[previous] : h.bound_offsets[previous + 1]]
    alike = h.schema[row] == h.schema[previous] and identical(mine, theirs)
    if alike and h.zero_threshold[row] == h.zero_threshold[previous]:
        return _reset_alike(h, row, previous)
    load(h, row, 1.0, now)
    load(h, previous, 1.0, before)
    if custom:
        common = np.empty(min(len(mine), len(theirs)))
        kept = shared_bounds(mine, theirs, common)
        rebound(now, mine, common[:kept])
        rebound(before, theirs, common[:kept])
        return _fell(now, before)
    if h.schema[row] > h.schema[previous]:
        return True
    threshold = h.zero_threshold[row]
    if threshold < h.zero_threshold[previous]:
        return True
    zero = h.zero_count[previous]
    if threshold != h.zero_threshold[previous]:
        zero, lost, reached = absorbed(before, int(h.schema[previous]), zero, 0.0, threshold)
        if reached != threshold:
            return True
        zero += lost
    if h.zero_count[row] < zero:
        return True
    drop(now, int(h.schema[row]), threshold, 0)
    drop(before, int(h.schema[previous]), threshold, 0)
    reduce(before, int(h.schema[previous]) - int(h.schema[row]))
    return _fell(now, before)


@compiled
def _same(left: float, right: float) -> bool:
    return left == right or (np.isnan(left) and np.isnan(right))


@compiled
def _equal(h: Columns, left: int, right: int) -> bool:
    """Tell whether two histograms are the same, bucket by bucket; NaN equals itself."""
    if h.schema[left] != h.schema[right] or h.zero_threshold[left] != h.zero_threshold[right]:
        return False
    if not _same(h.counts[left], h.counts[right]) or not _same(h.sums[left], h.sums[right]):
        return False
    if not _same(h.zero_count[left], h.zero_count[right]):
        return False
    for offsets, index, count in (
        (h.positive_offsets, h.positive_index, h.positive_count),
        (h.negative_offsets, h.negative_index, h.negative_count),
    ):
        length = offsets[left + 1] - offsets[left]
        if length != offsets[right + 1] - offsets[right]:
            return False
        for k in range(length):
            i, j = offsets[left] + k, offsets[right] + k
            if index[i] != index[j] or not _same(count[i], count[j]):
                return False
    return identical(
        h.bounds[h.bound_offsets[left] : h.bound_offsets[left + 1]],
        h.bounds[h.bound_offsets[right] : h.bound_offsets[right + 1]],
    )


@compiled
def pairs(
    h: Columns, what: int, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Compare `rows[i]` with `others[i]`: is there a `RESET` after the other, are they `EQUAL`."""
    found = np.empty(len(rows), np.bool_)
    longest = 1
    for row in range(len(h.schema)):
        longest = max(longest, h.positive_offsets[row + 1] - h.positive_offsets[row])
        longest = max(longest, h.negative_offsets[row + 1] - h.negative_offsets[row])
    now, before = empty_sides(longest), empty_sides(longest)
    for i in range(len(rows)):
        if what == RESET:
            found[i] = _reset(h, rows[i], others[i], now, before)
        else:
            found[i] = _equal(h, rows[i], others[i])
    return found

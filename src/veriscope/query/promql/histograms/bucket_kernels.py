"""
The buckets of native histograms, as compiled loops work on them.

They follow Prometheus' definitions (`model/histogram/float_histogram.go` says what they are) on
columns instead of objects.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms.buckets import FRACTIONS
from veriscope.signals.compiled import compiled

_LARGEST: Final = float(np.finfo(np.float64).max)


class Columns(NamedTuple):
    """The arrays of `Histograms`, as kernels take them."""

    schema: NDArray[np.int8]
    hint: NDArray[np.int8]
    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    zero_threshold: NDArray[np.float64]
    zero_count: NDArray[np.float64]
    positive_offsets: NDArray[np.int64]
    positive_index: NDArray[np.int32]
    positive_count: NDArray[np.float64]
    negative_offsets: NDArray[np.int64]
    negative_index: NDArray[np.int32]
    negative_count: NDArray[np.float64]
    bound_offsets: NDArray[np.int64]
    bounds: NDArray[np.float64]


@compiled
def exponential_bound(index: int, schema: int) -> float:
    """Return the upper bound of bucket *index* of an exponential *schema*."""
    if schema < 0:
        exponent = index << -schema
        return _LARGEST if exponent == 1024 else math.ldexp(1.0, max(min(exponent, 1025), -1100))
    fraction = (index & ((1 << schema) - 1)) << (8 - schema)
    exponent = (index >> schema) + 1
    # The largest float is no bound, yet infinities belong into a bucket of their own.
    if fraction == 0 and exponent == 1025:
        return _LARGEST
    bound: float = math.ldexp(FRACTIONS[fraction], max(min(exponent, 1026), -1100))
    return bound


@compiled
def added(total: float, lost: float, term: float) -> tuple[float, float]:
    """
    Add *term*, and to what rounding has lost so far what it loses now.

    Knuth's sum of two: the loss is exact, as in Kahan's and Neumaier's sums, without a branch.
    """
    new = total + term
    back = new - total
    loss = (total - (new - back)) + (term - back)
    return new, (lost + loss if abs(new) < np.inf else 0.0)


class Sides(NamedTuple):
    """Buckets that change: row 0 holds the positive ones, row 1 the negative ones."""

    indices: NDArray[np.int64]
    counts: NDArray[np.float64]
    lost: NDArray[np.float64]
    length: NDArray[np.int64]


@compiled
def empty_sides(capacity: int) -> Sides:
    """Return room for *capacity* buckets a side."""
    return Sides(
        np.empty((2, capacity), np.int64),
        np.empty((2, capacity)),
        np.empty((2, capacity)),
        np.zeros(2, np.int64),
    )


@compiled
def load(h: Columns, row: int, weight: float, into: Sides) -> None:
    """Take the buckets of histogram *row*, each *weight* times."""
    into.length[0] = h.positive_offsets[row + 1] - h.positive_offsets[row]
    for k in range(into.length[0]):
        into.indices[0, k] = h.positive_index[h.positive_offsets[row] + k]
        into.counts[0, k] = h.positive_count[h.positive_offsets[row] + k] * weight
        into.lost[0, k] = 0.0
    into.length[1] = h.negative_offsets[row + 1] - h.negative_offsets[row]
    for k in range(into.length[1]):
        into.indices[1, k] = h.negative_index[h.negative_offsets[row] + k]
        into.counts[1, k] = h.negative_count[h.negative_offsets[row] + k] * weight
        into.lost[1, k] = 0.0


@compiled
def absorbed(
    sides: Sides, schema: int, zero: float, zero_lost: float, threshold: float
) -> tuple[float, float, float]:
    """
    Return what the zero bucket would count with a larger *threshold*, and that threshold.

    It is raised to the upper bound of a populated bucket that it would cut otherwise.
    """
    while True:
        count, lost, cut = zero, zero_lost, False
        for side in range(2):
            for k in range(sides.length[side]):
                index = sides.indices[side, k]
                if cut or exponential_bound(index - 1, schema) >= threshold:
                    break
                count, lost = added(count, lost, sides.counts[side, k])
                count, lost = added(count, lost, sides.lost[side, k])
                upper = exponential_bound(index, schema)
                if upper > threshold:
                    if sides.counts[side, k] != 0:
                        threshold = upper
                        # The positive buckets have to be counted again up to a threshold that
                        # the negative ones raise.
                        cut = side == 1
                    break
        if not cut:
            return count, lost, threshold


@compiled
def drop(sides: Sides, schema: int, threshold: float, reach: int) -> None:
    """Drop the first buckets, whose bound (lower: *reach* 1, upper: 0) the threshold covers."""
    for side in range(2):
        gone = 0
        while gone < sides.length[side]:
            bound = exponential_bound(sides.indices[side, gone] - reach, schema)
            if bound > threshold or (reach == 1 and bound == threshold):
                break
            gone += 1
        if gone:
            sides.length[side] -= gone
            for k in range(sides.length[side]):
                sides.indices[side, k] = sides.indices[side, k + gone]
                sides.counts[side, k] = sides.counts[side, k + gone]
                sides.lost[side, k] = sides.lost[side, k + gone]


@compiled
def _unite(sides: Sides, side: int) -> None:
    """Make neighbours of the same index one bucket."""
    last = -1
    for k in range(sides.length[side]):
        if last >= 0 and sides.indices[side, last] == sides.indices[side, k]:
            count, lost = sides.counts[side, last], sides.lost[side, last]
            count, lost = added(count, lost, sides.counts[side, k])
            sides.counts[side, last], sides.lost[side, last] = count, lost + sides.lost[side, k]
        else:
            last += 1
            sides.indices[side, last] = sides.indices[side, k]
            sides.counts[side, last] = sides.counts[side, k]
            sides.lost[side, last] = sides.lost[side, k]
    sides.length[side] = last + 1


@compiled
def reduce(sides: Sides, shift: int) -> None:
    """Lower the resolution by *shift* schemas."""
    if shift > 0:
        for side in range(2):
            for k in range(sides.length[side]):
                sides.indices[side, k] = ((sides.indices[side, k] - 1) >> shift) + 1
            _unite(sides, side)


@compiled
def copy(
    source: NDArray[np.float64], begin: int, length: int, into: NDArray[np.float64], at: int
) -> None:
    """Copy *length* numbers from *begin* on to where *at* says."""
    for k in range(length):
        into[at + k] = source[begin + k]


@compiled
def identical(left: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    """Tell whether bounds are the same."""
    if len(left) != len(right):
        return False
    for k in range(len(left)):  # noqa: SIM110 - `all` of a generator is no loop to Numba
        if left[k] != right[k]:
            return False
    return True


@compiled
def shared_bounds(
    left: NDArray[np.float64], right: NDArray[np.float64], into: NDArray[np.float64]
) -> int:
    """Write the bounds that both have; return how many there are."""
    i, j, found = 0, 0, 0
    while i < len(left) and j < len(right):
        if left[i] == right[j]:
            into[found] = left[i]
            i, j, found = i + 1, j + 1, found + 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return found


@compiled
def rebound(sides: Sides, old: NDArray[np.float64], new: NDArray[np.float64]) -> None:
    """Count custom buckets by the bounds *new*, which are some of the *old*."""
    target = 0
    for k in range(sides.length[0]):
        index = sides.indices[0, k]
        while target < len(new) and (index >= len(old) or new[target] < old[index]):
            target += 1
        sides.indices[0, k] = target
    _unite(sides, 0)

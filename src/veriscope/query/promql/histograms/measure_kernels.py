"""
Compiled loops that estimate from native histograms: quantiles, fractions and variances.

See `promql/quantile.go` of Prometheus for the rules, and `kernels` for why nothing else is here.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms.bucket_kernels import Columns, added, exponential_bound
from veriscope.signals.compiled import compiled

# What `measure` measures.
QUANTILE: Final = 0
FRACTION: Final = 1
VARIANCE: Final = 2

# Flags of what there is to say about a measurement.
NAN_RESULT: Final = 1
"""NaN was observed, and the quantile falls among those observations."""
NAN_SKEW: Final = 2
"""NaN was observed, which counts as if it were above all else."""


@compiled
def _custom_bound(h: Columns, row: int, index: int) -> float:
    start, stop = h.bound_offsets[row], h.bound_offsets[row + 1]
    if index < 0:
        return -np.inf
    if index >= stop - start:
        return np.inf
    bound: float = h.bounds[start + index]
    return bound


@compiled
def _size(h: Columns, row: int) -> int:
    """Count the buckets that `_bucket` gives."""
    both = h.positive_offsets[row + 1] - h.positive_offsets[row]
    both += h.negative_offsets[row + 1] - h.negative_offsets[row]
    size: int = both + (h.zero_count[row] > 0)
    return size


@compiled
def _bucket(h: Columns, row: int, k: int) -> tuple[float, float, float]:
    """Return lower bound, upper bound and count of the *k*-th bucket from below; none overlap."""
    schema, threshold = int(h.schema[row]), h.zero_threshold[row]
    negatives = h.negative_offsets[row + 1] - h.negative_offsets[row]
    if k < negatives:
        at = h.negative_offsets[row + 1] - 1 - k
        lower = -exponential_bound(int(h.negative_index[at]), schema)
        upper = -exponential_bound(int(h.negative_index[at]) - 1, schema)
        return lower, min(upper, -threshold), h.negative_count[at]
    if h.zero_count[row] > 0:
        if k == negatives:
            return -threshold, threshold, h.zero_count[row]
        k -= 1
    at = h.positive_offsets[row] + k - negatives
    index = int(h.positive_index[at])
    if schema == -53:
        return _custom_bound(h, row, index - 1), _custom_bound(h, row, index), h.positive_count[at]
    lower, upper = exponential_bound(index - 1, schema), exponential_bound(index, schema)
    return max(lower, threshold), upper, h.positive_count[at]


@compiled
def _zero_bounds(h: Columns, row: int, lower: float, upper: float) -> tuple[float, float]:
    """Let the zero bucket end at 0 where there are observations on one side only."""
    positive = h.positive_offsets[row + 1] > h.positive_offsets[row]
    negative = h.negative_offsets[row + 1] > h.negative_offsets[row]
    if positive and not negative:
        return 0.0, upper
    if negative and not positive:
        return lower, 0.0
    return lower, upper


@compiled
def _quantile(h: Columns, row: int, q: float) -> tuple[float, int]:
    if q < 0:
        return -np.inf, 0
    if q > 1:
        return np.inf, 0
    if h.counts[row] == 0 or np.isnan(q):
        return np.nan, 0
    size, custom, strange = _size(h, row), h.schema[row] == -53, np.isnan(h.sums[row])
    forward = strange or q < 0.5
    rank = q * h.counts[row] if forward else (1 - q) * h.counts[row]
    lower, upper, inside, seen, at = 0.0, 0.0, 0.0, 0.0, 0
    while at < size:
        lower, upper, inside = _bucket(h, row, at if forward else size - 1 - at)
        at += 1
        if inside == 0:
            continue
        seen += inside
        if seen >= rank:
            break
    if not custom and lower < 0 and upper > 0:
        lower, upper = _zero_bounds(h, row, lower, upper)
    elif custom:
        if lower == -np.inf:
            if upper <= 0:
                return upper, 0
            lower = 0.0
        elif upper == np.inf:
            return lower, 0
    # The buckets may add up to a little more than the count.
    seen = min(seen, h.counts[row])
    if seen < rank:
        return (np.nan, NAN_RESULT) if strange else (upper, 0)
    rank = rank - (seen - inside) if forward else seen - rank
    flag = 0
    if strange:
        for k in range(at, size):
            seen += _bucket(h, row, k)[2]
        flag = NAN_SKEW if seen < h.counts[row] else 0
    share = rank / inside
    if custom or (lower <= 0 and upper >= 0):
        return lower + (upper - lower) * share, flag
    low, high = math.log2(abs(lower)), math.log2(abs(upper))
    if lower > 0:
        return 2.0 ** (low + (high - low) * share), flag
    return -(2.0 ** (high + (low - high) * (1 - share))), flag


@compiled
def _below(value: float, lower: float, upper: float, linear: bool) -> float:
    """Return the share of the bucket that is below *value*, which is inside."""
    if linear:
        # Of a bucket without lower end, nothing is known to be above the value.
        return 1.0 if lower == -np.inf else (value - lower) / (upper - lower)
    low, high, at = math.log2(abs(lower)), math.log2(abs(upper)), math.log2(abs(value))
    return (at - low) / (high - low) if value > 0 else 1 - (at - high) / (low - high)


@compiled
def _fraction(h: Columns, row: int, least: float, most: float) -> tuple[float, int]:
    if h.counts[row] == 0 or np.isnan(least) or np.isnan(most):
        return np.nan, 0
    if least >= most:
        return 0.0, 0
    custom = h.schema[row] == -53
    under, upto, rank, seen = -1.0, -1.0, 0.0, 0.0
    size, found_under, found_upto = _size(h, row), False, False
    for k in range(size):
        lower, upper, inside = _bucket(h, row, k)
        seen += inside
        linear = custom
        if not custom and lower <= 0 and upper >= 0:
            linear = True
            lower, upper = _zero_bounds(h, row, lower, upper)
        if not found_under and lower >= least:
            under, found_under = rank, True
        if not found_upto and lower >= most:
            upto, found_upto = rank, True
        if not found_under and lower < least < upper:
            under, found_under = rank + inside * _below(least, lower, upper, linear), True
        if not found_upto and lower < most < upper:
            upto, found_upto = rank + inside * _below(most, lower, upper, linear), True
        rank += inside
    flag = 0
    total = h.counts[row]
    if np.isnan(h.sums[row]):
        flag = NAN_SKEW if seen < total else 0
        total = seen
    if not found_under or under > total:
        under = total
    if not found_upto or upto > total:
        upto = total
    return (upto - under) / h.counts[row], flag


@compiled
def _variance(h: Columns, row: int) -> float:
    mean = h.sums[row] / h.counts[row]
    total, lost = 0.0, 0.0
    for k in range(_size(h, row)):
        lower, upper, inside = _bucket(h, row, k)
        if inside == 0:
            continue
        if h.schema[row] == -53:
            value = (lower + upper) / 2
        elif lower <= 0 and upper >= 0:
            value = 0.0
        else:
            value = math.copysign(math.sqrt(lower * upper), lower)
        delta = value - mean
        total, lost = added(total, lost, inside * delta * delta)
    variance: float = (total + lost) / h.counts[row]
    return variance


@compiled
def measure(
    h: Columns, what: int, first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """
    Return one number for each histogram, and its flags.

    The `QUANTILE` *first*, the `FRACTION` of observations between *first* and *second*, or the
    `VARIANCE`. Prometheus interpolates within exponential buckets on a logarithmic scale, and in
    custom buckets and the zero bucket on a linear one.
    """
    values, flags = np.empty(len(h.schema)), np.zeros(len(h.schema), np.int8)
    for row in range(len(h.schema)):
        if what == QUANTILE:
            values[row], flags[row] = _quantile(h, row, first[row])
        elif what == FRACTION:
            values[row], flags[row] = _fraction(h, row, first[row], second[row])
        else:
            values[row] = _variance(h, row)
    return values, flags

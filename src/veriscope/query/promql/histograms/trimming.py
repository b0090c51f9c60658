"""The operators `</` and `>/`: native histograms less what is above or below a point."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms import buckets
from veriscope.query.promql.histograms.buckets import Intervals
from veriscope.signals.histograms import Histograms

_ZERO: Final = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What remains of buckets: how much of the count, and the middle of where it lies."""

    count: NDArray[np.float64]
    middle: NDArray[np.float64]


def trimmed(histograms: Histograms, at: NDArray[np.float64], *, upper: bool) -> Histograms:
    """
    Return *histograms* less their observations above (*upper*) or below `at[i]`.

    Where a bucket has to be cut, exponential buckets are interpolated on a logarithmic scale,
    custom ones and the zero bucket on a linear one; buckets without end go as a whole. Sum and
    count of what was cut are estimated anew from the middles of the buckets.
    """
    with np.errstate(all="ignore"):
        return _trimmed(histograms, at, upper=upper)


def _trimmed(histograms: Histograms, at: NDArray[np.float64], *, upper: bool) -> Histograms:
    positive, negative = buckets.positive(histograms), buckets.negative(histograms)
    kept = _cut(positive, at[positive.owners], histograms.custom[positive.owners], upper=upper)
    below = _cut(negative, at[negative.owners], _none(negative), upper=upper)
    zero = _cut_zero(histograms, positive, negative, at, upper=upper)
    rows = len(histograms)
    changed = zero.count != histograms.zero_count
    changed |= _any(positive.owners, kept.count != positive.count, rows)
    changed |= _any(negative.owners, below.count != negative.count, rows)
    count = _total(positive, kept.count, rows) + _total(negative, below.count, rows) + zero.count
    weighed = _total(positive, _product(kept), rows) + _total(negative, _product(below), rows)
    found = replace(
        histograms,
        count=np.where(changed, count, histograms.count),
        sum=np.where(changed, weighed + _product(zero), histograms.sum),
        zero_count=zero.count,
        positive=replace(histograms.positive, count=kept.count),
        negative=replace(histograms.negative, count=below.count),
    )
    return replace(
        found,
        positive=found.positive.where((kept.count != 0) | ~changed[positive.owners]),
        negative=found.negative.where((below.count != 0) | ~changed[negative.owners]),
    )


def _cut(
    cells: Intervals, at: NDArray[np.float64], linear: NDArray[np.bool_], *, upper: bool
) -> _Kept:
    """Return what remains of each bucket, of which *linear* are custom ones."""
    whole = cells.upper <= at if upper else cells.lower >= at
    inside = ~whole & (cells.lower < at) & (cells.upper > at)
    endless = np.isinf(cells.lower) | np.isinf(cells.upper)
    under = cells.count * _share(cells, at, linear)
    count = np.where(whole, cells.count, 0.0)
    count = np.where(inside, under if upper else cells.count - under, count)
    lower = cells.lower if upper else np.where(inside, at, cells.lower)
    limit = np.where(inside, at, cells.upper) if upper else cells.upper
    middle = _middle(lower, limit, linear)
    cut = inside & endless
    ends = _cut_endless(cells, at, upper=upper)
    return _Kept(np.where(cut, ends.count, count), np.where(cut, ends.middle, middle))


def _share(
    cells: Intervals, at: NDArray[np.float64], linear: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the share of each bucket that is below *at*, which is inside."""
    straight = (at - cells.lower) / (cells.upper - cells.lower)
    low, high = np.log2(np.abs(cells.lower)), np.log2(np.abs(cells.upper))
    point = np.log2(np.abs(at))
    rising = (point - low) / (high - low)
    falling = 1 - (point - high) / (low - high)
    found: NDArray[np.float64] = np.where(
        linear, straight, np.where(cells.lower >= 0, rising, falling)
    )
    return found


def _cut_endless(cells: Intervals, at: NDArray[np.float64], *, upper: bool) -> _Kept:
    """Return what remains of buckets without end, in which observations may be anywhere."""
    lower, limit, count = cells.lower, cells.upper, cells.count
    nothing = np.zeros(len(count))
    if not upper:
        # One that ends above the point is taken to begin at 0.
        half = np.isinf(lower) & (at >= 0) & np.isfinite(limit)
        return _Kept(
            np.where(half, count * (1 - at / limit), nothing)
            + np.where(np.isfinite(lower), count, nothing),
            np.where(half, (at + limit) / 2, at),
        )
    half = np.isinf(lower) & (at > 0) & np.isfinite(limit) & (limit > 0)
    closed = np.isinf(lower) & (limit <= 0)
    kept = np.where(half, count * at / limit, np.where(closed, count, nothing))
    return _Kept(kept, np.where(half, at / 2, at))


def _cut_zero(
    histograms: Histograms,
    positive: Intervals,
    negative: Intervals,
    at: NDArray[np.float64],
    *,
    upper: bool,
) -> _Kept:
    """Return what remains of the zero buckets, which end at 0 if all else is on one side."""
    rows = len(histograms)
    has_positive = _any(positive.owners, positive.count != 0, rows)
    has_negative = _any(negative.owners, negative.count != 0, rows)
    low = np.where(has_positive & ~has_negative, _ZERO, -histograms.zero_threshold)
    high = np.where(has_negative & ~has_positive, _ZERO, histograms.zero_threshold)
    edge = np.clip(at, low, high)
    nothing, all_of_it = (at <= low, at >= high) if upper else (at >= high, at <= low)
    share = (edge - low) / (high - low) if upper else (high - edge) / (high - low)
    share = np.where(all_of_it & ~nothing, 1.0, np.where(nothing, 0.0, share))
    count = np.where(
        histograms.zero_count > 0, histograms.zero_count * share, histograms.zero_count
    )
    middle = (low + edge) / 2 if upper else (edge + high) / 2
    return _Kept(count, np.where(histograms.zero_count > 0, middle, 0.0))


def _middle(
    lower: NDArray[np.float64], upper: NDArray[np.float64], linear: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the middles of intervals: half the way, on the bucket's own scale."""
    straight = (lower + upper) / 2
    geometric = np.copysign(np.sqrt(np.abs(lower * upper)), lower + upper)
    middle = np.where(linear, straight, geometric)
    middle = np.where(np.isinf(upper), lower, middle)
    endless = np.where(np.isinf(upper), _ZERO, np.where(upper > 0, upper / 2, upper))
    found: NDArray[np.float64] = np.where(np.isinf(lower), endless, middle)
    return found


def _none(cells: Intervals) -> NDArray[np.bool_]:
    return np.zeros(len(cells.owners), dtype=np.bool_)


def _product(kept: _Kept) -> NDArray[np.float64]:
    return np.where(kept.count != 0, kept.count * kept.middle, 0.0)


def _any(owners: NDArray[np.int64], what: NDArray[np.bool_], rows: int) -> NDArray[np.bool_]:
    found = np.zeros(rows, dtype=np.bool_)
    found[owners[what]] = True
    return found


def _total(cells: Intervals, values: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    found = np.zeros(rows)
    np.add.at(found, cells.owners, values)
    return found

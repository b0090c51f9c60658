"""Functions of classic histograms: series with an upper bound in label `le`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.floats import format_float
from veriscope.query.promql.functions.invocation import Invocation, Scalar
from veriscope.query.promql.operators.groups import Groups, group_rows, projection
from veriscope.query.promql.vectors import merged
from veriscope.signals import Labels, Matrix, label_value

_BOUND: Final = "le"
_SMALL_DELTA: Final = 1e-12
"""Relative size of a decrease between buckets that is rounding, not a broken histogram."""


@dataclass(frozen=True, slots=True, eq=False)
class _Buckets:
    """
    Histograms: cumulative counts by rising upper bound, at every step of each.

    A bucket that is absent at a step is a copy there of the one below it, which no rank falls
    into; `lowest` is the first that is present, and `filled` says whether any is.
    """

    bounds: NDArray[np.float64]
    """Upper bounds, shape `(buckets, steps)`."""
    counts: NDArray[np.float64]
    """Observations up to the bound, same shape, never falling along the buckets."""
    lowest: NDArray[np.int64]
    """Shape `(steps,)`."""
    number: NDArray[np.int64]
    """Buckets present at each step, shape `(steps,)`."""
    forced: bool
    """Whether counts had to be raised to make them rise."""


def histogram_quantile(call: Invocation) -> Matrix:
    """
    Return the quantile of each histogram, assuming even spread inside each bucket.

    NaN without observations or without a `+Inf` bucket; -Inf where the quantile asked for is
    below 0, +Inf where it is above 1.
    """
    q = call.scalar(0)
    outside = q[~((q >= 0) & (q <= 1))]
    if len(outside):
        call.notes.warn(
            f"quantile value should be between 0 and 1, got {format_float(float(outside[0]))}"
        )
    return _of_each_histogram(
        call, call.vector(1), lambda b, count: _quantile(b, np.tile(q, count))
    )


def histogram_fraction(call: Invocation) -> Matrix:
    """Return the share of observations in `(lower, upper]`, assuming even spread in buckets."""
    lower, upper = call.scalar(0), call.scalar(1)
    return _of_each_histogram(
        call,
        call.vector(2),
        lambda b, count: _fraction(b, np.tile(lower, count), np.tile(upper, count)),
    )


def _of_each_histogram(
    call: Invocation, vector: Matrix, measure: Callable[[_Buckets, int], Scalar]
) -> Matrix:
    parsed = [_upper_bound(labels) for labels in vector.labels]
    usable = np.array([row for row, bound in enumerate(parsed) if bound is not None], dtype=int)
    if len(usable) < len(parsed):
        call.notes.warn('bucket label "le" is missing or has a malformed value')
    groups = group_rows([vector.labels[row] for row in usable], projection((_BOUND,), drop=True))
    bounds = np.array([bound for bound in parsed if bound is not None], dtype=np.float64)
    shape = (len(groups), len(call.grid))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for alike, index in _alike(groups, bounds):
        # Steps are independent of each other, so those of all alike histograms stand in a row.
        cells = (len(index), len(alike) * len(call.grid))
        rows = usable[index]
        buckets = _buckets(
            bounds[index[:, 0]],
            vector.values[rows].reshape(cells),
            vector.present[rows].reshape(cells),
        )
        values[alike] = measure(buckets, len(alike)).reshape(len(alike), -1)
        present[alike] = (buckets.number > 0).reshape(len(alike), -1)
        if buckets.forced:
            call.notes.inform(
                "input to histogram_quantile needed to be fixed for monotonicity (see "
                "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                "#histogram_quantile)"
            )
    return merged(Matrix(groups.labels, call.grid, values, present))


def _alike(
    groups: Groups, bounds: NDArray[np.float64]
) -> Iterator[tuple[list[int], NDArray[np.int64]]]:
    """Yield groups of the same bounds, with the positions of their buckets, `(buckets, groups)`."""
    ordered = [rows[np.argsort(bounds[rows], kind="stable")] for rows in groups.members()]
    layouts: dict[bytes, list[int]] = {}
    for group, rows in enumerate(ordered):
        layouts.setdefault(bounds[rows].tobytes(), []).append(group)
    for alike in layouts.values():
        yield alike, np.stack([ordered[group] for group in alike], axis=1)


def _upper_bound(labels: Labels) -> float | None:
    """Return the number in `le`; None where there is none."""
    text = label_value(labels, _BOUND).strip()
    if not text or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _buckets(
    bounds: NDArray[np.float64], counts: NDArray[np.float64], present: NDArray[np.bool_]
) -> _Buckets:
    """Order buckets by bound, add up those of equal bound, and let counts only rise."""
    distinct, owner = np.unique(bounds, return_inverse=True)
    shape = (len(distinct), counts.shape[1])
    total, seen = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    np.add.at(total, owner, np.where(present, counts, 0.0))
    np.logical_or.at(seen, owner, present)
    upper = np.broadcast_to(distinct[:, None], shape).copy()
    forced = np.zeros(shape[1], dtype=np.bool_)
    for row in range(1, len(distinct)):
        below, here = total[row - 1], total[row]
        known = seen[:row].any(axis=0)
        gap = np.abs(here - below)
        tiny = gap <= _SMALL_DELTA * np.minimum(np.abs(here) + np.abs(below), np.finfo(float).max)
        falls = known & seen[row] & ~tiny & (here < below)
        forced |= falls
        # A bucket that is missing copies the one below it, one that falls or hardly rises
        # copies its count.
        total[row] = np.where(known & (~seen[row] | tiny | falls), below, here)
        upper[row] = np.where(known & ~seen[row], upper[row - 1], upper[row])
    return _Buckets(
        bounds=upper,
        counts=total,
        lowest=seen.argmax(axis=0),
        number=seen.sum(axis=0),
        forced=bool(forced.any()),
    )


def _quantile(buckets: _Buckets, q: Scalar) -> Scalar:
    """Prometheus' `BucketQuantile`, at every step."""
    bounds, counts = buckets.bounds, buckets.counts
    observations, last = counts[-1], len(bounds) - 1
    rank = q * observations
    reached = counts >= rank
    reached[-1] = True
    # A missing lowest bucket counts 0 and must not be found.
    reached &= np.arange(len(bounds))[:, None] >= buckets.lowest
    found = reached.argmax(axis=0)
    upper, count = _at(bounds, found), _at(counts, found)
    is_lowest = found == buckets.lowest
    below = np.maximum(found - 1, 0)
    start = np.where(is_lowest, 0.0, _at(bounds, below))
    under = np.where(is_lowest, 0.0, _at(counts, below))
    value = start + (upper - start) * ((rank - under) / (count - under))
    value = np.where(is_lowest & (upper <= 0), upper, value)
    value = np.where(np.isposinf(upper), _at(bounds, np.full_like(found, max(last - 1, 0))), value)
    complete = np.isposinf(bounds[-1]) & (buckets.number > 1) & (observations != 0)
    value = np.where(complete, value, np.nan)
    value = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, value))
    return np.where(np.isnan(q), np.nan, value)


def _fraction(buckets: _Buckets, lower: Scalar, upper: Scalar) -> Scalar:
    """Prometheus' `BucketFraction`, at every step."""
    bounds, observations = buckets.bounds, buckets.counts[-1]
    share = (_rank(buckets, upper) - _rank(buckets, lower)) / observations
    share = np.where(lower >= upper, 0.0, share)
    complete = np.isposinf(bounds[-1]) & (buckets.number > 0) & (observations != 0)
    return np.where(complete & ~np.isnan(lower) & ~np.isnan(upper), share, np.nan)


def _rank(buckets: _Buckets, value: Scalar) -> Scalar:
    """Return how many observations are at most *value*."""
    bounds, counts = buckets.bounds, buckets.counts
    present = np.arange(len(bounds))[:, None] >= buckets.lowest
    reached = present & (bounds > value)
    found = np.where(reached.any(axis=0), reached.argmax(axis=0), len(bounds) - 1)
    top, count = _at(bounds, found), _at(counts, found)
    is_lowest = found == buckets.lowest
    below = np.maximum(found - 1, 0)
    # The lowest bucket reaches down to 0, or without end where its bound is not positive.
    start = np.where(is_lowest, np.where(top > 0, 0.0, -np.inf), _at(bounds, below))
    under = np.where(is_lowest, 0.0, _at(counts, below))
    inside = under + (count - under) * ((value - start) / (top - start))
    rank = np.where(value <= start, under, inside)
    return np.where(reached.any(axis=0), rank, count)


def _at(column: NDArray[np.float64], row: NDArray[np.int64]) -> Scalar:
    taken: Scalar = np.take_along_axis(column, row[None, :], axis=0)[0]
    return taken

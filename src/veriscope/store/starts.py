"""Zeros where series began to count, so that a counter's first value is an increase, too."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import is_stale
from veriscope.signals.histograms import Buckets, Histograms, ResetHint
from veriscope.store.known import KnownSeries
from veriscope.store.requests import Accepted, Points
from veriscope.store.weeks import MAX_WEEKS, week_of
from veriscope.wire.remote_write_columns import WriteColumns

_Series: TypeAlias = NDArray[np.int32]


def with_zeros(one: Accepted, known: KnownSeries) -> Accepted:
    """
    Return *one* with a zero at each time at which a series of it began to count, once.

    A series says so again with each sample, so *known* has the newest time of each. A zero of a
    native histogram is an empty one. Stale markers and gauges did not begin to count.
    """
    request = one.request
    if not isinstance(request, WriteColumns):
        return one
    if request.starts_ms is not None:
        starts_ms = _kept(one, request.series, request.starts_ms, ~is_stale(one.values))
        samples, begun = _joined(one.samples, starts_ms, known)
        zeros = np.zeros(np.count_nonzero(begun))
        one = replace(one, samples=samples, values=np.append(one.values, zeros))
    if request.histogram_starts_ms is not None:
        found = one.histograms
        counts = (found.reset_hint != ResetHint.GAUGE) & ~is_stale(found.sum)
        starts_ms = _kept(one, request.histogram_series, request.histogram_starts_ms, counts)
        points, begun = _joined(one.histogram_points, starts_ms, known)
        histograms = Histograms.concatenate([found, _emptied(found.take(begun))])
        one = replace(one, histogram_points=points, histograms=histograms)
    return one


def _kept(
    one: Accepted, series: _Series, starts_ms: NDArray[np.int64], counts: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return those of *starts_ms* whose series was let in; 0 where what is there does not count."""
    found: NDArray[np.int64] = starts_ms[one.resolution.rows[series] >= 0] * counts
    return found


def _joined(
    points: Points, starts_ms: NDArray[np.int64], known: KnownSeries
) -> tuple[Points, NDArray[np.bool_]]:
    """Return *points* and then those at the starts that are new, and which of *points* have one."""
    begun = known.starts(points.rows, points.times_ms, starts_ms)
    times_ms = np.append(points.times_ms, starts_ms[begun])
    if len(times_ms) > len(points) and len(np.unique(week_of(times_ms))) > MAX_WEEKS:
        # A backfill that is just not too long must not fail for the sake of its zeros.
        return points, np.zeros_like(begun)
    zeros = points.where(begun)
    rows: _Series = np.append(points.rows, zeros.rows)
    return Points(np.append(points.places, zeros.places), rows, times_ms), begun


def _emptied(found: Histograms) -> Histograms:
    """Return *found* before anything was observed, which is a reset of what was before."""
    nothing, none = np.zeros(len(found)), Buckets.none(len(found))
    hint = np.full(len(found), ResetHint.YES, dtype=np.int8)
    return replace(
        found,
        reset_hint=hint,
        count=nothing,
        sum=nothing,
        zero_count=nothing,
        positive=none,
        negative=none,
    )

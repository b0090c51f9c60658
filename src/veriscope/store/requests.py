"""What the writer takes, whichever door it came through: points of series, in columns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Labels, PartlyRefusedError, SampleBatch
from veriscope.signals.exemplars import ExemplarBatch
from veriscope.signals.histograms import HistogramBatch, Histograms
from veriscope.store.errors import RefusedError
from veriscope.store.resolution import Resolution
from veriscope.store.series_limits import partly_refused
from veriscope.store.weeks import MAX_WEEKS, week_of
from veriscope.wire.remote_write_columns import WriteColumns
from veriscope.wire.remote_write_kernels import LAST_MS
from veriscope.wire.remote_write_points import TIMES_OFF

MetricRequest: TypeAlias = WriteColumns | SampleBatch | HistogramBatch | ExemplarBatch
"""What is stored together, or refused with a reason."""

_NO_PLACES: Final = np.empty(0, dtype=np.int64)
_NO_VALUES: Final = np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Series, as places in their request, their rows, and times of points of one kind."""

    places: NDArray[np.int64]
    rows: NDArray[np.int32]
    times_ms: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the points."""
        return len(self.places)

    @classmethod
    def of(
        cls,
        series: NDArray[np.int32] | NDArray[np.uint32] | NDArray[np.int64],
        times_ms: NDArray[np.int64],
        resolution: Resolution,
    ) -> "Points":
        """Return the points of *series* at *times_ms*; raises `RefusedError` for a bad time."""
        _check_times(times_ms)
        return cls(series.astype(np.int64), resolution.rows[series], times_ms)

    def where(self, kept: NDArray[np.bool_]) -> "Points":
        """Return only the points that are *kept*."""
        return Points(self.places[kept], self.rows[kept], self.times_ms[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """One request whose series have rows: what of it is to be stored."""

    request: MetricRequest
    resolution: Resolution
    samples: Points
    values: NDArray[np.float64]
    histogram_points: Points
    histograms: Histograms
    exemplars: Points
    exemplar_values: NDArray[np.float64]
    exemplar_labels: tuple[Labels, ...]
    refusal: PartlyRefusedError | None = None

    @property
    def kinds(self) -> Iterator[Points]:
        """The points of each kind that there are any of."""
        for points in (self.samples, self.histogram_points, self.exemplars):
            if len(points):
                yield points


def accept(request: MetricRequest, resolution: Resolution) -> Accepted:
    """
    Return what of *request* is to be stored: all but the points of series without a row.

    Raises `RefusedError` where its times are of too many weeks, or missing.
    """
    found = _whole(request, resolution)
    return _without_refused(found) if resolution.offences else found


def _whole(request: MetricRequest, resolution: Resolution) -> Accepted:
    nothing = Points.of(_NO_PLACES, _NO_PLACES, resolution)
    empty = Accepted(
        request,
        resolution,
        samples=nothing,
        values=_NO_VALUES,
        histogram_points=nothing,
        histograms=Histograms.none(),
        exemplars=nothing,
        exemplar_values=_NO_VALUES,
        exemplar_labels=(),
    )
    if isinstance(request, WriteColumns):
        times_ms = request.histogram_times_ms
        return replace(
            empty,
            samples=Points.of(request.series, request.timestamps_ms, resolution),
            values=request.values,
            histogram_points=Points.of(request.histogram_series, times_ms, resolution),
            histograms=request.histograms,
            exemplars=Points.of(request.exemplar_series, _exemplar_times(request), resolution),
            exemplar_values=request.exemplar_values,
            exemplar_labels=request.exemplar_labels,
        )
    points = Points.of(request.series, request.timestamps_ms, resolution)
    if isinstance(request, SampleBatch):
        return replace(empty, samples=points, values=request.values)
    if isinstance(request, HistogramBatch):
        request.values.check()
        return replace(empty, histogram_points=points, histograms=request.values)
    return replace(
        empty,
        exemplars=points,
        exemplar_values=request.values,
        exemplar_labels=request.exemplar_labels,
    )


def _without_refused(found: Accepted) -> Accepted:
    samples, histograms, exemplars = (
        points.rows >= 0 for points in (found.samples, found.histogram_points, found.exemplars)
    )
    return replace(
        found,
        samples=found.samples.where(samples),
        values=found.values[samples],
        histogram_points=found.histogram_points.where(histograms),
        histograms=found.histograms.take(histograms),
        exemplars=found.exemplars.where(exemplars),
        exemplar_values=found.exemplar_values[exemplars],
        exemplar_labels=tuple(
            labels
            for labels, kept in zip(found.exemplar_labels, exemplars.tolist(), strict=True)
            if kept
        ),
        refusal=partly_refused(
            found.resolution.offences,
            samples=int(np.count_nonzero(~samples)),
            histograms=int(np.count_nonzero(~histograms)),
            exemplars=int(np.count_nonzero(~exemplars)),
        ),
    )


def _exemplar_times(request: WriteColumns) -> NDArray[np.int64]:
    """Return the times of the exemplars; one without is as new as its series."""
    times_ms, series = request.exemplar_times_ms, request.exemplar_series
    without = times_ms == 0
    if not np.any(without):
        return times_ms
    newest = np.zeros(len(request.keys), dtype=np.int64)
    np.maximum.at(newest, request.series, request.timestamps_ms)
    np.maximum.at(newest, request.histogram_series, request.histogram_times_ms)
    found: NDArray[np.int64] = np.where(without, newest[series], times_ms)
    if np.any(found == 0):
        raise RefusedError("an exemplar has no timestamp, and no sample beside it")
    return found


def _check_times(times_ms: NDArray[np.int64]) -> None:
    if not len(times_ms):
        return
    bounds = np.array([times_ms.min(), times_ms.max()])
    if bounds[0] < 0 or bounds[1] >= LAST_MS:
        raise RefusedError(TIMES_OFF)
    weeks = week_of(bounds)
    if weeks[1] - weeks[0] >= MAX_WEEKS and len(np.unique(week_of(times_ms))) > MAX_WEEKS:
        raise RefusedError(
            f"times of more than {MAX_WEEKS} different weeks or days; send them in parts"
        )

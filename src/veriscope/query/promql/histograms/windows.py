"""Windows over series that have native histograms, and maybe floats between them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Grid, LabelSets, Matrix, RaggedSamples, Segment, is_stale
from veriscope.signals.histograms import Histograms, ResetHint
from veriscope.signals.matrix import HistogramSamples

if TYPE_CHECKING:
    from collections.abc import Sequence

_FLOAT: Final = -1
"""The place of a sample that is no histogram."""


@dataclass(frozen=True, slots=True, eq=False)
class MixedWindows:
    """
    The samples of the series that have histograms, and which of them are in which window.

    Samples are in the order of series and time. Window *j* of series *i* holds the samples
    `low[i, j]:high[i, j]`; both have shape `(series, steps)`.
    """

    rows: NDArray[np.int64]
    """Which rows of the fetched samples the series are, rising; shape `(series,)`."""
    timestamps_ms: NDArray[np.int64]
    floats: NDArray[np.float64]
    """Shape `(samples,)`; a histogram's value means nothing."""
    places: NDArray[np.int64]
    """Where a sample is in `histograms`; -1 for a float."""
    histograms: Histograms
    """Histograms in the order of the samples."""
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    ends_ms: NDArray[np.int64]
    """The end of each window, in the data's own time; shape `(steps,)`."""
    length_ms: int

    @classmethod
    def cut(
        cls, samples: RaggedSamples, ends: Grid, length_ms: int, *, keep_stale: bool = False
    ) -> Self | None:
        """
        Cut windows `(end - length_ms, end]`; None where no series has a histogram.

        Stale markers are samples only if they are to be kept.
        """
        found = _joined(samples.segments)
        if found is None:
            return None
        if not keep_stale and (stale := found.values.stale).any():
            found = found.take(~stale)
        rows = np.unique(found.rows)
        if not len(rows):
            return None
        owners, times, floats = _floats(samples.segments, rows, keep_stale=keep_stale)
        owners = np.concatenate((owners, np.searchsorted(rows, found.rows)))
        times = np.concatenate((times, found.timestamps_ms))
        count = len(found.rows)
        order = np.lexsort((times, owners))
        owners, times = owners[order], times[order]
        places = np.concatenate((np.full(len(floats), _FLOAT), np.arange(count)))[order]
        ends_ms = ends.times_ms()
        return cls(
            rows=rows,
            timestamps_ms=times,
            floats=np.concatenate((floats, np.zeros(count)))[order],
            places=places,
            histograms=found.values,
            low=_seen(owners, times, len(rows), ends_ms - length_ms),
            high=_seen(owners, times, len(rows), ends_ms),
            ends_ms=ends_ms,
            length_ms=length_ms,
        )

    @property
    def is_histogram(self) -> NDArray[np.bool_]:
        """Which of the samples are histograms."""
        return np.greater_equal(self.places, 0)

    def histogram_ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where the histograms of each window begin and end in `histograms`."""
        before = np.concatenate(([0], np.cumsum(self.is_histogram)))
        return before[self.low], before[self.high]

    def first(self) -> NDArray[np.int64]:
        """Return the oldest sample of each window; any sample where there is none."""
        return np.clip(self.low, 0, len(self.places) - 1)

    def last(self) -> NDArray[np.int64]:
        """Return the newest sample of each window; any sample where there is none."""
        return np.clip(self.high - 1, 0, len(self.places) - 1)


def has_histograms(samples: RaggedSamples) -> bool:
    """Tell whether any of *samples* is a histogram."""
    return any(
        segment.histograms is not None and len(segment.histograms.rows)
        for segment in samples.segments
    )


def as_samples(vector: Matrix) -> RaggedSamples:
    """
    Return the points of *vector* as samples, each at its step: what a subquery is a range of.

    What histograms say of counter resets was true of the samples between the steps, so it is
    forgotten.
    """
    present = vector.present
    points = vector.histograms
    histograms = None
    times = vector.grid.times_ms()
    if points is not None:
        present = present.copy()
        present[points.rows, points.steps] = False
        histograms = HistogramSamples(
            points.rows, times[points.steps], _without_hints(points.values)
        )
    counts = present.sum(axis=1)
    stops = np.cumsum(counts, dtype=np.int64)
    segment = Segment(
        starts=stops - counts,
        stops=stops,
        timestamps_ms=np.broadcast_to(times, present.shape)[present],
        values=vector.values[present],
        histograms=histograms,
    )
    return RaggedSamples(LabelSets(vector.labels), (segment,))


def _without_hints(values: Histograms) -> Histograms:
    gauge = values.reset_hint == ResetHint.GAUGE
    if (values.reset_hint[~gauge] == ResetHint.UNKNOWN).all():
        return values
    unknown = values.with_reset_hint(ResetHint.UNKNOWN)
    unknown.reset_hint[gauge] = ResetHint.GAUGE
    return unknown


def histogram_samples(samples: RaggedSamples) -> HistogramSamples | None:
    """Return all histograms among *samples*, in the order of its rows; None without any."""
    return _joined(samples.segments)


def _joined(segments: "Sequence[Segment]") -> HistogramSamples | None:
    """Return the histograms of all segments, their rows counted through."""
    bases = np.cumsum([0, *map(len, segments)])
    found = [
        (base, segment.histograms)
        for base, segment in zip(bases.tolist(), segments, strict=False)
        if segment.histograms is not None and len(segment.histograms.rows)
    ]
    if not found:
        return None
    return HistogramSamples(
        np.concatenate([base + samples.rows for base, samples in found]),
        np.concatenate([samples.timestamps_ms for _, samples in found]),
        Histograms.concatenate([samples.values for _, samples in found]),
    )


def _floats(
    segments: "Sequence[Segment]", rows: NDArray[np.int64], *, keep_stale: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return place among *rows*, time and value of each float of those rows."""
    owners, times, values = [], [], []
    base = 0
    for segment in segments:
        first, last = np.searchsorted(rows, (base, base + len(segment)))
        inside = rows[first:last] - base
        starts = segment.starts[inside]
        counts = segment.stops[inside] - starts
        ends = np.cumsum(counts)
        at = np.arange(counts.sum()) + np.repeat(starts - (ends - counts), counts)
        owners.append(np.repeat(np.arange(first, last), counts))
        times.append(segment.timestamps_ms[at])
        values.append(segment.values[at])
        base += len(segment)
    owner, time = np.concatenate(owners), np.concatenate(times)
    value = np.concatenate(values)
    if keep_stale or not (stale := is_stale(value)).any():
        return owner, time, value
    return owner[~stale], time[~stale], value[~stale]


def _seen(
    owners: NDArray[np.int64],
    times: NDArray[np.int64],
    series: int,
    until_ms: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the place after the last sample at or before each time, for each series."""
    # One sorted column of series and time at once finds all places with one binary search each.
    start = int(times.min()) - 1
    span = int(times.max()) - start + 1
    keys = owners * span + (times - start)
    wanted = np.arange(series)[:, None] * span + np.clip(until_ms - start, 0, span - 1)[None, :]
    found: NDArray[np.int64] = np.searchsorted(keys, wanted, side="right")
    return found

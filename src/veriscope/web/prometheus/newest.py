"""The newest sample of each series, whatever kind it is of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import RaggedSamples, Segment, is_stale
from veriscope.signals.histograms import Histograms

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """
    Rows that have not ended, with time and value of the newest sample of each.

    Where that is a native histogram, it is `histograms` number `native[i]`; -1 elsewhere.
    """

    rows: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    native: NDArray[np.int64]
    histograms: Histograms


def newest(samples: RaggedSamples) -> Newest:
    """Return the newest of *samples*; a row whose newest is a stale marker is left out."""
    parts: list[Newest] = []
    row = found = 0
    for segment in samples.segments:
        parts.append(_of_segment(segment, row, found))
        row += len(segment)
        found += len(parts[-1].histograms)
    empty = np.empty(0, dtype=np.int64)
    return Newest(
        np.concatenate([empty, *(part.rows for part in parts)]),
        np.concatenate([empty, *(part.times_ms for part in parts)]),
        np.concatenate([np.empty(0), *(part.values for part in parts)]),
        np.concatenate([empty, *(part.native for part in parts)]),
        Histograms.concatenate(part.histograms for part in parts),
    )


def _of_segment(segment: Segment, first_row: int, first_histogram: int) -> Newest:
    times_ms = np.full(len(segment), _NEVER)
    values = np.full(len(segment), np.nan)
    native = np.full(len(segment), -1)
    filled = np.flatnonzero(segment.stops > segment.starts)
    last = segment.stops[filled] - 1
    times_ms[filled], values[filled] = segment.timestamps_ms[last], segment.values[last]
    live = times_ms != _NEVER
    live[filled] = ~is_stale(values[filled])
    histograms = Histograms.none()
    if segment.histograms is not None and len(segment.histograms.rows):
        found = segment.histograms
        ends = np.flatnonzero(np.append(np.diff(found.rows) != 0, True))
        ends = ends[found.timestamps_ms[ends] > times_ms[found.rows[ends]]]
        rows = found.rows[ends]
        histograms = found.values.take(ends)
        times_ms[rows] = found.timestamps_ms[ends]
        native[rows] = first_histogram + np.arange(len(rows))
        live[rows] = ~histograms.stale
    kept = np.flatnonzero(live)
    return Newest(kept + first_row, times_ms[kept], values[kept], native[kept], histograms)

"""Samples as an answer: the range vector at the top of a query."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms.windows import histogram_samples
from veriscope.signals import LabelSets, RaggedSamples, Segment, is_stale


def fresh_samples(raw: RaggedSamples) -> RaggedSamples:
    """Return *raw* in one segment, less stale markers and the series that are then empty."""
    joined = raw.joined()
    fresh = ~is_stale(joined.values)
    owner = np.repeat(np.arange(len(raw.labels)), joined.stops - joined.starts)[fresh]
    counts = np.bincount(owner, minlength=len(raw.labels))
    filled = counts > 0
    histograms = histogram_samples(raw)
    if histograms is not None:
        histograms = histograms.take(~histograms.values.stale)
        filled[histograms.rows] = True
    stops = np.cumsum(counts)
    segment = Segment(
        stops - counts, stops, joined.timestamps_ms[fresh], joined.values[fresh], histograms
    )
    return chosen_rows(RaggedSamples(raw.labels, (segment,)), np.flatnonzero(filled))


def chosen_rows(samples: RaggedSamples, positions: NDArray[np.int64]) -> RaggedSamples:
    """Return the rows at *positions* of *samples*, which have one segment, in that order."""
    (segment,) = samples.segments
    histograms = segment.histograms
    if histograms is not None:
        place = np.full(len(samples.labels), -1)
        place[positions] = np.arange(len(positions))
        rows = place[histograms.rows]
        order = np.argsort(rows, kind="stable")
        order = order[rows[order] >= 0]
        histograms = replace(histograms.take(order), rows=rows[order])
    chosen = Segment(
        segment.starts[positions],
        segment.stops[positions],
        segment.timestamps_ms,
        segment.values,
        histograms,
    )
    labels = LabelSets([samples.labels[row] for row in positions.tolist()])
    return RaggedSamples(labels, (chosen,))


def edged_samples(
    samples: RaggedSamples, start_ms: int, end_ms: int, *, smoothed: bool
) -> RaggedSamples:
    """
    Return *samples*, which reach beyond the range, with a value at each of its edges instead.

    At the start that is the last sample until then (the first one, where there is none), at the
    end the last sample; *smoothed* values lie on the line between the samples around the edge.
    """
    (segment,) = samples.segments
    labels, bounds = [], [0]
    times, values = np.empty(0, dtype=np.int64), np.empty(0)
    for row, (start, stop) in enumerate(zip(segment.starts, segment.stops, strict=True)):
        old = segment.timestamps_ms[start:stop], segment.values[start:stop]
        new = _edged(*old, start_ms, end_ms, smoothed=smoothed)
        if new is not None:
            labels.append(samples.labels[row])
            times, values = np.append(times, new[0]), np.append(values, new[1])
            bounds.append(len(times))
    return RaggedSamples.of(labels, np.array(bounds), times, values)


def _edged(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    start_ms: int,
    end_ms: int,
    *,
    smoothed: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Return one row of `edged_samples`; None where nothing is in the range."""
    first = max(0, int(np.searchsorted(times[:-1], start_ms, side="right")) - 1)
    last = int(np.searchsorted(times[:-1], end_ms)) if smoothed else len(times) - 1
    if times[last] <= start_ms:
        return None
    left, right = values[first], values[last]
    if smoothed and times[first] < start_ms:
        left = _on_line(times, values, first + 1, start_ms)
    if smoothed and last > 0 and times[last] > end_ms:
        right = _on_line(times, values, last, end_ms)
    inner = slice(first + (times[first] <= start_ms), last + (times[last] < end_ms))
    return (
        np.array([start_ms, *times[inner], end_ms]),
        np.array([left, *values[inner], right]),
    )


def _on_line(
    times: NDArray[np.int64], values: NDArray[np.float64], after: int, time_ms: int
) -> float:
    """Return the value at *time_ms* on the line between sample *after* and the one before it."""
    (begin_ms, end_ms), (first, second) = (
        times[after - 1 : after + 1],
        values[after - 1 : after + 1],
    )
    return float(first + (second - first) * (time_ms - begin_ms) / (end_ms - begin_ms))

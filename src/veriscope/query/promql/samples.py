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

"""Answers cut to a number of series."""

from dataclasses import replace

import numpy as np

from veriscope.query.promql.result import Answer, QueryResult
from veriscope.signals import (
    HistogramPoints,
    LabelSets,
    Matrix,
    RaggedSamples,
    Segment,
)

TRUNCATED = "results truncated due to limit"
"""The warning beside an answer that was cut, in Prometheus' words."""


def truncate(result: QueryResult, limit: int) -> QueryResult:
    """Return *result* with its first *limit* series, and a warning where it had more; 0 is all."""
    value = result.value
    if not limit or not isinstance(value, Matrix | RaggedSamples) or len(value.labels) <= limit:
        return result
    cut: Answer = _matrix(value, limit) if isinstance(value, Matrix) else _samples(value, limit)
    return replace(result, value=cut, warnings=(*result.warnings, TRUNCATED))


def _matrix(matrix: Matrix, limit: int) -> Matrix:
    points = matrix.histograms
    if points is not None:
        count = int((points.rows < limit).sum())
        points = HistogramPoints(
            points.rows[:count], points.steps[:count], points.values.take(np.arange(count))
        )
    return replace(
        matrix,
        labels=LabelSets(matrix.labels[:limit]),
        values=matrix.values[:limit],
        present=matrix.present[:limit],
        histograms=points,
    )


def _samples(samples: RaggedSamples, limit: int) -> RaggedSamples:
    kept: list[Segment] = []
    left = limit
    for segment in samples.segments:
        if left > 0:
            kept.append(_first_rows(segment, left))
            left -= len(kept[-1])
    return replace(samples, labels=LabelSets(samples.labels[:limit]), segments=tuple(kept))


def _first_rows(segment: Segment, count: int) -> Segment:
    found = segment.histograms
    if found is not None:
        points = int((found.rows < count).sum())
        found = found.take(np.arange(points))
    return replace(
        segment, starts=segment.starts[:count], stops=segment.stops[:count], histograms=found
    )

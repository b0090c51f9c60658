"""Answers cut to a number of series."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from veriscope.query.promql.engine import QueryResult, QueryStats, ResultKind
from veriscope.query.promql.truncation import TRUNCATED, truncate
from veriscope.signals import (
    Grid,
    HistogramPoints,
    HistogramSamples,
    LabelSets,
    Matrix,
    RaggedSamples,
    Segment,
    to_labels,
)
from veriscope.signals.histograms import Buckets, Histograms, Runs

GRID = Grid(0, 1000, 1000)
LABELS = LabelSets([to_labels({"n": str(n)}) for n in range(4)])


def natives(count: int) -> Histograms:
    """Return histograms that are told apart by their sums."""
    small, zeros = np.zeros(count, dtype=np.int8), np.zeros(count)
    none = Buckets.none(count)
    sums = np.arange(count, dtype=float)
    return Histograms(small, small, zeros, sums, zeros, zeros, none, none, Runs.none(count))


def result(value: object) -> QueryResult:
    """Return an answer."""
    stats = QueryStats(seconds=0.0)
    return QueryResult(ResultKind.MATRIX, GRID, value, ("odd",), (), stats)  # type: ignore[arg-type]


def test_a_matrix_keeps_its_first_rows() -> None:
    """With their native histograms; the warning comes after the others."""
    points = HistogramPoints(np.array([0, 1, 1, 3]), np.array([0, 0, 1, 1]), natives(4))
    present = np.ones((4, 2), dtype=np.bool_)
    matrix = Matrix(LABELS, GRID, np.arange(8.0).reshape(4, 2), present, points)
    cut = truncate(result(matrix), 2)
    assert isinstance(cut.value, Matrix)
    assert cut.value.labels == LABELS[:2]
    assert_array_equal(cut.value.values, [[0, 1], [2, 3]])
    assert cut.value.histograms is not None
    assert_array_equal(cut.value.histograms.values.sum, [0, 1, 2])
    assert cut.warnings == ("odd", TRUNCATED)


def test_samples_keep_their_first_rows_across_segments() -> None:
    """Whole segments, and a part of the last."""
    columns = np.arange(4, dtype=np.int64), np.arange(4.0)
    native = HistogramSamples(np.array([0, 1]), np.array([5, 6]), natives(2))
    segments = (
        Segment(np.array([0, 1]), np.array([1, 2]), *columns),
        Segment(np.array([2, 3]), np.array([3, 4]), *columns, native),
    )
    cut = truncate(result(RaggedSamples(LABELS, segments)), 3).value
    assert isinstance(cut, RaggedSamples)
    assert cut.labels == LABELS[:3]
    assert [len(segment) for segment in cut.segments] == [2, 1]
    assert cut.segments[1].histograms is not None
    assert_array_equal(cut.segments[1].histograms.timestamps_ms, [5])


@pytest.mark.parametrize("limit", [0, 4, 5])
def test_what_fits_is_left_alone(limit: int) -> None:
    """No limit, and one that is not passed."""
    matrix = Matrix(LABELS, GRID, np.zeros((4, 2)), np.ones((4, 2), dtype=np.bool_))
    asked = result(matrix)
    assert truncate(asked, limit) is asked


def test_a_scalar_cannot_be_cut() -> None:
    """It has no series."""
    asked = result(np.ones(1))
    assert truncate(asked, 1) is asked

"""Windows over series of floats, histograms, gaps and stale markers, against a slow evaluator."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.query.promql.functions.invocation import Notes
from veriscope.query.promql.histograms import ranges
from veriscope.signals import Grid, LabelSets, Matrix, RaggedSamples, Segment
from veriscope.signals.matrix import HistogramSamples

STEP_MS, WINDOW_MS = 20_000, 60_000
GRID = Grid(0, 120_000, STEP_MS)

counts = st.sampled_from([0.0, 1.0, 2.0, 5.0, 9.0])
native = st.fixed_dictionaries(
    {
        "schema": st.sampled_from([0, 0, 0, 1]),
        "hint": st.sampled_from([0, 0, 0, 1, 2, 3]),
        "count": counts,
        "sum": counts,
        "zero": counts,
        "positive": st.dictionaries(st.integers(1, 4), counts, max_size=3),
    }
)
points = st.lists(
    st.one_of(st.none(), st.sampled_from([1.0, 2.0, 2.0, 0.5]), native), min_size=1, max_size=12
)


def samples_of(reference: Any, columns: list[list[tuple[int, Any]]]) -> RaggedSamples:
    """Return series of samples, each a time and a float or a histogram."""
    floats = [[(t, v) for t, v in row if isinstance(v, float)] for row in columns]
    made = [
        (row, t, v)
        for row, column in enumerate(columns)
        for t, v in column
        if not isinstance(v, float)
    ]
    lengths = np.array([len(row) for row in floats], dtype=np.int64)
    stops = np.cumsum(lengths)
    segment = Segment(
        stops - lengths,
        stops,
        np.array([t for row in floats for t, _ in row], dtype=np.int64),
        np.array([v for row in floats for _, v in row], dtype=np.float64),
        HistogramSamples(
            np.array([row for row, _, _ in made], dtype=np.int64),
            np.array([t for _, t, _ in made], dtype=np.int64),
            reference.histograms([v for _, _, v in made]),
        ),
    )
    labels = LabelSets([(("__name__", f"m{row}"),) for row in range(len(columns))])
    return RaggedSamples(labels, (segment,))


def asked(function: str, samples: RaggedSamples) -> Matrix:
    """Return what *function* gives for the windows that have histograms in them."""
    shape = (len(samples.labels), len(GRID))
    nothing = Matrix(samples.labels, GRID, np.zeros(shape), np.zeros(shape, dtype=np.bool_))
    return ranges.with_histograms(
        function, samples, GRID, WINDOW_MS, vector=nothing, remarks=Notes()
    )


def cells(reference: Any, vector: Matrix) -> list[list[Any]]:
    """Return the points of *vector*: floats, histograms, or None."""
    found: list[list[Any]] = [
        [v if p else None for v, p in zip(row, there, strict=True)]
        for row, there in zip(vector.values.tolist(), vector.present.tolist(), strict=True)
    ]
    if vector.histograms is not None:
        values = reference.plain(vector.histograms.values)
        for row, step, value in zip(
            vector.histograms.rows.tolist(), vector.histograms.steps.tolist(), values, strict=True
        ):
            found[row][step] = value
    return found


def is_float(value: Any) -> bool:
    """Tell floats from histograms."""
    return isinstance(value, float)


def transitions(window: list[Any], differs: Callable[[Any, Any], bool]) -> float:
    """Count the pairs of neighbours of different kinds, or that differ."""
    return float(
        sum(is_float(a) != is_float(b) or differs(a, b) for a, b in itertools.pairwise(window))
    )


def expected(  # noqa: C901, PLR0911 - an arm for each function
    function: str, window: list[tuple[int, Any]], end: int, reference: Any
) -> Any:
    """Return *function* of one window with a histogram in it, the obvious way."""
    values = [value for _, value in window]
    kinds = {is_float(value) for value in values}
    match function:
        case "count_over_time":
            return float(len(values))
        case "last_over_time":
            return values[-1]
        case "first_over_time":
            return values[0]
        case "ts_of_last_over_time":
            return window[-1][0] / 1000
        case "changes":
            return transitions(values, lambda a, b: a != b if is_float(a) else not same(a, b))
        case "resets":
            return transitions(
                values, lambda a, b: b < a if is_float(a) else reference.was_reset(b, a)
            )
        case "sum_over_time":
            if len(kinds) > 1:
                return None
            total = values[0].compact()
            for value in values[1:]:
                total = reference.added(total, value)
            return total
        case "increase":
            if len(kinds) > 1 or len(values) < 2:
                return None
            return increase(window, end, reference)
    raise AssertionError(function)


def same(left: Any, right: Any) -> bool:
    """Tell whether two histograms are the same but for their hints."""
    plain = [(h.schema, h.count, h.sum, h.zero, sorted(h.positive.items())) for h in (left, right)]
    return bool(plain[0] == plain[1])


def increase(window: list[tuple[int, Any]], end: int, reference: Any) -> Any:
    """Return the increase of a counter histogram, extrapolated to the window."""
    values = [value for _, value in window]
    nulled = reference.was_reset(values[1], values[0])
    gained = values[-1].at_schema(min(value.schema for value in values[nulled:])).compact()
    if not nulled:
        gained = reference.added(gained, values[0].scaled(-1.0))
    for before, after in itertools.pairwise(values[1:]):
        if reference.was_reset(after, before):
            gained = reference.added(gained, before)
    first, last = window[0][0], window[-1][0]
    sampled = (last - first) / 1000
    gap = sampled / (len(window) - 1)
    to_start, to_end = (first - (end - WINDOW_MS)) / 1000, (end - last) / 1000
    if to_start >= gap * 1.1:
        to_start = gap / 2
    if gained.count > 0:
        to_start = min(to_start, sampled * (values[0].count / gained.count))
    if to_end >= gap * 1.1:
        to_end = gap / 2
    return gained.scaled((sampled + to_start + to_end) / sampled).compact()


@pytest.mark.parametrize(
    "function",
    [
        "count_over_time",
        "last_over_time",
        "first_over_time",
        "ts_of_last_over_time",
        "changes",
        "resets",
        "sum_over_time",
        "increase",
    ],
)
@given(columns=st.lists(points, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_windows_agree_with_a_slow_evaluator(
    function: str, columns: list[list[Any]], reference: Any
) -> None:
    """What a function makes of each window is what the plain rule makes of its samples."""
    series = [
        [
            (i * 10_000, reference.Plain(**point) if isinstance(point, dict) else point)
            for i, point in enumerate(column)
            if point is not None
        ]
        for column in columns
    ]
    found = cells(reference, asked(function, samples_of(reference, series)))
    for row, column in enumerate(series):
        if all(is_float(value) for _, value in column):
            continue
        for step, end in enumerate(GRID.times_ms().tolist()):
            window = [s for s in column if end - WINDOW_MS < s[0] <= end]
            if any(not is_float(value) for _, value in window):
                wanted = expected(function, window, end, reference)
                check(found[row][step], wanted, reference)


def check(found: Any, wanted: Any, reference: Any) -> None:
    """Compare two points."""
    if wanted is None or is_float(wanted):
        assert found == wanted
    else:
        reference.assert_close(found.compact(), wanted.compact())

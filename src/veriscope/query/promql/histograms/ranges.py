"""Functions of range vectors, where the ranges have native histograms in them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms import annotations, points, rates
from veriscope.query.promql.histograms.annotations import Remarks
from veriscope.query.promql.histograms.arithmetic import equal, fold, resets
from veriscope.query.promql.histograms.rates import Cells
from veriscope.query.promql.histograms.windows import MixedWindows
from veriscope.signals import METRIC_NAME, Grid, Matrix, RaggedSamples, is_stale, label_value
from veriscope.signals.histograms import Histograms

_SUMS: Final = frozenset({"sum_over_time", "avg_over_time"})
_EXTRAPOLATED: Final = frozenset({"rate", "increase", "delta"})
_INSTANT: Final = frozenset({"irate", "idelta"})


def with_histograms(
    function: str,
    samples: RaggedSamples,
    ends: Grid,
    length_ms: int,
    *,
    vector: Matrix,
    remarks: Remarks,
) -> Matrix:
    """
    Return *vector*, which *function* made of the floats of *samples*, with what histograms add.

    Row *i* of *vector* is that of *samples*, metric name included; its steps are the windows
    `(end - length_ms, end]`. Functions that know floats only stay as they are, which an
    annotation says where a window has both.
    """
    windows = MixedWindows.cut(samples, ends, length_ms)
    if windows is None:
        return vector
    names = [label_value(vector.labels[row], METRIC_NAME) for row in windows.rows.tolist()]
    if function in _FLOATS:
        return _replaced(vector, windows, _FLOATS[function](windows))
    if function in _SUMS or function in _EXTRAPOLATED:
        return _combined(function, windows, vector, names, remarks)
    if function in _INSTANT:
        return _latest_two(function, windows, vector, names, remarks)
    if function in _PICKED:
        return _picked(windows, vector, _PICKED[function](windows))
    begin, end = windows.histogram_ranges()
    both = (end > begin) & (windows.high - windows.low > end - begin)
    for row in np.flatnonzero(both.any(axis=1)).tolist():
        annotations.ignored_in_range(remarks, names[row])
    return vector


def newest(samples: RaggedSamples, ends: Grid, lookback_ms: int, vector: Matrix) -> Matrix:
    """
    Return the instant *vector* of the floats of *samples* with the histograms that are newer.

    A series' newest sample counts, float or histogram, unless it is a stale marker.
    """
    windows = MixedWindows.cut(samples, ends, lookback_ms, keep_stale=True)
    if windows is None:
        return vector
    picked = _picked(windows, vector, windows.last())
    if picked.histograms is None:
        return picked
    fresh = ~picked.histograms.values.stale
    present = picked.present & ~points.where(picked)
    return points.with_points(
        replace(picked, present=present), points.chosen(picked.histograms, fresh)
    )


def newest_seconds(samples: RaggedSamples, ends: Grid, lookback_ms: int, vector: Matrix) -> Matrix:
    """Return the times of the newest floats, *vector*, with those of newer histograms."""
    windows = MixedWindows.cut(samples, ends, lookback_ms, keep_stale=True)
    if windows is None:
        return vector
    last, filled = windows.last(), windows.high > windows.low
    place = windows.places[last]
    newer = filled & (place >= 0)
    alive = newer & ~windows.histograms.stale[np.maximum(place, 0)]
    found = np.where(newer, windows.timestamps_ms[last] / 1000, vector.values[windows.rows])
    values, present = vector.values.copy(), vector.present.copy()
    values[windows.rows] = found
    present[windows.rows] = np.where(newer, alive, present[windows.rows])
    return replace(vector, values=values, present=present)


# --- what gives floats ------------------------------------------------------------------------


def _count(windows: MixedWindows) -> NDArray[np.float64]:
    return (windows.high - windows.low).astype(np.float64)


def _present(windows: MixedWindows) -> NDArray[np.float64]:
    return np.ones(windows.low.shape)


def _first_seconds(windows: MixedWindows) -> NDArray[np.float64]:
    found: NDArray[np.float64] = windows.timestamps_ms[windows.first()] / 1000
    return found


def _last_seconds(windows: MixedWindows) -> NDArray[np.float64]:
    found: NDArray[np.float64] = windows.timestamps_ms[windows.last()] / 1000
    return found


def _changes(windows: MixedWindows) -> NDArray[np.float64]:
    before, after = windows.floats[:-1], windows.floats[1:]
    differs = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return _steps_where(windows, differs, lambda h, rows, others: ~equal(h, rows, others))


def _resets(windows: MixedWindows) -> NDArray[np.float64]:
    return _steps_where(windows, windows.floats[1:] < windows.floats[:-1], resets)


def _steps_where(
    windows: MixedWindows,
    of_floats: NDArray[np.bool_],
    of_histograms: Callable[[Histograms, NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """Count the steps from a sample to the next, in each window, that something is true of."""
    before, after = windows.places[:-1], windows.places[1:]
    both = (before >= 0) & (after >= 0)
    true = np.where((before < 0) & (after < 0), of_floats, (before < 0) != (after < 0))
    true[both] = of_histograms(windows.histograms, after[both], before[both])
    upto = np.concatenate(([0, 0], np.cumsum(true)))
    found: NDArray[np.float64] = (
        upto[windows.high] - upto[np.minimum(windows.low + 1, windows.high)]
    ).astype(np.float64)
    return found


def _replaced(vector: Matrix, windows: MixedWindows, found: NDArray[np.float64]) -> Matrix:
    values, present = vector.values.copy(), vector.present.copy()
    values[windows.rows] = found
    present[windows.rows] = windows.high > windows.low
    return replace(vector, values=values, present=present)


# --- what gives histograms --------------------------------------------------------------------


def _picked(windows: MixedWindows, vector: Matrix, sample: NDArray[np.int64]) -> Matrix:
    """Return *vector* with one *sample* of each window of the series that have histograms."""
    filled = windows.high > windows.low
    place = np.where(filled, windows.places[sample], -1)
    values, present = vector.values.copy(), vector.present.copy()
    values[windows.rows] = floats = windows.floats[sample]
    present[windows.rows] = filled & (place < 0) & ~is_stale(floats)
    series, steps = np.nonzero(place >= 0)
    found = points.at_cells(
        windows.rows[series], steps, windows.histograms.take(place[series, steps])
    )
    return points.with_points(replace(vector, values=values, present=present), found)


def _combined(
    function: str, windows: MixedWindows, vector: Matrix, names: list[str], remarks: Remarks
) -> Matrix:
    """Return what takes all histograms of a window, and cannot have floats beside them."""
    begin, end = windows.histogram_ranges()
    counts = end - begin
    some = counts > 0
    mixed = some & (windows.high - windows.low > counts)
    for row in np.flatnonzero(mixed.any(axis=1)).tolist():
        annotations.mixed_range(remarks, names[row])
    enough = some & ~mixed if function in _SUMS else (counts > 1) & ~mixed
    series, steps = np.nonzero(enough)
    cells = Cells(windows, series, steps, begin[series, steps], end[series, steps] - 1, names)
    if function in _SUMS:
        results = _summed(cells, remarks, mean=function == "avg_over_time")
    else:
        results = rates.extrapolated(function, cells, remarks)
    return _with_cells(vector, windows, some, cells, results)


def _summed(cells: Cells, remarks: Remarks, *, mean: bool) -> tuple[NDArray[np.bool_], Histograms]:
    counts = cells.last - cells.first + 1
    starts = np.concatenate(([0], np.cumsum(counts)))
    source = np.arange(starts[-1]) + np.repeat(cells.first - starts[:-1], counts)
    found = fold(cells.windows.histograms, starts, source, mean=mean)
    for name in cells.named(~found.valid):
        annotations.mixed_schemas(remarks, name)
    if found.collision:
        annotations.reset_collision(remarks, "aggregation")
    if found.reconciled:
        annotations.reconciled(remarks, "aggregation")
    return found.valid, found.values.take(found.valid)


def _latest_two(
    function: str, windows: MixedWindows, vector: Matrix, names: list[str], remarks: Remarks
) -> Matrix:
    """Return what takes the two newest samples, which are both floats or both histograms."""
    last, before = windows.last(), np.maximum(windows.last() - 1, 0)
    two = windows.high - windows.low > 1
    new, old = windows.places[last] >= 0, windows.places[before] >= 0
    mixed = two & (new != old)
    for row in np.flatnonzero(mixed.any(axis=1)).tolist():
        annotations.mixed_range(remarks, names[row])
    series, steps = np.nonzero(two & new & old)
    place = windows.places[last[series, steps]]
    cells = Cells(windows, series, steps, place - 1, place, names)
    results = rates.instant(function, cells, remarks)
    return _with_cells(vector, windows, ~(two & ~new & ~old), cells, results)


def _with_cells(
    vector: Matrix,
    windows: MixedWindows,
    taken: NDArray[np.bool_],
    cells: Cells,
    results: tuple[NDArray[np.bool_], Histograms],
) -> Matrix:
    """Return *vector* with the results of the cells that have one, and no floats where *taken*."""
    valid, values = results
    present = vector.present.copy()
    present[windows.rows] &= ~taken
    found = points.at_cells(windows.rows[cells.series[valid]], cells.steps[valid], values)
    return points.with_points(replace(vector, present=present), found)


_FLOATS: Final[dict[str, Callable[[MixedWindows], NDArray[np.float64]]]] = {
    "changes": _changes,
    "count_over_time": _count,
    "present_over_time": _present,
    "resets": _resets,
    "ts_of_first_over_time": _first_seconds,
    "ts_of_last_over_time": _last_seconds,
}
_PICKED: Final[dict[str, Callable[[MixedWindows], NDArray[np.int64]]]] = {
    "first_over_time": MixedWindows.first,
    "last_over_time": MixedWindows.last,
}

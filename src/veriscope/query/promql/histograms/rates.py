"""rate, increase, delta, irate and idelta of native histograms."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms import annotations
from veriscope.query.promql.histograms.annotations import Remarks
from veriscope.query.promql.histograms.arithmetic import Sums, divided, fold, resets, scaled
from veriscope.query.promql.histograms.fold_kernels import RECONCILED
from veriscope.query.promql.histograms.windows import MixedWindows
from veriscope.signals.histograms import GREATEST_SCHEMA, Histograms, ResetHint

COUNTERS: Final = frozenset({"rate", "increase", "irate"})
_NEAR: Final = 1.1
"""How many times the usual gap a sample may be from the end of its window, to be near it."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """
    Some windows, each of histograms only: `first[k]` to `last[k]` of `windows.histograms`.

    `names` has the metric name of each; all columns have shape `(cells,)`.
    """

    windows: MixedWindows
    series: NDArray[np.int64]
    steps: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    names: list[str]

    def named(self, where: NDArray[np.bool_]) -> list[str]:
        """Return the metric names of the cells that are True in *where*, each once."""
        rows = dict.fromkeys(self.series[where].tolist())
        return list(dict.fromkeys(self.names[row] for row in rows))


def extrapolated(
    function: str, cells: Cells, remarks: Remarks
) -> tuple[NDArray[np.bool_], Histograms]:
    """
    Return `rate`, `increase` or `delta` of each cell: which of them have one, and these.

    Each cell has at least two histograms. See `extrapolatedRate` and `histogramRate` of
    Prometheus; the results are gauges.
    """
    counter = function in COUNTERS
    found, nulled = _differences(cells, remarks, counter=counter)
    valid = found.valid
    factor = _extrapolation(cells, found.values.count, counter=counter)
    if function == "rate":
        factor = factor / (cells.windows.length_ms / 1000)
    values = scaled(found.values.with_reset_hint(ResetHint.GAUGE), factor)
    _annotate(cells, found, nulled, remarks, counter=counter)
    return valid, values.take(valid)


def instant(function: str, cells: Cells, remarks: Remarks) -> tuple[NDArray[np.bool_], Histograms]:
    """Return `irate` or `idelta` of each cell, as `extrapolated` does; see `instantValue`."""
    counter = function in COUNTERS
    histograms = cells.windows.histograms
    last, before = cells.last, cells.last - 1
    alone = resets(histograms, last, before) if counter else np.zeros(len(last), dtype=np.bool_)
    starts = np.concatenate(([0], np.cumsum(2 - alone)))
    source, weight = np.empty(starts[-1], dtype=np.int64), np.ones(starts[-1])
    source[starts[:-1]] = last
    source[starts[1:][~alone] - 1] = before[~alone]
    weight[starts[1:][~alone] - 1] = -1.0
    found = fold(histograms, starts, source, weight=weight)
    gauges = histograms.reset_hint == ResetHint.GAUGE
    if counter:
        doubtful, say = gauges[last] | gauges[before], annotations.not_a_counter
    else:
        doubtful, say = ~(gauges[last] & gauges[before]), annotations.not_a_gauge
    for name in cells.named(doubtful):
        say(remarks, name)
    for name in cells.named(~found.valid):
        annotations.mixed_schemas(remarks, name)
    if found.reconciled:
        annotations.reconciled(remarks, "subtraction")
    values = found.values.with_reset_hint(ResetHint.GAUGE)
    if counter:
        times = _times(cells)
        values = divided(values, (times[last] - times[before]) / 1000)
    return found.valid, values.take(found.valid)


def _differences(
    cells: Cells, remarks: Remarks, *, counter: bool
) -> tuple[Sums, NDArray[np.bool_]]:
    """
    Return last less first histogram of each cell, and in which the first one does not matter.

    For counters, what was counted before each reset is added; a first histogram that was reset
    by the second one is as good as none.
    """
    histograms, first, last = cells.windows.histograms, cells.first, cells.last
    none = np.zeros(len(first), dtype=np.bool_)
    if not counter:
        alike = histograms.custom[first] == histograms.custom[last]
        found = _folded(cells, none, np.empty(0, dtype=np.int64), None)
        return _refused(found, cells, ~alike, remarks), none
    wanted = np.arange(int(first.min()) + 1, int(last.max()) + 1) if len(first) else first
    down = wanted[resets(histograms, wanted, wanted - 1)]
    nulled = np.isin(first + 1, down)
    begin = first + nulled
    custom = np.concatenate(([0], np.cumsum(histograms.custom)))
    customs = custom[last + 1] - custom[begin]
    alike = (customs == 0) | (customs == last + 1 - begin)
    schemas = np.append(histograms.schema, np.int8(GREATEST_SCHEMA))
    if len(first):
        lowest = np.minimum.reduceat(schemas, np.stack((begin, last + 1), axis=1).ravel())[::2]
    else:
        lowest = schemas[:0]
    found = _folded(cells, nulled, down, lowest)
    return _refused(found, cells, ~alike, remarks), nulled


def _folded(
    cells: Cells,
    nulled: NDArray[np.bool_],
    down: NDArray[np.int64],
    resolution: NDArray[np.int8] | None,
) -> Sums:
    """Add up, for each cell: its last histogram, less its first, plus those before a reset."""
    # The reset from the first to the second histogram is no gain: the first one is left out.
    after = np.searchsorted(down, cells.first + 2)
    extra = np.maximum(np.searchsorted(down, cells.last + 1) - after, 0)
    starts = np.concatenate(([0], np.cumsum(2 - nulled + extra)))
    source, weight = np.empty(starts[-1], dtype=np.int64), np.ones(starts[-1])
    source[starts[:-1]] = cells.last
    second = (starts[:-1] + 1)[~nulled]
    source[second], weight[second] = cells.first[~nulled], -1.0
    ends = np.cumsum(extra)
    rest = np.arange(extra.sum()) - np.repeat(ends - extra, extra)
    at = np.repeat(starts[1:] - extra, extra) + rest
    source[at] = down[np.repeat(after, extra) + rest] - 1
    return fold(cells.windows.histograms, starts, source, weight=weight, resolution=resolution)


def _refused(found: Sums, cells: Cells, where: NDArray[np.bool_], remarks: Remarks) -> Sums:
    """Say of the cells *where*, and of those that did not add up, that they have no result."""
    valid = found.valid & ~where
    for name in cells.named(~valid):
        annotations.mixed_schemas(remarks, name)
    return found.refused(~valid)


def _extrapolation(
    cells: Cells, increase: NDArray[np.float64], *, counter: bool
) -> NDArray[np.float64]:
    """Return by what to multiply each increase, so that it covers its whole window."""
    windows, times = cells.windows, _times(cells)
    end = windows.ends_ms[cells.steps]
    begun, ended = times[cells.first], times[cells.last]
    to_start = (begun - (end - windows.length_ms)) / 1000
    to_end = (end - ended) / 1000
    sampled = (ended - begun) / 1000
    gap = sampled / (cells.last - cells.first)
    to_start = np.where(to_start >= gap * _NEAR, gap / 2, to_start)
    if counter:
        # A counter is not extrapolated to before it was zero.
        held = windows.histograms.count[cells.first]
        with np.errstate(divide="ignore", invalid="ignore"):
            to_zero = sampled * (held / increase)
        limited = (increase > 0) & (held >= 0) & (to_zero < to_start)
        to_start = np.where(limited, to_zero, to_start)
    to_end = np.where(to_end >= gap * _NEAR, gap / 2, to_end)
    factor: NDArray[np.float64] = (sampled + to_start + to_end) / sampled
    return factor


def _annotate(
    cells: Cells, found: Sums, nulled: NDArray[np.bool_], remarks: Remarks, *, counter: bool
) -> None:
    histograms, first, last = cells.windows.histograms, cells.first, cells.last
    gauges = histograms.reset_hint == ResetHint.GAUGE
    if counter:
        before = np.concatenate(([0], np.cumsum(gauges)))
        for name in cells.named(found.valid & (before[last + 1] > before[first])):
            annotations.not_a_counter(remarks, name)
    else:
        for name in cells.named(found.valid & ~(gauges[first] & gauges[last])):
            annotations.not_a_gauge(remarks, name)
    for cell in np.flatnonzero((found.flags & RECONCILED) != 0).tolist():
        ends = histograms.bounds.take(np.array([first[cell], last[cell]]))
        one, other = np.split(ends.values, [ends.offsets[1]])
        direct = not nulled[cell] and not np.array_equal(one, other)
        annotations.reconciled(remarks, "subtraction" if direct else "addition")


def _times(cells: Cells) -> NDArray[np.int64]:
    """Return the time of each of the windows' histograms."""
    return cells.windows.timestamps_ms[cells.windows.is_histogram]

"""Range functions over roll-ups: where whole buckets make up whole windows, or nearly."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from veriscope.query.options import RollupUse
from veriscope.query.promql.ast import Edges
from veriscope.query.promql.nodes import RangeCall, SamplesRead
from veriscope.query.promql.ranges import rate_kernels, rollup_kernels
from veriscope.query.promql.threads import frozen
from veriscope.signals import FetchLimits, Grid, Labels, LabelSets, Matrix, RollupFetch, Rollups

BUCKETS_MS: Final = (3_600_000, 300_000)
"""Lengths of buckets, the longest first."""
_HOURS_AT_LEAST: Final = 10
_WORTH_MS: Final = 6 * 3_600_000
"""A shorter time is read from samples: they may be in memory, and are few."""


class RollupSource(Protocol):
    """Answers fetches of roll-ups, from any thread; limits as for samples."""

    def covered_until(self, after_ms: int) -> int:
        """Return until when every bucket after *after_ms* is there and right (Unix ms)."""

    def fetch(self, fetch: RollupFetch, limits: FetchLimits) -> Rollups | None:
        """Return the buckets of *fetch*; None where some series are histograms."""


_OPERATIONS: Final = {
    "avg_over_time": (rollup_kernels.AVG, "sum"),
    "changes": (rollup_kernels.CHANGES, "changes"),
    "count_over_time": (rollup_kernels.COUNT, "sum"),
    "delta": (rate_kernels.DELTA, "lost"),
    "first_over_time": (rollup_kernels.FIRST, "sum"),
    "increase": (rate_kernels.INCREASE, "lost"),
    "last_over_time": (rollup_kernels.LAST, "sum"),
    "max_over_time": (rollup_kernels.MAX, "max"),
    "min_over_time": (rollup_kernels.MIN, "min"),
    "present_over_time": (rollup_kernels.PRESENT, "sum"),
    "rate": (rate_kernels.RATE, "lost"),
    "resets": (rollup_kernels.RESETS, "resets"),
    "sum_over_time": (rollup_kernels.SUM, "sum"),
    "ts_of_first_over_time": (rollup_kernels.TS_OF_FIRST, "sum"),
    "ts_of_last_over_time": (rollup_kernels.TS_OF_LAST, "sum"),
}
"""By function, the kernel's operation and the figure of a bucket that it needs."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """The first steps of a range function, from roll-ups; `rest` is the function on the others."""

    call: RangeCall
    fetch: RollupFetch
    rest: RangeCall | None


def rolled(call: RangeCall, source: RollupSource, use: RollupUse) -> Rolled | None:
    """Return how much of *call* roll-ups can answer; None where that is nothing."""
    read = call.samples
    if not isinstance(read, SamplesRead) or call.function not in _OPERATIONS:
        return None
    ends, after_ms = read.ends, read.ends.start_ms - read.length_ms
    bucket_ms = next((bucket for bucket in BUCKETS_MS if _fits(read, bucket, use)), None)
    if bucket_ms is None:
        return None
    until_ms = min(source.covered_until(after_ms), ends.last_ms)
    steps = (until_ms - ends.start_ms) // ends.step_ms + 1
    if until_ms < ends.start_ms or steps < 2:  # noqa: PLR2004 - one step is no grid
        return None
    fetch = RollupFetch(read.fetch.matchers, after_ms, until_ms, bucket_ms)
    if steps == len(ends):
        return Rolled(call, fetch, None)
    return Rolled(_part(call, 0, steps), fetch, _part(call, steps, len(ends)))


def points(part: Rolled, rollups: Rollups) -> Matrix:
    """Return the function of *part*'s first steps; series without a point may be among them."""
    ends, length_ms = part.call.samples.ends, part.call.samples.length_ms
    operation, figure = _OPERATIONS[part.call.function]
    values = np.empty((len(rollups.labels), len(ends)))
    present = np.empty(values.shape, dtype=np.bool_)
    rollup_kernels.rollup_rows(
        operation,
        frozen(rollups.starts),
        frozen(rollups.stops),
        frozen(rollups.ends_ms),
        frozen(rollups.firsts_ms),
        frozen(rollups.lasts_ms),
        frozen(rollups.counts),
        frozen(rollups.first),
        frozen(rollups.last),
        frozen(rollups.figures[figure]),
        ends.start_ms,
        ends.step_ms,
        length_ms,
        values,
        present,
    )
    return Matrix(rollups.labels, part.call.grid, values, present)


def warm_up() -> None:
    """Compile or load the loop over roll-ups."""
    none, nothing = frozen(np.empty(0, dtype=np.int64)), frozen(np.empty(0))
    rollup_kernels.rollup_rows(
        rollup_kernels.SUM, none, none, none, none, none, nothing, nothing, nothing, nothing,
        0, 1, 1, np.empty((0, 1)), np.empty((0, 1), dtype=np.bool_),
    )  # fmt: skip


def side_by_side(first: Matrix, rest: Matrix, grid: Grid) -> Matrix:
    """Return the steps of *first* and then those of *rest* as one vector on *grid*."""
    numbers: dict[Labels, int] = {}
    for labels in (*first.labels, *rest.labels):
        numbers.setdefault(labels, len(numbers))
    shape = (len(numbers), len(grid))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for part, columns in ((first, slice(0, len(first.grid))), (rest, slice(len(first.grid), None))):
        rows = np.array([numbers[labels] for labels in part.labels], dtype=np.int64)
        values[rows, columns] = part.values
        present[rows, columns] = part.present
    return Matrix(LabelSets(numbers), grid, values, present)


def _fits(read: SamplesRead, bucket_ms: int, use: RollupUse) -> bool:
    """Return whether buckets of this length may stand in for the samples of *read*."""
    seen_ms = read.ends.last_ms - read.ends.start_ms + read.length_ms
    plain = read.edges is Edges.PLAIN and not read.pinned and len(read.ends) > 1
    if use is RollupUse.OFF or not plain or seen_ms < _WORTH_MS:
        return False
    if use is RollupUse.APPROXIMATE:
        # An hour would be a large part of most windows.
        least = 1 if bucket_ms == BUCKETS_MS[-1] else _HOURS_AT_LEAST
        return read.length_ms >= least * bucket_ms
    lengths = read.length_ms, read.ends.start_ms, read.ends.step_ms
    return not any(length % bucket_ms for length in lengths)


def _part(call: RangeCall, begin: int, stop: int) -> RangeCall:
    """Return *call* on its steps `begin:stop` alone."""
    read = call.samples
    if not isinstance(read, SamplesRead):
        raise TypeError("only selectors are rolled up")
    ends = _steps(read.ends, begin, stop)
    fetch = replace(read.fetch, start_ms=ends.start_ms - read.length_ms, end_ms=ends.last_ms)
    grid = _steps(call.grid, begin, stop)
    return replace(call, grid=grid, samples=replace(read, grid=grid, fetch=fetch, ends=ends))


def _steps(grid: Grid, begin: int, stop: int) -> Grid:
    first_ms = grid.start_ms + begin * grid.step_ms
    return Grid(first_ms, first_ms + (stop - begin - 1) * grid.step_ms, grid.step_ms)

"""Windows over raw samples: where each begins and ends, found for all series and steps at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Grid, Labels, RaggedSamples, is_stale

_BLOCK_CELLS: Final = 1 << 21
"""Samples gathered at a time, so that working memory does not grow with the query."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some windows side by side: row *i* holds the samples of one, padded to equal length."""

    rows: NDArray[np.int64]
    """Flat indices (into `(series, steps)`) of the windows, shape `(n,)`."""
    counts: NDArray[np.int64]
    """Samples in each window, at least 1, shape `(n,)`."""
    valid: NDArray[np.bool_]
    """False where a cell is padding, shape `(n, longest)`."""
    values: NDArray[np.float64]
    """Samples, 0 in padding; same shape."""
    timestamps_ms: NDArray[np.int64]
    """Their times; meaningless in padding; same shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """
    The window `(end - length, end]` of every series at every step.

    Window *(i, j)* holds the samples `low[i, j]:high[i, j]` of the flat columns.
    """

    labels: tuple[Labels, ...]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    ends_ms: NDArray[np.int64]
    """Where the windows end, in the data's time, shape `(steps,)`."""
    times_ms: NDArray[np.int64]
    """The evaluation times; they differ from `ends_ms` by `offset` and `@`."""
    length_ms: int

    @property
    def shape(self) -> tuple[int, int]:
        """Series and steps."""
        return len(self.labels), len(self.times_ms)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Samples in each window, shape `(series, steps)`."""
        return self.high - self.low

    def first(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return *column* at the first sample of each window; meaningless where it is empty."""
        return _take(column, self.low)

    def last(self, column: NDArray[np.float64], back: int = 0) -> NDArray[np.float64]:
        """Return *column* at the last sample of each window, or *back* samples before it."""
        return _take(column, self.high - 1 - back)

    def reduce(self, ufunc: np.ufunc, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fold *column* over each window with *ufunc*; 0 where a window is empty."""
        out = np.zeros(self.shape)
        filled = self.high > self.low
        bounds = np.empty(2 * int(filled.sum()), dtype=np.int64)
        bounds[0::2], bounds[1::2] = self.low[filled], self.high[filled]
        if len(bounds):
            # reduceat needs every bound inside the column; the last window may end at its end.
            out[filled] = ufunc.reduceat(np.append(column, 0.0), bounds)[::2]
        return out

    def blocks(self, where: NDArray[np.bool_]) -> Iterator[Block]:
        """Gather the windows in which *where* holds (none of them empty), some at a time."""
        chosen = np.flatnonzero(where)
        low, counts = self.low.ravel()[chosen], self.counts.ravel()[chosen]
        start = 0
        while start < len(chosen):
            longest = int(counts[start : start + _BLOCK_CELLS // 64].max())
            stop = start + max(1, min(_BLOCK_CELLS // 64, _BLOCK_CELLS // longest))
            yield self._block(chosen[start:stop], low[start:stop], counts[start:stop])
            start = stop

    def _block(
        self, rows: NDArray[np.int64], low: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> Block:
        position = np.arange(int(counts.max()))
        valid = position < counts[:, None]
        index = np.minimum(low[:, None] + position, len(self.values) - 1)
        return Block(
            rows=rows,
            counts=counts,
            valid=valid,
            values=np.where(valid, self.values[index], 0.0),
            timestamps_ms=self.timestamps_ms[index],
        )


def cut(
    samples: RaggedSamples, ends: Grid, length_ms: int, times: Grid, *, keep_stale: bool = False
) -> Windows:
    """
    Cut *samples* into windows of *length_ms* that end on every step of *ends*.

    *ends* has the steps of *times*, or a single one that serves them all (`@`). Stale markers
    are left out unless *keep_stale*.
    """
    if not keep_stale:
        samples = _without_stale(samples)
    low = _count_until(samples, ends.shifted(-length_ms))
    high = _count_until(samples, ends)
    times_ms, ends_ms = times.times_ms(), ends.times_ms()
    if len(ends_ms) != len(times_ms):
        shape = (len(samples.labels), len(times_ms))
        low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
        ends_ms = np.broadcast_to(ends_ms, times_ms.shape)
    return Windows(
        labels=samples.labels,
        timestamps_ms=samples.timestamps_ms,
        values=samples.values,
        low=low,
        high=high,
        ends_ms=ends_ms,
        times_ms=times_ms,
        length_ms=length_ms,
    )


def _count_until(samples: RaggedSamples, grid: Grid) -> NDArray[np.int64]:
    """Return the flat index after the last sample at or before each step of *grid*."""
    steps, series = len(grid), len(samples.labels)
    # The first step that sees a sample is a division away, as the grid is regular.
    first_seen = -((grid.start_ms - samples.timestamps_ms) // grid.step_ms)
    np.clip(first_seen, 0, steps, out=first_seen)
    owner = np.repeat(np.arange(series), np.diff(samples.offsets))
    cells = np.bincount(owner * (steps + 1) + first_seen, minlength=series * (steps + 1))
    seen = cells.reshape(series, steps + 1)[:, :steps].cumsum(axis=1)
    index: NDArray[np.int64] = seen + samples.offsets[:-1, None]
    return index


def _without_stale(samples: RaggedSamples) -> RaggedSamples:
    stale = is_stale(samples.values)
    if not stale.any():
        return samples
    kept = ~stale
    kept_before = np.concatenate(([0], np.cumsum(kept)))
    return RaggedSamples(
        labels=samples.labels,
        offsets=kept_before[samples.offsets],
        timestamps_ms=samples.timestamps_ms[kept],
        values=samples.values[kept],
    )


def _take(column: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(column):
        return np.zeros(index.shape)
    return column[np.clip(index, 0, len(column) - 1)]

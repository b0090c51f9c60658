"""The commits of late, in memory: what a reader must add to what it took from the engine."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.signals.histograms import Histograms


@dataclass(frozen=True, slots=True, eq=False)
class HistogramColumns:
    """
    Native histograms that became durable together: `values` *i* at `timestamps_ms[i]`.

    `metric[i]` and `ids[i]` say of which series, as in `Commit`. Of two at one time the one with
    the greatest count counts, as in table `histograms`.
    """

    metric: NDArray[np.int32]
    ids: NDArray[np.uint64]
    timestamps_ms: NDArray[np.int64]
    values: Histograms

    @property
    def nbytes(self) -> int:
        """What the columns take in memory, roughly."""
        columns = (self.metric, self.ids, self.timestamps_ms)
        return sum(column.nbytes for column in columns) + self.values.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class NewSeries:
    """Series: the metric of each, as in `Commit`, its id and its labels, a map of strings."""

    metric: NDArray[np.int32]
    ids: NDArray[np.uint64]
    labels: pa.MapArray

    def __len__(self) -> int:
        """Count the series."""
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """What the columns take in memory."""
        return self.metric.nbytes + self.ids.nbytes + int(self.labels.nbytes)


@dataclass(frozen=True, slots=True, eq=False)
class Commit:
    """
    Samples that became durable together: `values[i]` at `timestamps_ms[i]` of series `ids[i]`.

    `metrics[metric[i]]` is the metric of that series. Samples stand in no promised order, and one
    may be there twice, or be in the engine already: of two at one time the greatest counts, as in
    table `samples`. `histograms` are of the same commit, and share `metrics`. `new_series` has each
    series that this process had not written before; an earlier process may have.
    """

    metrics: tuple[str, ...]
    metric: NDArray[np.int32]
    ids: NDArray[np.uint64]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    new_series: tuple[NewSeries, ...] = ()
    histograms: HistogramColumns | None = None
    series_written: bool = False
    """Whether rows were written to table `series`: of new ones, or of more hours of known ones."""

    @property
    def nbytes(self) -> int:
        """What the commit takes in memory, roughly."""
        columns = (self.metric, self.ids, self.timestamps_ms, self.values)
        series = sum(each.nbytes for each in self.new_series)
        histograms = self.histograms.nbytes if self.histograms else 0
        return sum(column.nbytes for column in columns) + series + histograms

    @property
    def first_ms(self) -> int | None:
        """The least timestamp, or None without samples."""
        times = [self.timestamps_ms]
        if self.histograms is not None:
            times.append(self.histograms.timestamps_ms)
        return min((int(some.min()) for some in times if len(some)), default=None)


class CommitLog:
    """
    The newest commits, of at most *max_bytes*. One writer, many readers, any threads.

    `version` grows with each commit. Who remembers the version of before a read of the engine
    finds in `since` whatever that read may have missed.
    """

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._version = 0
        self._bytes = 0
        self._kept: deque[tuple[Commit, int, int | None]] = deque()
        self._listeners: list[Callable[[Commit | None], None]] = []
        self._expecting: list[Callable[[Commit], None]] = []

    @property
    def version(self) -> int:
        """How many changes there have been; 0 at first."""
        return self._version

    def listen(self, listener: Callable[[Commit | None], None]) -> None:
        """Call *listener* with each commit from now on, and with None for any other change."""
        self._listeners.append(listener)

    def expect(self, listener: Callable[[Commit], None]) -> None:
        """Call *listener* with each commit from now on before any of it is stored."""
        self._expecting.append(listener)

    def announce(self, commit: Commit) -> None:
        """
        Say that *commit* is about to be stored; `append` or `invalidate` follows.

        Raises what a listener raises; then nothing of it must be stored.
        """
        for listener in self._expecting:
            listener(commit)

    def append(self, commit: Commit) -> int:
        """Add *commit*, which is durable already, and return the version that it makes."""
        size, first_ms = commit.nbytes, commit.first_ms
        with self._lock:
            self._kept.append((commit, size, first_ms))
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._kept.popleft()[1]
            self._version += 1
            self._tell(commit)
            return self._version

    def invalidate(self) -> None:
        """Make every reader begin afresh: what the engine holds changed in another way."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
            self._version += 1
            self._tell(None)

    def since(self, version: int) -> tuple[Commit, ...] | None:
        """Return the commits after *version*, oldest first; None where some are forgotten."""
        with self._lock:
            missed = self._version - version
            if missed > len(self._kept):
                return None
            first = len(self._kept) - missed
            return tuple(self._kept[place][0] for place in range(first, len(self._kept)))

    def first_ms_since(self, version: int) -> int | None:
        """
        Return the least timestamp among the samples committed after *version*.

        None where there were none; -1 where some commits are forgotten, so that it may be any.
        """
        with self._lock:
            missed = self._version - version
            if missed > len(self._kept):
                return -1
            first = len(self._kept) - missed
            times = [self._kept[place][2] for place in range(first, len(self._kept))]
            return min((time for time in times if time is not None), default=None)

    def _tell(self, commit: Commit | None) -> None:
        for listener in self._listeners:
            listener(commit)

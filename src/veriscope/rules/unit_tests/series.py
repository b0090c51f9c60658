"""The input series of a test, in the order of time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from veriscope.rules.unit_tests.files import UnitTest
from veriscope.signals import Labels, SampleBatch
from veriscope.signals.histograms import HistogramBatch, Histograms


class InputSamples:
    """What a test's series hold, handed out as time goes on."""

    def __init__(self, test: UnitTest, interval_ms: int) -> None:
        # Of a series that is given twice the last one counts, as in promtool.
        series = {each.labels: each.points for each in test.input_series}
        self._labels: tuple[Labels, ...] = tuple(series)
        points = list(series.values())
        self._floats = _Column([p.slots for p in points], test.start_ms, interval_ms)
        self._values = np.concatenate([np.empty(0), *(p.values for p in points)])
        self._native = _Column([p.native_slots for p in points], test.start_ms, interval_ms)
        self._histograms = Histograms.concatenate(p.native for p in points)

    def until(self, time_ms: int) -> Iterator[SampleBatch | HistogramBatch]:
        """Yield what has come by *time_ms* and was not yielded before, in the order of time."""
        if len(places := self._floats.take_until(time_ms)):
            rows, times = self._floats.rows[places], self._floats.times_ms[places]
            yield SampleBatch(self._labels, rows, times, self._values[places])
        if len(places := self._native.take_until(time_ms)):
            rows, times = self._native.rows[places], self._native.times_ms[places]
            yield HistogramBatch(self._labels, rows, times, self._histograms.take(places))


class _Column:
    """Which series has a sample at which time, row by row, and how far they were taken."""

    def __init__(self, slots: list[NDArray[np.int64]], start_ms: int, interval_ms: int) -> None:
        none = np.empty(0, dtype=np.int64)
        self.rows = np.repeat(np.arange(len(slots), dtype=np.uint32), [len(s) for s in slots])
        self.times_ms = start_ms + np.concatenate([none, *slots]) * interval_ms
        self._order = np.argsort(self.times_ms, kind="stable")
        self._sorted_ms = self.times_ms[self._order]
        self._taken = 0

    def take_until(self, time_ms: int) -> NDArray[np.int64]:
        """Return the places of the samples that come next, up to *time_ms*."""
        end = int(np.searchsorted(self._sorted_ms, time_ms, side="right"))
        begin, self._taken = self._taken, end
        return self._order[begin:end]

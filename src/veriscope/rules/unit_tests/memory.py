"""Series in memory: what a test gives and what its rules record, as a source of the engine."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import re2

from veriscope.signals import (
    FetchLimits,
    InvalidInputError,
    Labels,
    LabelSets,
    Matcher,
    MatchOp,
    RaggedSamples,
    RawFetch,
    SampleBatch,
    Segment,
    label_value,
)
from veriscope.signals.histograms import HistogramBatch, Histograms
from veriscope.signals.matrix import HistogramSamples

_NONE: Final = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class _Series:
    """Samples of one series, in the order of time."""

    labels: Labels
    times_ms: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    native_ms: list[int] = field(default_factory=list)
    native: list[Histograms] = field(default_factory=list)

    def holds(self, time_ms: int, value: float) -> bool:
        """Return whether the newest float is that one, to the bit."""
        if not self.times_ms or self.times_ms[-1] != time_ms:
            return False
        return array("d", [value]).tobytes() == self.values[-1:].tobytes()

    def check_order(self, time_ms: int) -> None:
        """Raise `InvalidInputError` where *time_ms* is not after every sample."""
        newest = [times[-1] for times in (self.times_ms, self.native_ms) if times]
        if not newest or time_ms > max(newest):
            return
        shown = ", ".join(f'{name}="{value}"' for name, value in self.labels)
        what = "a second value at one time" if time_ms == max(newest) else "an older value"
        raise InvalidInputError(
            f"{what} of {{{shown}}}; take the series out of `input_series`, or rename what is"
            " recorded"
        )


class MemorySource:
    """
    A source that is filled in the order of time; use from one thread.

    Like a Prometheus it takes no second value of a series at one time, nor an earlier one.
    """

    def __init__(self) -> None:
        self._rows: dict[Labels, int] = {}
        self._series: list[_Series] = []
        self._selections: dict[tuple[Matcher, ...], tuple[int, list[int], LabelSets]] = {}

    # --- filling --------------------------------------------------------------------------

    async def record(self, batch: SampleBatch | HistogramBatch) -> None:
        """Take what a rule gives; raises `InvalidInputError` for a second value at one time."""
        self.add(batch)

    def add(self, batch: SampleBatch | HistogramBatch) -> None:
        """Take samples; see `record`."""
        owners = [self._of(batch.labels[row]) for row in batch.series.tolist()]
        times = batch.timestamps_ms.tolist()
        if isinstance(batch, HistogramBatch):
            for place, (series, time_ms) in enumerate(zip(owners, times, strict=True)):
                series.check_order(time_ms)
                series.native_ms.append(time_ms)
                series.native.append(batch.values.take(np.array([place])))
            return
        for series, time_ms, value in zip(owners, times, batch.values.tolist(), strict=True):
            if series.holds(time_ms, value):
                continue
            series.check_order(time_ms)
            series.times_ms.append(time_ms)
            series.values.append(value)

    def _of(self, labels: Labels) -> _Series:
        row = self._rows.setdefault(labels, len(self._series))
        if row == len(self._series):
            self._series.append(_Series(labels))
        return self._series[row]

    # --- answering ------------------------------------------------------------------------

    def version(self) -> int | None:
        """Nothing is remembered of when samples came, so no answer may be kept."""
        return None

    def first_ms_since(self, version: int) -> int | None:
        """See `version`."""
        del version
        return -1

    def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """See `SeriesSource`; what is in memory has no limits."""
        del limits
        rows, labels = self._select(fetch.matchers)
        times, values = array("q"), array("d")
        stops = []
        for row in rows:
            series = self._series[row]
            first = bisect_right(series.times_ms, fetch.start_ms)
            last = bisect_right(series.times_ms, fetch.end_ms)
            times.extend(series.times_ms[first:last])
            values.extend(series.values[first:last])
            stops.append(len(times))
        ends = np.array(stops, dtype=np.int64)
        segment = Segment(
            starts=np.concatenate((_NONE, [0] if stops else [], ends[:-1])).astype(np.int64),
            stops=ends,
            timestamps_ms=np.array(times, dtype=np.int64),
            values=np.array(values, dtype=np.float64),
            histograms=self._native(rows, fetch),
        )
        return RaggedSamples(labels, (segment,))

    def _native(self, rows: Sequence[int], fetch: RawFetch) -> HistogramSamples | None:
        found = [
            (place, time_ms, histogram)
            for place, row in enumerate(rows)
            for time_ms, histogram in zip(
                self._series[row].native_ms, self._series[row].native, strict=True
            )
            if fetch.start_ms < time_ms <= fetch.end_ms
        ]
        if not found:
            return None
        return HistogramSamples(
            np.array([place for place, _, _ in found], dtype=np.int64),
            np.array([time_ms for _, time_ms, _ in found], dtype=np.int64),
            Histograms.concatenate(histogram for _, _, histogram in found),
        )

    def _select(self, matchers: tuple[Matcher, ...]) -> tuple[list[int], LabelSets]:
        """Return the rows that satisfy *matchers*; their label sets stay while there is no more."""
        looked_at, rows, labels = self._selections.get(matchers, (0, [], LabelSets()))
        if looked_at < len(self._series):
            fresh = list(self._rows)[looked_at:]
            tests = [_Test(matcher) for matcher in matchers]
            more = [
                looked_at + place
                for place, row in enumerate(fresh)
                if all(test.passes(row) for test in tests)
            ]
            if more:
                rows = rows + more
                labels = LabelSets([*labels, *(fresh[row - looked_at] for row in more)])
            self._selections[matchers] = len(self._series), rows, labels
        return rows, labels


class _Test:
    """Whether labels satisfy a matcher."""

    def __init__(self, matcher: Matcher) -> None:
        self._name = matcher.name
        self._wanted = matcher.op in {MatchOp.EQUAL, MatchOp.REGEX}
        plain = matcher.op in {MatchOp.EQUAL, MatchOp.NOT_EQUAL}
        self._value = matcher.value if plain else None
        self._pattern = None if plain else re2.compile(f"(?s:{matcher.value})")

    def passes(self, labels: Labels) -> bool:
        value = label_value(labels, self._name)
        if self._pattern is None:
            return (value == self._value) == self._wanted
        return (self._pattern.fullmatch(value) is not None) == self._wanted

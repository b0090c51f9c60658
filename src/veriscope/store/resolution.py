"""Which series the samples of a request belong to."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Clock, Labels, SampleBatch
from veriscope.signals.exemplars import ExemplarBatch
from veriscope.signals.histograms import HistogramBatch
from veriscope.store.engine import Engine
from veriscope.store.identity import Identified, identify, identify_text
from veriscope.store.known import KnownSeries
from veriscope.store.options import SeriesLimits
from veriscope.store.series_limits import ACTIVE_SINCE, Offence, SeriesGate
from veriscope.wire.remote_write_columns import WriteColumns

_EPOCH_S: Final = 3600
# Series whose labels are looked at together: the labels of one request may be millions.
_AT_ONCE: Final = 20_000
# Collectors hand over the same label sets again at least as often as this, or not at all.
_REMEMBERED_S: Final = 150
_MAX_REMEMBERED: Final = 500_000

Number = TypeVar("Number", np.int32, np.int64)
Batch: TypeAlias = SampleBatch | HistogramBatch | ExemplarBatch
"""Points of label sets that the same tuple holds each time."""


@dataclass(frozen=True, slots=True, eq=False)
class LookedAt:
    """Series whose labels were looked at, and the row of each, -1 where it has none."""

    rows: NDArray[np.int32]
    series: Identified


@dataclass(slots=True)
class Resolution:
    """
    The rows of the series of one request, -1 for a series that is refused or has no sample.

    `looked_at` has the series whose labels had to be looked at for it.
    """

    rows: NDArray[np.int32]
    looked_at: list[LookedAt] = field(default_factory=list)
    offences: Counter[Offence] = field(default_factory=Counter)


@dataclass(slots=True)
class _Remembered:
    """The rows of one tuple of label sets, held on to so that its identity stays its own."""

    label_sets: tuple[Labels, ...]
    rows: NDArray[np.int32]
    used_s: float


class SeriesResolver:
    """
    Finds the rows of series, and gives rows to new ones. One thread at a time.

    A series is active for one to two hours after it was written; then its row is forgotten.
    """

    def __init__(self, engine: Engine, limits: SeriesLimits, clock: Clock) -> None:
        self.known = KnownSeries()
        self._engine = engine
        self._clock = clock
        self._gate = SeriesGate(engine, self.known, limits)
        self._loaded = False
        self._epoch = self._this_epoch()
        self._remembered: OrderedDict[int, _Remembered] = OrderedDict()
        self._remembered_sets = 0

    def begin(self) -> int:
        """Forget what is not active any more, and return the number of the hour."""
        now = self._this_epoch()
        if now != self._epoch:
            self._epoch = now
            if self.known.sweep(now - 1):
                self._gate.forget()
                self._forget_batches()
        return now

    def forget(self) -> None:
        """Know nothing any more: table `series` was changed behind our back."""
        self.known.clear()
        self._gate.forget()
        self._forget_batches()
        self._loaded = False

    def resolve(self, request: WriteColumns | Batch) -> Resolution:
        """Return the rows of *request*; raises `RefusedError` where a label set breaks a rule."""
        if isinstance(request, WriteColumns):
            return self._resolve_columns(request)
        return self._resolve_batch(request)

    def look_at(
        self, request: WriteColumns | Batch, places: NDArray[np.int64], rows: NDArray[np.int32]
    ) -> list[LookedAt]:
        """Return the series at *places* in *request*, whose *rows* are known, with their labels."""
        identified = self._identified(request, places)
        return [LookedAt(*each) for each in zip(_parts(rows), identified, strict=True)]

    def _resolve_columns(self, request: WriteColumns) -> Resolution:
        rows = self.known.find(request.keys)
        found = Resolution(rows)
        strangers = np.flatnonzero(rows < 0)
        if not len(strangers):
            return found
        # A sender may name a series more than once: its exemplars stand apart, for example.
        strangers, groups, leads = _distinct(request.keys, strangers)
        # All of them before any gets a row: one bad label set refuses the request.
        identified = list(self._identified(request, leads))
        meant = np.zeros(len(leads), dtype=np.bool_)
        np.logical_or.at(meant, groups, request.points[strangers] > 0)
        placed = np.full(len(leads), -1, dtype=np.int32)
        for part, series in zip(_parts(np.arange(len(leads))), identified, strict=True):
            named = np.flatnonzero(meant[part])
            placed[part[named]] = self._place(series.take(named), found)
        rows[strangers] = placed[groups]
        self.known.name(request.keys[leads], placed)
        return found

    def _resolve_batch(self, batch: Batch) -> Resolution:
        key, now_s = id(batch.labels), self._clock.monotonic_s()
        remembered = self._remembered.get(key)
        if remembered is not None:
            remembered.used_s = now_s
            self._remembered.move_to_end(key)
            return Resolution(remembered.rows)
        found = Resolution(np.empty(0, dtype=np.int32))
        identified = list(self._identified(batch, np.arange(len(batch.labels))))
        placed = [self._place(series, found) for series in identified]
        found.rows = np.concatenate([found.rows, *placed])
        if not found.offences:
            self._remember(_Remembered(batch.labels, found.rows, now_s))
        return found

    def _identified(
        self, request: WriteColumns | Batch, places: NDArray[np.int64]
    ) -> Iterator[Identified]:
        """Yield the series at *places* in *request*, some at a time."""
        for part in _parts(places):
            if isinstance(request, WriteColumns):
                yield identify(request.senders.labels(part))
            else:
                yield identify_text([request.labels[place] for place in part.tolist()])

    def _place(self, series: Identified, found: Resolution) -> NDArray[np.int32]:
        """Return the row of each of *series*; new ones get one where the gate lets them in."""
        self._load_active()
        rows = self.known.find_ids(series.ids)
        if np.any(rows < 0):
            strangers = np.flatnonzero(rows < 0)
            _, first = np.unique(series.ids[strangers], return_index=True)
            admitted, offences = self._gate.admit(series.take(strangers[np.sort(first)]))
            found.offences += offences
            self.known.add(self.known.numbers_of(admitted.metrics), admitted.ids, self._epoch)
            rows = self.known.find_ids(series.ids)
        found.looked_at.append(LookedAt(rows, series))
        return rows

    def _load_active(self) -> None:
        """Take the series that were active before this process began from the engine, once."""
        if self._loaded:
            return
        stored = self._engine.query(
            "SELECT CAST(metric, 'String') AS metric, id,"  # noqa: S608 - a constant condition
            # Of one row, not of all: what lies between two rows is in neither until they merge.
            " toUnixTimestamp64Milli(argMax(first_ts, last_ts)) AS first_ms,"
            " toUnixTimestamp64Milli(max(last_ts)) AS last_ms"
            f" FROM series WHERE {ACTIVE_SINCE} GROUP BY metric, id, week"
            " ORDER BY week DESC LIMIT 1 BY id"
        )
        self._loaded = True
        if not stored.num_rows:
            return
        numbers = self.known.numbers_of(stored["metric"].combine_chunks())
        rows = self.known.add(numbers, stored["id"].to_numpy(), self._epoch)
        self.known.cover(rows, stored["first_ms"].to_numpy(), stored["last_ms"].to_numpy())

    def _remember(self, one: _Remembered) -> None:
        self._remembered[id(one.label_sets)] = one
        self._remembered_sets += len(one.label_sets)
        expired_s = one.used_s - _REMEMBERED_S
        while self._remembered:
            oldest = next(iter(self._remembered.values()))
            if oldest.used_s > expired_s and self._remembered_sets <= _MAX_REMEMBERED:
                break
            self._remembered.popitem(last=False)
            self._remembered_sets -= len(oldest.label_sets)

    def _forget_batches(self) -> None:
        self._remembered.clear()
        self._remembered_sets = 0

    def _this_epoch(self) -> int:
        return int(self._clock.monotonic_s() // _EPOCH_S)


def _parts(places: NDArray[Number]) -> list[NDArray[Number]]:
    """Return *places* in parts that are looked at together."""
    return [places[start : start + _AT_ONCE] for start in range(0, len(places), _AT_ONCE)]


def _distinct(
    keys: NDArray[np.uint64], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """
    Return *places* in another order, the group that each is in, and the first of each group.

    Places of equal keys are one group; one without a key is a group of its own.
    """
    has_key = keys[places].any(axis=1)
    keyed, alone = places[has_key], places[~has_key]
    _, first, groups = np.unique(keys[keyed], axis=0, return_index=True, return_inverse=True)
    # In the order of the request, so that it is what comes last in it that is one too many.
    order = np.argsort(first)
    numbers = np.concatenate(
        (np.argsort(order)[groups.ravel()], len(first) + np.arange(len(alone)))
    )
    return np.concatenate((keyed, alone)), numbers, np.concatenate((keyed[first[order]], alone))

"""Which series the samples of a request belong to."""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Clock, Labels, SampleBatch
from veriscope.signals.exemplars import ExemplarBatch
from veriscope.signals.histograms import HistogramBatch
from veriscope.store.engine import Engine
from veriscope.store.identity import identify, identify_text
from veriscope.store.known import KnownSeries
from veriscope.store.options import SeriesLimits
from veriscope.store.series_limits import ACTIVE_SINCE, Offence, SeriesGate
from veriscope.wire.remote_write_columns import WriteColumns

_EPOCH_S: Final = 3600
# New series whose labels are looked at together: the labels of one request may be millions.
_AT_ONCE: Final = 2_000
# Collectors hand over the same label sets again at least as often as this, or not at all.
_REMEMBERED_S: Final = 150
_MAX_REMEMBERED: Final = 500_000


Batch: TypeAlias = SampleBatch | HistogramBatch | ExemplarBatch
"""Points of label sets that the same tuple holds each time."""


@dataclass(slots=True)
class Resolution:
    """
    The rows of the series of one request, -1 for a series that is refused or has no sample.

    `labels` has the label sets by row that had to be looked at.
    """

    rows: NDArray[np.int32]
    labels: dict[int, Labels] = field(default_factory=dict)
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

    def labels_of(self, request: WriteColumns | Batch, places: NDArray[np.int64]) -> list[Labels]:
        """Return the label sets of the series at *places* in *request*."""
        if isinstance(request, WriteColumns):
            return [identify(sent)[2] for sent in request.senders.labels(places)]
        return [identify_text(request.labels[place])[2] for place in places.tolist()]

    def _resolve_columns(self, request: WriteColumns) -> Resolution:
        rows = self.known.find(request.keys)
        found = Resolution(rows)
        strangers = np.flatnonzero(rows < 0)
        if not len(strangers):
            return found
        # A sender may name a series more than once: its exemplars stand apart, for example.
        strangers, groups, leads = _distinct(request.keys, strangers)
        identified: list[tuple[str, int, Labels]] = []
        for start in range(0, len(leads), _AT_ONCE):
            sent = request.senders.labels(leads[start : start + _AT_ONCE])
            identified += [identify(labels) for labels in sent]
        meant = np.zeros(len(leads), dtype=np.bool_)
        np.logical_or.at(meant, groups, request.points[strangers] > 0)
        named = [one for one, has in zip(identified, meant.tolist(), strict=True) if has]
        placed = np.full(len(leads), -1, dtype=np.int32)
        placed[meant] = self._place(named, found)
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
        found.rows = self._place([identify_text(labels) for labels in batch.labels], found)
        if not found.offences:
            self._remember(_Remembered(batch.labels, found.rows, now_s))
        return found

    def _place(self, named: list[tuple[str, int, Labels]], found: Resolution) -> NDArray[np.int32]:
        """Return the row of each of *named*; new ones get one where the gate lets them in."""
        self._load_active()
        ids = np.array([identity for _, identity, _ in named], dtype=np.uint64)
        rows = self.known.find_ids(ids)
        if np.any(rows < 0):
            new = {named[place][1]: named[place] for place in np.flatnonzero(rows < 0).tolist()}
            admitted, found.offences = self._gate.admit(new.values())
            self.known.add(
                [self.known.number_of(metric) for metric, _, _ in admitted],
                [identity for _, identity, _ in admitted],
                self._epoch,
            )
            rows = self.known.find_ids(ids)
        for row, (_, _, labels) in zip(rows.tolist(), named, strict=True):
            found.labels[row] = labels
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
        metrics = stored["metric"].combine_chunks().dictionary_encode()
        numbers = np.array([self.known.number_of(name) for name in metrics.dictionary.to_pylist()])
        rows = self.known.add(
            numbers[metrics.indices.to_numpy()], stored["id"].to_numpy(), self._epoch
        )
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

"""Inserts metrics: what a sender has named before goes to the engine as columns, untouched."""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.signals import (
    Clock,
    InvalidInputError,
    MetricMetadata,
    SystemClock,
    VeriscopeError,
)
from veriscope.signals.histograms import Histograms
from veriscope.store.commits import Commit, CommitLog, HistogramColumns, NewSeries
from veriscope.store.descriptions import Descriptions
from veriscope.store.engine import Engine
from veriscope.store.errors import RefusedError
from veriscope.store.identity import Identified
from veriscope.store.options import SeriesLimits
from veriscope.store.requests import Accepted, MetricRequest, Points, accept
from veriscope.store.resolution import LookedAt, SeriesResolver
from veriscope.store.starts import with_zeros
from veriscope.store.weeks import hours_by_week, week_of
from veriscope.store.write_tables import (
    exemplars_table,
    histograms_table,
    metadata_table,
    samples_table,
    series_table,
)
from veriscope.wire.remote_write_columns import WriteColumns
from veriscope.wire.remote_write_v1 import decode_v1
from veriscope.wire.remote_write_v2 import decode_v2

_READERS: Final = {1: decode_v1, 2: decode_v2}
_Spans: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]


class MetricWriter:
    """
    Writes metrics; safe to use from many threads. A call returns when all of it is durable.

    Raises `EngineError` when the engine fails; all of it should be sent again then, which is
    safe: a sample is stored once however often it is sent.
    """

    def __init__(
        self,
        engine: Engine,
        log: CommitLog | None = None,
        limits: SeriesLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._engine = engine
        self._log = log or CommitLog()
        self._series = SeriesResolver(engine, limits or SeriesLimits(), clock or SystemClock())
        self._descriptions = Descriptions(self._series.known)
        self._key = (secrets.randbits(64), secrets.randbits(64))
        self._lock = threading.Lock()

    @property
    def active_series(self) -> int:
        """How many series were written within the last hour or two."""
        return len(self._series.known)

    def decode(
        self,
        message: bytes | memoryview,
        version: int = 1,
        recall: Callable[[], bytes] | None = None,
    ) -> WriteColumns:
        """
        Read an uncompressed remote write message of major *version* 1 or 2, for `insert`.

        With *recall*, which gives the message again, nothing refers to *message* afterwards.
        Raises `RefusedError` where it is malformed, `LimitExceededError` where it holds too much.
        """
        try:
            return _READERS[version](message, self._key, recall)
        except InvalidInputError as error:
            raise _refusal(error) from error

    def insert_remote_write(self, messages: Sequence[bytes], version: int = 1) -> None:
        """Insert uncompressed messages; raises the first refusal once the others are stored."""
        _raise_first(self.insert([self.decode(message, version) for message in messages]))

    def insert_batches(self, batches: Sequence[MetricRequest]) -> None:
        """Insert *batches* and their metadata; raises the first refusal likewise."""
        _raise_first(self.insert(batches))

    def insert(self, requests: Sequence[MetricRequest]) -> list[VeriscopeError | None]:
        """
        Insert *requests* and return why each was refused, or None where all of it is stored.

        A request with a label set that breaks a rule is refused as a whole (`RefusedError`); one
        with too many new series without these series (`PartlyRefusedError`).
        """
        with self._lock:
            epoch = self._series.begin()
            outcomes: list[VeriscopeError | None] = []
            accepted: list[Accepted] = []
            metadata: set[MetricMetadata] = set()
            for request in requests:
                try:
                    alone = self._descriptions.standing_alone(request)
                    one = accept(request, self._series.resolve(request))
                    metadata |= alone | self._descriptions.beside_series(one)
                except InvalidInputError as error:
                    outcomes.append(_refusal(error))
                else:
                    accepted.append(one)
                    outcomes.append(one.refusal)
            self._store_metadata(frozenset(metadata), accepted)
            try:
                self._store(accepted, epoch)
            except BaseException:
                # Nobody knows how much of it is stored.
                self._log.invalidate()
                self._series.known.forget_starts()
                raise
            return outcomes

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let nothing be written meanwhile, and look at what is stored of each series anew."""
        with self._lock:
            try:
                yield
            finally:
                self._series.forget()

    def _store_metadata(
        self, metadata: frozenset[MetricMetadata], accepted: list[Accepted]
    ) -> None:
        untold = self._descriptions.untold(metadata)
        if untold:
            self._engine.insert_arrow("metric_metadata", metadata_table(untold))
        self._descriptions.tell(untold, accepted)

    def _store(self, accepted: list[Accepted], epoch: int) -> None:
        known = self._series.known
        accepted = [with_zeros(one, known) for one in accepted]
        points = [kind for one in accepted for kind in one.kinds]
        if not points:
            return
        rows = np.concatenate([kind.rows for kind in points])
        looked_at = [each for one in accepted for each in one.resolution.looked_at]
        # First the series: samples whose series nobody knows would be lost if we died here.
        spans = self._store_series(accepted, looked_at)
        used, places = _numbered_anew(known.metric[rows], len(known.metrics))
        names = tuple([known.metrics[number] for number in used.tolist()])
        fresh = np.unique(known.untold(rows))
        commit = Commit(
            names,
            *self._columns([one.samples for one in accepted], places),
            np.concatenate([one.values for one in accepted]),
            self._new_series(fresh, looked_at, places),
            histograms=self._histograms(accepted, places),
            series_written=spans is not None,
        )
        self._log.announce(commit)
        self._store_exemplars(accepted, names, places)
        if commit.histograms is not None:
            self._engine.insert_arrow("histograms", histograms_table(names, commit.histograms))
        if len(commit.values):
            columns = (commit.metric, commit.ids, commit.timestamps_ms, commit.values)
            self._engine.insert_arrow("samples", samples_table(names, *columns))
        known.use(rows, epoch)
        known.tell(fresh)
        if spans is not None:
            known.cover(*spans)
        self._log.append(commit)

    def _store_series(self, accepted: list[Accepted], looked_at: list[LookedAt]) -> _Spans | None:
        """
        Write what table `series` lacks; return rows with the span that it then covers.

        Series whose labels have to be looked at for it are added to *looked_at*.
        """
        known = self._series.known
        lacking = []
        for one in accepted:
            for points in one.kinds:
                outside = known.uncovered(points.rows, points.times_ms)
                if np.any(outside):
                    lacking.append((one, points.where(outside)))
        if not lacking:
            return None
        self._look_at(lacking, looked_at)
        rows, weeks, first_ms, last_ms = hours_by_week(
            np.concatenate([points.rows for _, points in lacking]),
            np.concatenate([points.times_ms for _, points in lacking]),
        )
        had_first, had_last = known.covered(rows)
        same = (had_last >= 0) & (week_of(had_last) == weeks)
        # The whole span in one row: a sample between two rows would be in neither.
        first_ms = np.where(same, np.minimum(first_ms, had_first), first_ms)
        last_ms = np.where(same, np.maximum(last_ms, had_last), last_ms)
        used, numbers = _numbered_anew(known.metric[rows], len(known.metrics))
        names = tuple([known.metrics[number] for number in used.tolist()])
        tables = []
        for mine, found in _each_once(looked_at, rows, len(known)):
            some = rows[mine]
            tables.append(
                series_table(
                    names,
                    numbers[known.metric[some]],
                    found,
                    weeks=weeks[mine],
                    first_ms=first_ms[mine],
                    last_ms=last_ms[mine],
                )
            )
        self._engine.insert_arrow("series", pa.concat_tables(tables))
        newest = np.append(rows[1:] != rows[:-1], True)
        return rows[newest], first_ms[newest], last_ms[newest]

    def _look_at(self, lacking: list[tuple[Accepted, Points]], looked_at: list[LookedAt]) -> None:
        """Add the series of *lacking* to *looked_at* that are not there."""
        there = np.zeros(len(self._series.known), dtype=np.bool_)
        for each in looked_at:
            there[each.rows[each.rows >= 0]] = True
        for one, points in lacking:
            rows, first = np.unique(points.rows, return_index=True)
            missing = ~there[rows]
            rows, places = rows[missing], points.places[first[missing]]
            looked_at += self._series.look_at(one.request, places, rows)
            there[rows] = True

    def _new_series(
        self, rows: NDArray[np.int32], looked_at: list[LookedAt], places: NDArray[np.int32]
    ) -> tuple[NewSeries, ...]:
        """Return the series in *rows*; *places* are those of their metrics."""
        known = self._series.known
        return tuple(
            [
                NewSeries(places[known.metric[rows[mine]]], found.ids, found.labels)
                for mine, found in _each_once(looked_at, rows, len(known))
            ]
        )

    def _columns(
        self, points: list[Points], places: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int64]]:
        """Return metric (by *places*), id and time of *points*."""
        rows = np.concatenate([some.rows for some in points])
        known = self._series.known
        times_ms = np.concatenate([some.times_ms for some in points])
        return places[known.metric[rows]], known.ids[rows], times_ms

    def _histograms(
        self, accepted: list[Accepted], places: NDArray[np.int32]
    ) -> HistogramColumns | None:
        points = [one.histogram_points for one in accepted]
        if not any(map(len, points)):
            return None
        values = Histograms.concatenate([one.histograms for one in accepted])
        return HistogramColumns(*self._columns(points, places), values)

    def _store_exemplars(
        self, accepted: list[Accepted], names: tuple[str, ...], places: NDArray[np.int32]
    ) -> None:
        points = [one.exemplars for one in accepted]
        if not any(map(len, points)):
            return
        values = np.concatenate([one.exemplar_values for one in accepted])
        labels = [labels for one in accepted for labels in one.exemplar_labels]
        columns = self._columns(points, places)
        self._engine.insert_arrow(
            "exemplars", exemplars_table(names, *columns, values, labels=labels)
        )


def _refusal(error: InvalidInputError) -> InvalidInputError:
    """Return *error* as a refusal, unless it says more than that already."""
    return RefusedError(str(error)) if type(error) is InvalidInputError else error


def _raise_first(outcomes: Sequence[VeriscopeError | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _each_once(
    looked_at: Sequence[LookedAt], rows: NDArray[np.int32], count: int
) -> Iterator[tuple[NDArray[np.int64], Identified]]:
    """
    Yield places in *rows*, in parts, and the series that was looked at for each.

    All rows are below *count*; places whose series was not looked at are left out.
    """
    lacking = np.ones(len(rows), dtype=np.bool_)
    for each in looked_at:
        found = np.full(count + 1, -1, dtype=np.int32)
        found[each.rows] = np.arange(len(each.rows), dtype=np.int32)
        # What has no row is written to the last place, which no row leads to.
        mine = np.flatnonzero(lacking & (found[rows] >= 0))
        if len(mine):
            lacking[mine] = False
            yield mine, each.series.take(found[rows[mine]].astype(np.int64))


def _numbered_anew(
    numbers: NDArray[np.int32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return which numbers below *count* occur, and the place among these of each below *count*."""
    used = np.flatnonzero(np.bincount(numbers, minlength=count))
    places = np.zeros(count, dtype=np.int32)
    places[used] = np.arange(len(used), dtype=np.int32)
    return used, places

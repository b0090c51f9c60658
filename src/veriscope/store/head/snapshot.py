"""What is known of one metric at one version of the store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import HistogramSamples, Labels, Matcher, RaggedSamples, Segment
from veriscope.store.head import kernels
from veriscope.store.head.catalog import Catalog
from veriscope.store.head.columns import Arrivals, Columns
from veriscope.store.head.histograms import HistogramRows

# No sample is later, and it is a number of 64 bits.
_LAST_MS: Final = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class SeriesTable:
    """The id of each row, and a hash table that finds the row of an id."""

    ids: NDArray[np.uint64]
    _table: NDArray[np.int32]

    @classmethod
    def of(cls, ids: NDArray[np.uint64]) -> "SeriesTable":
        """Return the table of *ids*, each of which is there once."""
        table = np.full(1 << max(4, (4 * len(ids)).bit_length()), -1, dtype=np.int32)
        kernels.enter(table, ids, 0)
        return cls(ids, table)

    def rows(self, ids: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of each of *ids*, -1 where it has none."""
        rows = np.empty(len(ids), dtype=np.int32)
        kernels.find(ids, self._table, self.ids, rows)
        return rows

    def with_ids(self, ids: NDArray[np.uint64]) -> "SeriesTable":
        """Return the table with *ids*, new ones, as rows behind the others."""
        both = np.concatenate([self.ids, ids])
        if 2 * len(both) > len(self._table):
            return SeriesTable.of(both)
        table = self._table.copy()
        kernels.enter(table, both, len(self.ids))
        return SeriesTable(both, table)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """
    Every series of a metric that has samples after `after_ms`, and these samples.

    `version` is that of the `CommitLog`: all of it, and nothing else, is missing that was
    committed later. `orphans` are ids of samples without a series.
    """

    version: int
    after_ms: int
    catalog: Catalog
    series: SeriesTable
    columns: Columns
    orphans: frozenset[int]
    histograms: HistogramRows | None = None

    @property
    def nbytes(self) -> int:
        """The memory of the samples."""
        return self.columns.nbytes + (self.histograms.nbytes if self.histograms else 0)

    @property
    def newest_ms(self) -> int:
        """No sample is newer; -1 without samples."""
        newest_ms = self.columns.newest_ms
        return max(newest_ms, self.histograms.newest_ms) if self.histograms else newest_ms

    @property
    def is_mostly_empty(self) -> bool:
        """Tell whether most series have ended before the samples that are held."""
        return self.histograms is None and 2 * self.columns.empty_rows > len(self.catalog)

    def select(self, matchers: tuple[Matcher, ...], after_ms: int, until_ms: int) -> RaggedSamples:
        """Return the samples in `(after_ms, until_ms]` of the series that have any and match."""
        after_ms, until_ms = max(after_ms, -1), min(until_ms, _LAST_MS)
        selection = self.catalog.select(matchers)
        segment, empty = self.columns.cut(selection.rows, after_ms, until_ms)
        filled = segment.stops > segment.starts if empty else None
        if self.histograms is not None:
            native = self._histograms(self.histograms, selection.rows, after_ms, until_ms)
            if filled is not None:
                filled[native.rows] = True
            segment = replace(segment, histograms=native if len(native.rows) else None)
        if filled is None or filled.all():
            return RaggedSamples(selection.labels, (segment,))
        return RaggedSamples(selection.part(filled), (_rows(segment, filled),))

    def _histograms(
        self, histograms: HistogramRows, rows: NDArray[np.int64], after_ms: int, until_ms: int
    ) -> HistogramSamples:
        places = np.full(len(self.catalog), -1)
        places[rows] = np.arange(len(rows))
        return histograms.cut(places, after_ms, until_ms)

    def with_unknown(
        self,
        ids: NDArray[np.uint64],
        labels_of: Callable[[list[int]], Sequence[Labels]],
    ) -> "Snapshot":
        """Return the snapshot with a row for each of *ids* that has labels and no row yet."""
        new = np.unique(ids[self.series.rows(ids) < 0])
        if not len(new):
            return self
        labels = labels_of(new.tolist())
        named = np.array([bool(row) for row in labels], dtype=np.bool_)
        orphans = self.orphans.union(new[~named].tolist())
        made = self.with_series(new[named], [row for row in labels if row])
        return replace(made, orphans=orphans)

    def with_series(self, ids: NDArray[np.uint64], labels: Sequence[Labels]) -> "Snapshot":
        """Return the snapshot with a row for each of *ids*, without samples as yet."""
        return replace(
            self,
            catalog=self.catalog.extended(labels),
            series=self.series.with_ids(ids),
            columns=self.columns.grown(len(ids)),
        )

    def with_samples(self, arrivals: Arrivals, after_ms: int) -> "Snapshot":
        """
        Return the snapshot with *arrivals*.

        Where their rows must be copied for it, samples not after *after_ms* are dropped.
        """
        columns = self.columns.with_samples(arrivals, self.after_ms)
        if columns is not None:
            return replace(self, columns=columns)
        after_ms = max(after_ms, self.after_ms)
        room = self.columns.room_for(arrivals) + (self.columns.samples >> 4)
        columns = self.columns.rebuilt(after_ms, room).with_samples(arrivals, after_ms)
        if columns is None:
            raise AssertionError("columns were made with too little room")
        return replace(self, after_ms=after_ms, columns=columns)

    def with_histograms(self, more: HistogramRows, after_ms: int) -> "Snapshot":
        """
        Return the snapshot with *more* native histograms.

        Where all must be copied for it, those not after *after_ms* are dropped.
        """
        if self.histograms is None:
            return replace(self, histograms=more)
        made = self.histograms.with_samples(more, after_ms)
        if made.newer is None:
            return replace(self, histograms=made, after_ms=max(after_ms, self.after_ms))
        return replace(self, histograms=made)


def _rows(segment: Segment, chosen: NDArray[np.bool_]) -> Segment:
    """Return only the rows *chosen*, among which are all that have histograms."""
    histograms = segment.histograms
    if histograms is not None:
        places = np.cumsum(chosen) - 1
        histograms = replace(histograms, rows=places[histograms.rows])
    return replace(
        segment,
        starts=segment.starts[chosen],
        stops=segment.stops[chosen],
        histograms=histograms,
    )

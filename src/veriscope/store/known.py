"""The series that are being written: their ids by the keys under which senders name them."""

import secrets
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.store import known_kernels as kernels

_LEAST_SLOTS: Final = 1 << 10
_MAX_LOAD: Final = 0.7
_SPARE: Final = 16
# Senders name a series in one way each; more ways than this are those of one that has no order.
_MAX_KEYS_PER_SERIES: Final = 4
_SPARE_KEYS: Final = 1 << 14
_COLUMNS: Final = ("_ids", "_metric", "_first", "_last", "_used", "_told", "_described", "_newest")
_NEVER_FIRST: Final = np.iinfo(np.int64).max
_NEVER_LAST: Final = np.int64(-1)
# No rate looks back further as a rule, and an old start would be one more row of an old week.
_START_WINDOW_MS: Final = np.int64(24 * 3_600_000)


class RowTable:
    """Row numbers by 128-bit keys. One writer; a reader of its own thread needs a lock."""

    def __init__(self) -> None:
        self._secret = np.uint64(secrets.randbits(64) | 1)
        self.clear()

    def __len__(self) -> int:
        """Count the keys."""
        return self._used

    @property
    def nbytes(self) -> int:
        """Memory of the table."""
        return self._keys.nbytes + self._rows.nbytes

    def clear(self) -> None:
        """Forget every key."""
        self._allot(_LEAST_SLOTS)

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of each of *keys* (shape `(n, 2)`), -1 where it has none."""
        found = np.empty(len(keys), dtype=np.int32)
        kernels.find_rows(self._keys, self._rows, self._secret, keys, found)
        return found

    def add(self, keys: NDArray[np.uint64], rows: NDArray[np.int32]) -> None:
        """Let each of *keys* lead to its row; a key of zeros and a row of -1 are left out."""
        if (wanted := self._used + len(keys)) > _MAX_LOAD * len(self._rows):
            taken = np.flatnonzero(self._rows >= 0)
            self._rebuild(self._keys[taken], self._rows[taken], wanted)
        self._used += kernels.add_rows(self._keys, self._rows, self._secret, keys, rows)

    def renumber(self, new_rows: NDArray[np.int32]) -> None:
        """Let each key lead to `new_rows[row]` in place of its row; -1 forgets the key."""
        taken = np.flatnonzero(self._rows >= 0)
        keys, rows = self._keys[taken], new_rows[self._rows[taken]]
        kept = rows >= 0
        self._rebuild(keys[kept], rows[kept], int(np.count_nonzero(kept)))

    def _rebuild(self, keys: NDArray[np.uint64], rows: NDArray[np.int32], wanted: int) -> None:
        self._allot(max(_LEAST_SLOTS, 1 << (2 * wanted).bit_length()))
        self._used = kernels.add_rows(self._keys, self._rows, self._secret, keys, rows)

    def _allot(self, slots: int) -> None:
        self._keys: NDArray[np.uint64] = np.zeros((slots, 2), dtype=np.uint64)
        self._rows: NDArray[np.int32] = np.full(slots, -1, dtype=np.int32)
        self._used = 0


class KnownSeries:
    """
    One row for each series that is being written, and the ways to find it.

    A row holds the series' id, the number of its metric, when it was last used, which times its
    rows of table `series` cover (`first_ms` to `last_ms`, both within, one span), and, where its
    samples come with the time at which it began to count, the newest time that it has. Rows stay
    in place until `sweep` or `clear`. One thread at a time.
    """

    def __init__(self) -> None:
        self._keys, self._by_id = RowTable(), RowTable()
        self._forget()

    def _forget(self) -> None:
        self._count = 0
        self.metrics: list[str] = []
        self._metric_numbers: dict[str, int] = {}
        self._of_metric: NDArray[np.int64] = np.zeros(_SPARE, dtype=np.int64)
        self._ids: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._metric: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._first: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._last: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._used: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._told: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._described: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._newest: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        """Count the series."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory of the tables, the names of metrics left out."""
        columns = sum(int(getattr(self, name).nbytes) for name in _COLUMNS)
        return columns + self._keys.nbytes + self._by_id.nbytes

    @property
    def ids(self) -> NDArray[np.uint64]:
        """The id of each row."""
        return self._ids[: self._count]

    @property
    def metric(self) -> NDArray[np.int32]:
        """The place in `metrics` of each row's metric."""
        return self._metric[: self._count]

    def count_of(self, metric: str) -> int:
        """Return how many series *metric* has."""
        place = self._metric_numbers.get(metric)
        return 0 if place is None else int(self._of_metric[place])

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of each series that a sender named by *keys*, -1 where unknown."""
        return self._keys.find(keys)

    def find_ids(self, ids: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of each of *ids*, -1 where unknown."""
        return self._by_id.find(_id_keys(ids))

    def name(self, keys: NDArray[np.uint64], rows: NDArray[np.int32]) -> None:
        """
        Remember that a sender names the series in *rows* by *keys*.

        Where there are many more names than series, all former ones are forgotten.
        """
        if len(self._keys) + len(keys) > _MAX_KEYS_PER_SERIES * len(self) + _SPARE_KEYS:
            self._keys.clear()
        self._keys.add(keys, rows)

    def number_of(self, metric: str) -> int:
        """Return the place of *metric* in `metrics`; it gets one where it has none."""
        place = self._metric_numbers.setdefault(metric, len(self.metrics))
        if place == len(self.metrics):
            self.metrics.append(metric)
            if place == len(self._of_metric):
                self._of_metric = np.concatenate((self._of_metric, np.zeros_like(self._of_metric)))
        return place

    def numbers_of(self, metrics: pa.Array) -> NDArray[np.int64]:
        """Return the place in `metrics` of each of *metrics*, strings; see `number_of`."""
        encoded = metrics.dictionary_encode()
        places = [self.number_of(metric) for metric in encoded.dictionary.to_pylist()]
        numbers: NDArray[np.int64] = np.array(places, dtype=np.int64)[encoded.indices.to_numpy()]
        return numbers

    def add(
        self,
        metrics: Sequence[int] | NDArray[np.int64],
        ids: Sequence[int] | NDArray[np.uint64],
        epoch: int,
    ) -> NDArray[np.int32]:
        """Give a row to each of *ids*, which have none; *metrics* are places in `metrics`."""
        start, end = self._count, self._count + len(ids)
        if end > len(self._ids):
            self._resize(max(end, 2 * len(self._ids)))
        self._ids[start:end] = np.asarray(ids, dtype=np.uint64)
        self._metric[start:end] = metrics
        self._first[start:end], self._last[start:end] = _NEVER_FIRST, _NEVER_LAST
        self._used[start:end] = epoch
        self._told[start:end] = False
        self._described[start:end] = 0
        self._newest[start:end] = 0
        np.add.at(self._of_metric, self._metric[start:end], 1)
        self._count = end
        rows = np.arange(start, end, dtype=np.int32)
        self._by_id.add(_id_keys(self._ids[start:end]), rows)
        return rows

    def use(self, rows: NDArray[np.int32], epoch: int) -> None:
        """Note that *rows* are written now."""
        self._used[rows] = epoch

    def uncovered(self, rows: NDArray[np.int32], times_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell for each time of each of *rows* whether table `series` must be told of it."""
        outside: NDArray[np.bool_] = (times_ms < self._first[rows]) | (times_ms > self._last[rows])
        return outside

    def cover(
        self,
        rows: NDArray[np.int32],
        first_ms: NDArray[np.int64],
        last_ms: NDArray[np.int64],
    ) -> None:
        """Note what table `series` says of *rows* (each once) now; it takes the former's place."""
        self._first[rows], self._last[rows] = first_ms, last_ms

    def covered(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the span that is covered of each of *rows*; empty spans end before they begin."""
        return self._first[rows], self._last[rows]

    def untold(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return those of *rows* that were not told of."""
        return rows[~self._told[rows]]

    def tell(self, rows: NDArray[np.int32]) -> None:
        """Note that readers were told of *rows*."""
        self._told[rows] = True

    def undescribed(self, rows: NDArray[np.int32], hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Tell of each of *rows* whether metadata of another hash was noted last, or none."""
        unlike: NDArray[np.bool_] = self._described[rows] != hashes
        return unlike

    def describe(self, rows: NDArray[np.int32], hashes: NDArray[np.uint64]) -> None:
        """Note the hash of the metadata of each of *rows*."""
        self._described[rows] = hashes

    def starts(
        self, rows: NDArray[np.int32], times_ms: NDArray[np.int64], starts_ms: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """
        Tell for each point of *rows* whether it says that its series began to count anew.

        That is a time before it, by a day at most, and after all points of the series that this
        was asked of before.
        """
        chosen = np.empty(len(rows), dtype=np.bool_)
        kernels.find_starts(self._newest, rows, times_ms, starts_ms, _START_WINDOW_MS, chosen)
        return chosen

    def forget_starts(self) -> None:
        """Take the next start of each series for a new one."""
        self._newest[:] = 0

    def sweep(self, before_epoch: int) -> int:
        """Forget what was not used since *before_epoch* and return how many series that were."""
        kept = np.flatnonzero(self._used[: self._count] >= before_epoch)
        gone = self._count - len(kept)
        if not gone:
            return 0
        new_rows = np.full(self._count, -1, dtype=np.int32)
        new_rows[kept] = np.arange(len(kept), dtype=np.int32)
        self._keys.renumber(new_rows)
        self._by_id.renumber(new_rows)
        self._compact(kept)
        return gone

    def clear(self) -> None:
        """Forget everything."""
        self._keys.clear()
        self._by_id.clear()
        self._forget()

    def _compact(self, kept: NDArray[np.intp]) -> None:
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name)[kept])
        self._count = len(kept)
        counts = np.bincount(self._metric, minlength=len(self.metrics))
        live = np.flatnonzero(counts)
        places = np.zeros(len(counts), dtype=np.int32)
        places[live] = np.arange(len(live), dtype=np.int32)
        self._metric = places[self._metric]
        self.metrics = [self.metrics[place] for place in live.tolist()]
        self._metric_numbers = {name: place for place, name in enumerate(self.metrics)}
        self._of_metric = np.append(counts[live], np.zeros(_SPARE, dtype=np.int64))

    def _resize(self, rows: int) -> None:
        for name in _COLUMNS:
            old = getattr(self, name)
            new = np.zeros(rows, dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


def _id_keys(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Zero is an id like any other, and a key of zeros is none.
    return np.stack((ids, np.ones_like(ids)), axis=1)

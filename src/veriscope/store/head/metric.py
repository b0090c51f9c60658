"""One hot metric: its newest snapshot, and how that is kept current."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.signals import FetchLimits, RawFetch
from veriscope.signals.histograms import Histograms
from veriscope.store.commits import Commit, CommitLog, HistogramColumns
from veriscope.store.head.columns import Arrivals
from veriscope.store.head.histograms import HistogramRows
from veriscope.store.head.snapshot import Snapshot
from veriscope.store.labels import LabelCache

_ENTRY_BYTES: Final = 2048
# This much more than was asked for is kept before it: the next question may reach back further.
_MARGIN_MS: Final = 3_600_000


class HotMetric:
    """A metric that is asked for. Whoever changes it holds its `lock`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()
        self.counted_bytes = 0
        """What `HotMetrics` counts for it; under the lock of that, as is `uses`."""
        self.uses = 0
        """How often it was asked for of late."""
        self._snapshot: Snapshot | None = None
        self._reach_ms = 0
        self._reach_before_ms = 0
        self._refused_until_ms: int | None = None

    @property
    def is_held(self) -> bool:
        """Tell whether its samples are in memory."""
        return self._snapshot is not None

    @property
    def nbytes(self) -> int:
        """The memory of the samples."""
        snapshot = self._snapshot
        return _ENTRY_BYTES + (snapshot.nbytes if snapshot else 0)

    def at(self, version: int, fetch: RawFetch) -> Snapshot | None:
        """Return the snapshot where it is of *version* and reaches back to *fetch*."""
        snapshot = self._snapshot
        return self._reaching(snapshot, fetch) if snapshot and snapshot.version == version else None

    def current(
        self, fetch: RawFetch, log: CommitLog, labels: LabelCache, limits: FetchLimits
    ) -> Snapshot | None:
        """Return the snapshot with all commits where it reaches back to *fetch*."""
        self._catch_up(log, labels, limits)
        return self._reaching(self._snapshot, fetch)

    def begins_at(self, fetch: RawFetch) -> int:
        """Return after which time to load for *fetch*, so that the like of it is answered too."""
        margin = max(_MARGIN_MS, (fetch.end_ms - fetch.start_ms) >> 3)
        after_ms = fetch.start_ms - margin
        if (snapshot := self._snapshot) is not None and snapshot.newest_ms >= 0:
            reach_ms = max(self._reach_ms, self._reach_before_ms)
            after_ms = min(after_ms, snapshot.newest_ms - reach_ms - _MARGIN_MS)
        return max(after_ms, -1)

    def put(self, snapshot: Snapshot) -> None:
        """Take *snapshot*, which was loaded."""
        self._snapshot, self._refused_until_ms = snapshot, None

    def let_go(self) -> None:
        """Give the memory back. Whoever updates it just now may hold it once more."""
        self._snapshot = None

    def refuse(self, fetch: RawFetch) -> None:
        """Remember that the like of *fetch* is too large."""
        self._snapshot = None
        self._refused_until_ms = fetch.start_ms + max(60_000, (fetch.end_ms - fetch.start_ms) >> 3)

    def refuses(self, fetch: RawFetch) -> bool:
        """Tell whether the like of *fetch* was too large."""
        return self._refused_until_ms is not None and fetch.start_ms < self._refused_until_ms

    def _reaching(self, snapshot: Snapshot | None, fetch: RawFetch) -> Snapshot | None:
        if snapshot is None or snapshot.after_ms > max(fetch.start_ms, -1):
            return None
        self._reach_ms = max(self._reach_ms, snapshot.newest_ms - fetch.start_ms)
        return snapshot

    def _catch_up(self, log: CommitLog, labels: LabelCache, limits: FetchLimits) -> None:
        """Add what was committed since, or forget all where that cannot be known."""
        before = self._snapshot
        if before is None or before.version == log.version:
            return
        commits = log.since(before.version)
        mine = [commit for commit in commits or () if self.name in commit.metrics]
        if commits is None or self._revives(before, mine):
            self._snapshot = None
            return
        for commit in mine:
            self._learn(commit, labels)
        after = self._with(before, mine, labels, limits) if mine else before
        self._snapshot = replace(after, version=before.version + len(commits))
        if after.after_ms > before.after_ms:
            self._reach_before_ms, self._reach_ms = self._reach_ms, 0
            if after.is_mostly_empty:
                # Mostly series that have ended: what is loaded anew is without them.
                self._snapshot = None

    def _learn(self, commit: Commit, labels: LabelCache) -> None:
        number = commit.metrics.index(self.name)
        for series in commit.new_series:
            places = np.flatnonzero(series.metric == number)
            if len(places):
                found = series.labels.take(pa.array(places))
                labels.learn(series.ids[places].tolist(), found)

    def _revives(self, snapshot: Snapshot, commits: list[Commit]) -> bool:
        """Tell whether one of *commits* gives a series to samples that had none."""
        return bool(snapshot.orphans) and any(
            not snapshot.orphans.isdisjoint(series.ids.tolist())
            for commit in commits
            for series in commit.new_series
        )

    def _with(
        self, snapshot: Snapshot, commits: list[Commit], labels: LabelCache, limits: FetchLimits
    ) -> Snapshot:
        ids, times, values = _samples_of(self.name, commits)
        native = _histograms_of(self.name, commits)
        new = ids[times > snapshot.after_ms]
        if native is not None:
            new = np.concatenate([new, native.ids[native.timestamps_ms > snapshot.after_ms]])
        snapshot = snapshot.with_unknown(new, lambda series: labels.of(series, limits))
        reach_ms = max(self._reach_ms, self._reach_before_ms) + _MARGIN_MS
        after_ms = snapshot.newest_ms - reach_ms
        arrivals = Arrivals(snapshot.series.rows(ids), times, values)
        snapshot = snapshot.with_samples(arrivals, after_ms)
        if native is None:
            return snapshot
        rows = snapshot.series.rows(native.ids).astype(np.int64)
        kept = np.flatnonzero((rows >= 0) & (native.timestamps_ms > snapshot.after_ms))
        more = HistogramRows.of(rows[kept], native.timestamps_ms[kept], native.values.take(kept))
        return snapshot.with_histograms(more, after_ms)


def _samples_of(
    name: str, commits: Sequence[Commit]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.float64]]:
    """Return ids, times and values of the metric *name*."""
    masks = [commit.metric == commit.metrics.index(name) for commit in commits]
    parts = list(zip(commits, masks, strict=True))
    return (
        np.concatenate([commit.ids[mask] for commit, mask in parts]),
        np.concatenate([commit.timestamps_ms[mask] for commit, mask in parts]),
        np.concatenate([commit.values[mask] for commit, mask in parts]),
    )


def _histograms_of(name: str, commits: Sequence[Commit]) -> HistogramColumns | None:
    """Return the native histograms of the metric *name*, None where there are none."""
    parts = []
    for commit in commits:
        if (native := commit.histograms) is not None:
            mine = np.flatnonzero(native.metric == commit.metrics.index(name))
            parts.append((native, mine))
    if not any(len(mine) for _, mine in parts):
        return None
    return HistogramColumns(
        np.concatenate([native.metric[mine] for native, mine in parts]),
        np.concatenate([native.ids[mine] for native, mine in parts]),
        np.concatenate([native.timestamps_ms[mine] for native, mine in parts]),
        Histograms.concatenate([native.values.take(mine) for native, mine in parts]),
    )

"""The metrics that are held in memory: which, and within what bound."""

import sys
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, NamedTuple

from veriscope.signals import FetchLimits, RawFetch
from veriscope.store.commits import CommitLog
from veriscope.store.engine import Engine
from veriscope.store.head.loading import load, with_histograms
from veriscope.store.head.metric import HotMetric
from veriscope.store.head.names import MetricNames
from veriscope.store.head.snapshot import Snapshot
from veriscope.store.labels import LabelCache
from veriscope.store.select import count_metrics, count_span

# A metric with this many samples is loaded whatever was asked of it: that takes some 60 ms.
_SMALL: Final = 1_000_000
# Of a larger one, what is newer than the fetch must not be more than this many times the fetch.
_NEWER: Final = 8
_SAMPLES_AT_ONCE: Final = 4_000_000
# With its share of the room that rows have to grow.
_SAMPLE_BYTES: Final = 19
# Metrics that are remembered for how often they are asked for, held or not.
_MOST_METRICS: Final = 20_000
_HALVED_EACH: Final = 4_096


class HeadUse(NamedTuple):
    """What the head is good for; all but `nbytes` count since the start."""

    hits: int
    """Metrics that were asked for and held."""
    misses: int
    """Metrics that were asked for and had to be loaded, or were left to the engine."""
    evictions: int
    """Metrics that were let go to make room."""
    nbytes: int
    """What is held."""


class HotMetrics:
    """
    Metrics in memory, of at most *max_bytes*; safe to use from many threads.

    Where there is no room, one that is asked for more often takes the place of those that were
    not asked for longest. Until then it is left to the engine: to load metrics in turn, each
    instead of another, would be dearer than not to hold them at all.
    """

    def __init__(
        self,
        engine: Engine,
        labels: LabelCache,
        log: CommitLog,
        native: MetricNames,
        max_bytes: int,
    ) -> None:
        self._engine = engine
        self._labels = labels
        self._log = log
        self._native = native
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._metrics: OrderedDict[str, HotMetric] = OrderedDict()
        self._bytes = 0
        self._asked = 0
        self._hits = self._misses = self._evictions = 0

    def use(self) -> HeadUse:
        """Return what was found here so far."""
        with self._lock:
            return HeadUse(self._hits, self._misses, self._evictions, self._bytes)

    def has(self, name: str) -> bool:
        """Tell whether the metric is held."""
        metric = self._metrics.get(name)
        return metric is not None and metric.is_held

    def snapshots(
        self, metrics: Sequence[str], fetch: RawFetch, limits: FetchLimits
    ) -> list[Snapshot | None]:
        """
        Return a current snapshot of each of *metrics* that reaches back to *fetch*.

        None for what is too large to be held. *metrics* are sorted.
        """
        wanted = self._ask_for(metrics)
        version = self._log.version
        found = [metric.at(version, fetch) for metric in wanted]
        if all(found):
            with self._lock:
                self._hits += len(found)
            return found
        with ExitStack() as locks:
            # In the order of their names, so that two fetches never wait for each other.
            for metric in wanted:
                locks.enter_context(metric.lock)
            found = [metric.current(fetch, self._log, self._labels, limits) for metric in wanted]
            cold = [metric for metric, there in zip(wanted, found, strict=True) if there is None]
            loaded = self._load(cold, fetch, limits) if cold else {}
        self._balance(wanted, len(cold))
        return [there or loaded.get(metric) for metric, there in zip(metrics, found, strict=True)]

    def _ask_for(self, names: Sequence[str]) -> list[HotMetric]:
        with self._lock:
            self._asked += len(names)
            if self._asked >= _HALVED_EACH:
                self._asked = 0
                for known in self._metrics.values():
                    known.uses >>= 1
            found = []
            for name in names:
                metric = self._metrics.get(name)
                if metric is None:
                    metric = self._metrics[name] = HotMetric(name)
                metric.uses += 1
                self._metrics.move_to_end(name)
                found.append(metric)
            return found

    # --- loading --------------------------------------------------------------------------

    def _load(
        self, cold: Sequence[HotMetric], fetch: RawFetch, limits: FetchLimits
    ) -> dict[str, Snapshot]:
        """Load those of *cold* that fit, whose locks are held; return their snapshots."""
        wanted = {metric.name: metric for metric in cold if not metric.refuses(fetch)}
        if not wanted:
            return {}
        counted = self._engine.ask(count_metrics(list(wanted)), limits)
        counts = dict(
            zip(counted["metric"].to_pylist(), counted["samples"].to_pylist(), strict=True)
        )
        loaded: dict[str, Snapshot] = {}
        groups: dict[int, dict[str, int]] = defaultdict(dict)
        for name, metric in wanted.items():
            size = self._size(metric, counts.get(name, 0), fetch, limits)
            if size is None:
                metric.refuse(fetch)
            elif self._admits(metric, size):
                group = groups[metric.begins_at(fetch)]
                if sum(group.values()) + size > _SAMPLES_AT_ONCE and group:
                    loaded |= self._load_together(group, metric.begins_at(fetch), limits)
                    group.clear()
                group[name] = size
        for after_ms, group in groups.items():
            loaded |= self._load_together(group, after_ms, limits)
        for name, snapshot in loaded.items():
            wanted[name].put(snapshot)
        return loaded

    def _size(
        self, metric: HotMetric, samples: int, fetch: RawFetch, limits: FetchLimits
    ) -> int | None:
        """
        Return how much of *metric* to load for *fetch*, or None where that is too much.

        It has *samples* of all times.
        """
        most = self._max_bytes // (2 * _SAMPLE_BYTES)
        if samples <= min(_SMALL, most):
            return samples
        counted = self._engine.ask(
            count_span(metric.name, metric.begins_at(fetch), fetch.end_ms), limits
        )
        size, later = int(counted["samples"][0].as_py()), int(counted["later"][0].as_py())
        fits = size <= most and later <= max(_SMALL, _NEWER * (size - later))
        return size if fits else None

    def _admits(self, metric: HotMetric, size: int) -> bool:
        """Tell whether to hold *metric* rather than those that would have to go for it."""
        with self._lock:
            lacking = self._bytes + size * _SAMPLE_BYTES - self._max_bytes
            for other in self._metrics.values():
                if lacking <= 0:
                    return True
                if other.is_held and other is not metric:
                    if other.uses >= metric.uses:
                        return False
                    lacking -= other.counted_bytes
            return True

    def _load_together(
        self, sizes: Mapping[str, int], after_ms: int, limits: FetchLimits
    ) -> dict[str, Snapshot]:
        # Before the read: what is committed during it is added again later, which changes nothing.
        version = self._log.version
        # What is read is the head's own affair, not that of who happens to ask first.
        wide = replace(limits, max_samples=sys.maxsize >> 1, max_series=sys.maxsize)
        loaded = load(self._engine, self._labels, sizes, wide, version=version, after_ms=after_ms)
        if native := [name for name in sizes if name in self._native.all(limits)]:
            loaded |= with_histograms(self._engine, self._labels, loaded, native, wide)
        return loaded

    # --- the bound ------------------------------------------------------------------------

    def _balance(self, changed: Sequence[HotMetric], cold: int) -> None:
        """Let go of the metrics that were not asked for longest until the others fit."""
        with self._lock:
            self._hits += len(changed) - cold
            self._misses += cold
            for metric in changed:
                self._bytes += metric.nbytes - metric.counted_bytes
                metric.counted_bytes = metric.nbytes
            if self._bytes > self._max_bytes:
                self._let_go(frozenset(metric.name for metric in changed))
            while len(self._metrics) > _MOST_METRICS:
                _, metric = self._metrics.popitem(last=False)
                self._bytes -= metric.counted_bytes

    def _let_go(self, kept: frozenset[str]) -> None:
        for name, metric in self._metrics.items():
            if name not in kept and metric.is_held:
                metric.let_go()
                self._evictions += 1
                self._bytes += metric.nbytes - metric.counted_bytes
                metric.counted_bytes = metric.nbytes
                if self._bytes <= self._max_bytes:
                    return

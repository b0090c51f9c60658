"""The names of metrics, in memory."""

import threading
from collections.abc import Callable, Iterable

import numpy as np

from veriscope.signals import FetchLimits
from veriscope.store.commits import Commit, CommitLog
from veriscope.store.engine import Engine
from veriscope.store.select import settings


class MetricNames:
    """Every metric that is in a table, kept current with what is committed."""

    def __init__(
        self,
        engine: Engine,
        log: CommitLog,
        table: str,
        committed: Callable[[Commit], Iterable[str]],
    ) -> None:
        self._engine = engine
        self._log = log
        self._sql = f"SELECT DISTINCT metric FROM {table}"  # noqa: S608 - a name of our own
        self._committed = committed
        self._lock = threading.Lock()
        self._version = -1
        self._names: tuple[str, ...] = ()

    @classmethod
    def of_series(cls, engine: Engine, log: CommitLog) -> "MetricNames":
        """Return the metrics that have series."""
        return cls(engine, log, "series", lambda commit: commit.metrics)

    @classmethod
    def of_histograms(cls, engine: Engine, log: CommitLog) -> "MetricNames":
        """Return the metrics that have native histograms."""
        return cls(engine, log, "histograms", _with_histograms)

    def all(self, limits: FetchLimits) -> tuple[str, ...]:
        """Return them, sorted: the same object while there is no new one."""
        with self._lock:
            if self._version != self._log.version:
                self._catch_up(limits)
            return self._names

    def _catch_up(self, limits: FetchLimits) -> None:
        commits = None if self._version < 0 else self._log.since(self._version)
        if commits is None:
            version = self._log.version
            found = self._engine.query(self._sql, None, settings(limits), limits.cancel)
            names = set(found["metric"].to_pylist())
        else:
            version = self._version + len(commits)
            names = {metric for commit in commits for metric in self._committed(commit)}
            names.update(self._names)
        if names != set(self._names):
            self._names = tuple(sorted(names))
        self._version = version


def _with_histograms(commit: Commit) -> list[str]:
    if commit.histograms is None:
        return []
    return [commit.metrics[place] for place in np.unique(commit.histograms.metric).tolist()]

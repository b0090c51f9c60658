"""The head: hot metrics in memory, within a bound of bytes."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from veriscope.signals import (
    METRIC_NAME,
    FetchLimits,
    LabelSets,
    Matcher,
    MatchOp,
    RaggedSamples,
    RawFetch,
    SeriesFetch,
)
from veriscope.store.commits import CommitLog
from veriscope.store.engine import Engine
from veriscope.store.head.hot import HeadUse, HotMetrics
from veriscope.store.head.matching import matching
from veriscope.store.head.names import MetricNames
from veriscope.store.head.recent import Recent
from veriscope.store.labels import LabelCache
from veriscope.store.scan import check_samples, check_series, scan
from veriscope.store.select import select_series

Parts: TypeAlias = tuple[LabelSets, ...]

# A selector that takes more metrics than these, not hot yet, is left to the engine.
_METRICS_AT_ONCE: Final = 64
# Their locks are held while they are read: fewer, and others wait less.
_PREPARED_AT_ONCE: Final = 250


class Head:
    """
    Answers fetches from memory, as the engine would; safe to use from many threads.

    A metric is loaded when it is asked for, and follows the commits from then on. What is too
    large for the *max_bytes* of all metrics is left to the engine.
    """

    def __init__(self, engine: Engine, labels: LabelCache, log: CommitLog, max_bytes: int) -> None:
        self._engine = engine
        self._labels = labels
        self._names = MetricNames.of_series(engine, log)
        self._native = MetricNames.of_histograms(engine, log)
        self._hot = HotMetrics(engine, labels, log, self._native, max_bytes)
        self._joined: Recent[tuple[int, ...], tuple[Parts, LabelSets]] = Recent(64)

    def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """Return every sample of *fetch*; series without a sample are left out."""
        metrics, rest = self._metrics_of(fetch, limits)
        if metrics is None:
            return self._scan(fetch, limits)
        found: list[RaggedSamples] = []
        for metric, snapshot in zip(
            metrics, self._hot.snapshots(metrics, fetch, limits), strict=True
        ):
            if snapshot is None:
                whole = (Matcher(METRIC_NAME, MatchOp.EQUAL, metric), *rest)
                one = RawFetch(whole, fetch.start_ms, fetch.end_ms)
                found.append(self._scan(one, limits))
            else:
                found.append(snapshot.select(rest, fetch.start_ms, fetch.end_ms))
        return self._join(found, limits)

    def prepare(self, metrics: Sequence[str], start_ms: int, end_ms: int) -> None:
        """Load what fits of *metrics*, for fetches of this time."""
        known = set(self._names.all(FetchLimits()))
        wanted = sorted(known.intersection(metrics))
        for place in range(0, len(wanted), _PREPARED_AT_ONCE):
            some = wanted[place : place + _PREPARED_AT_ONCE]
            self._hot.snapshots(some, RawFetch((), start_ms, end_ms), FetchLimits())

    def use(self) -> HeadUse:
        """Return how much is held, and how often that helped."""
        return self._hot.use()

    def _scan(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        native = bool(self._native.all(limits))
        return scan(self._engine, self._labels, fetch, limits, histograms=native)

    def _join(self, found: Sequence[RaggedSamples], limits: FetchLimits) -> RaggedSamples:
        filled = [part for part in found if part.labels]
        check_series(sum(len(part.labels) for part in filled), limits)
        check_samples(sum(part.samples for part in filled), limits)
        if len(filled) == 1:
            return filled[0]
        parts = tuple(part.labels for part in filled)
        # The identities stay theirs as long as the label sets are kept beside them.
        key = tuple(map(id, parts))
        _, labels = self._joined.found(
            key, lambda: (parts, LabelSets([labels for part in parts for labels in part]))
        )
        return RaggedSamples(labels, tuple(part.segments[0] for part in filled))

    # --- which metrics --------------------------------------------------------------------

    def _metrics_of(
        self, fetch: RawFetch, limits: FetchLimits
    ) -> tuple[Sequence[str] | None, tuple[Matcher, ...]]:
        """Return what *fetch* may select, None where that is too many, and the other matchers."""
        named = [m for m in fetch.matchers if m.name == METRIC_NAME]
        rest = tuple(m for m in fetch.matchers if m.name != METRIC_NAME)
        equal = [m.value for m in named if m.op is MatchOp.EQUAL]
        names: Sequence[str] = equal[:1] or self._names.all(limits)
        for matcher in named:
            takes = matching(matcher, names)
            names = [name for name, taken in zip(names, takes, strict=True) if taken]
        if equal:
            return names, rest
        hot = {name for name in names if self._hot.has(name)}
        cold = [name for name in names if name not in hot]
        if cold and rest:
            cold = self._with_series(fetch, limits, set(cold))
        if len(cold) > _METRICS_AT_ONCE:
            return None, rest
        wanted = hot.union(cold)
        return [name for name in names if name in wanted], rest

    def _with_series(self, fetch: RawFetch, limits: FetchLimits, among: set[str]) -> list[str]:
        series = SeriesFetch(fetch.matchers, fetch.start_ms + 1, fetch.end_ms)
        statement = select_series([series], "DISTINCT metric")
        rows = self._engine.ask(statement, limits)
        return [metric for metric in rows["metric"].to_pylist() if metric in among]

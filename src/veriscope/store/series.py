"""Answers fetches: raw samples and series, as columns."""

from collections.abc import Sequence
from typing import Final

from veriscope.signals import (
    METRIC_NAME,
    FetchLimits,
    Labels,
    MetricMetadata,
    MetricType,
    RaggedSamples,
    RawFetch,
    SeriesFetch,
)
from veriscope.store.answers import SeriesAnswers
from veriscope.store.commits import CommitLog
from veriscope.store.engine import Engine, is_embedded
from veriscope.store.head import Head, HeadUse
from veriscope.store.labels import LabelCache
from veriscope.store.scan import check_series, scan
from veriscope.store.select import Statement, select_series

_VALUES: Final = (
    "DISTINCT labels[{name:String}] AS value",
    "HAVING value != '' ORDER BY value",
)
# The engine reads one small column for the commonest of all, the names of the metrics.
_VALUES_OF_METRIC: Final = ("DISTINCT metric AS value", "ORDER BY value")


class SeriesReader:
    """
    Reads metrics. Safe to use from many threads; calls block.

    What is asked for often is answered from memory, where all that is written passes *log*: so it
    is with an embedded engine. Others may write to a ClickHouse server, which is asked each time.

    Raises `FetchTooLargeError` and `FetchTimeoutError` past a limit, `RefusedError` for a
    regular expression that RE2 does not take, `EngineError` when the engine fails.
    """

    def __init__(self, engine: Engine, log: CommitLog, cache_bytes: int) -> None:
        self._engine = engine
        self._labels = LabelCache(engine)
        self._log = log if is_embedded(engine.url) else None
        self._head = (
            Head(engine, self._labels, log, cache_bytes) if self._log and cache_bytes else None
        )
        self._answers = SeriesAnswers(self._log)

    def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """Return every sample of *fetch*; series without a sample are left out."""
        if self._head is None:
            return scan(self._engine, self._labels, fetch, limits)
        return self._head.fetch(fetch, limits)

    def prepare(self, metrics: Sequence[str], start_ms: int, end_ms: int) -> None:
        """
        Have what fits of *metrics* in memory, read together, before it is asked for one by one.

        For fetches of `(start_ms, end_ms]`, Unix milliseconds. Does nothing without a cache.
        """
        if self._head is not None:
            self._head.prepare(metrics, start_ms, end_ms)

    def head_use(self) -> HeadUse | None:
        """Return how much is held in memory, and how often that helped; None where nothing can."""
        return self._head.use() if self._head else None

    def version(self) -> int:
        """Return a number that grows with each change of the metrics; see `first_ms_since`."""
        return self._log.version if self._log else 0

    def first_ms_since(self, version: int) -> int | None:
        """
        Return the earliest time at which something may have changed since *version*.

        None where nothing has; -1, before all samples, where that cannot be known.
        """
        return self._log.first_ms_since(version) if self._log else -1

    def series(self, fetches: Sequence[SeriesFetch], limits: FetchLimits) -> tuple[Labels, ...]:
        """
        Return the label sets that any of *fetches* selects, each once, sorted.

        When a series had samples is known to the hour, here and in the methods that follow.
        Answers are remembered; do not change them.
        """
        return self._answers.found(("series",), fetches, lambda hours: self._series(hours, limits))

    def label_names(self, fetches: Sequence[SeriesFetch], limits: FetchLimits) -> list[str]:
        """Return the label names of the series that *fetches* select, sorted."""
        columns = "DISTINCT arrayJoin(mapKeys(labels)) AS name"

        def ask(hours: Sequence[SeriesFetch]) -> list[str]:
            statement = select_series(hours, columns, "ORDER BY name")
            return list(self._engine.ask(statement, limits)["name"].to_pylist())

        return self._answers.found(("names",), fetches, ask)

    def label_values(
        self, name: str, fetches: Sequence[SeriesFetch], limits: FetchLimits
    ) -> list[str]:
        """Return the values that label *name* has in the series that *fetches* select, sorted."""
        columns, tail = _VALUES_OF_METRIC if name == METRIC_NAME else _VALUES

        def ask(hours: Sequence[SeriesFetch]) -> list[str]:
            statement = select_series(hours, columns, tail)
            bound = Statement(statement.sql, {**statement.parameters, "name": name})
            return list(self._engine.ask(bound, limits)["value"].to_pylist())

        return self._answers.found(("values", name), fetches, ask)

    def metadata(self, metric: str, limits: FetchLimits) -> tuple[MetricMetadata, ...]:
        """Return what is known of *metric*, or of every metric where it is `""`, by name."""
        rows = self._engine.ask(
            Statement(
                "SELECT metric, type, help, unit FROM metric_metadata FINAL"
                " WHERE {metric:String} IN ('', metric) ORDER BY metric",
                {"metric": metric},
            ),
            limits,
        )
        return tuple(
            MetricMetadata(row["metric"], MetricType(row["type"]), row["help"], row["unit"])
            for row in rows.to_pylist()
        )

    def _series(self, fetches: Sequence[SeriesFetch], limits: FetchLimits) -> tuple[Labels, ...]:
        rows = self._engine.ask(select_series(fetches, "DISTINCT id"), limits)
        check_series(rows.num_rows, limits)
        return tuple(sorted(filter(None, self._labels.of(rows["id"].to_pylist(), limits))))

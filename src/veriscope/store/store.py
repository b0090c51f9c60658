"""The store: one database, opened once, with its readers and writers."""

from contextlib import suppress
from typing import Self

from veriscope.store.cardinality import Cardinality
from veriscope.store.commits import CommitLog
from veriscope.store.deletion import SeriesDeletion
from veriscope.store.engine import Engine, is_embedded
from veriscope.store.errors import EngineError
from veriscope.store.events import EventStore
from veriscope.store.exemplars import ExemplarReader
from veriscope.store.health import StoreHealth, read_health
from veriscope.store.labels import LabelCache
from veriscope.store.log_search import LogSearch
from veriscope.store.logs import LogReader
from veriscope.store.migrate import apply_retention, migrate
from veriscope.store.options import DEFAULT_CACHE_BYTES, SeriesLimits, StoreOptions
from veriscope.store.otlp import OtlpWriter
from veriscope.store.rollups import RollupKeeper
from veriscope.store.series import SeriesReader
from veriscope.store.snapshots import Snapshots
from veriscope.store.span_search import SpanSearch
from veriscope.store.spans import SpanReader
from veriscope.store.state import StateStore
from veriscope.store.writer import MetricWriter


class Store:
    """
    An open database.

    `series` reads metrics and `metrics` writes them; `spans` and `logs` read what `otlp` writes,
    `span_search` and `log_search` search it; `state` keeps documents, `events` what happened;
    `commits` are what was written of late. `exemplars` and `cardinality` read, `deletion` deletes,
    `snapshots` are copies, and `rollups` stand in for samples.
    """

    def __init__(
        self,
        engine: Engine,
        limits: SeriesLimits | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        kept_ms: int = 0,
    ) -> None:
        self._engine = engine
        self.commits = CommitLog()
        self.series = SeriesReader(engine, self.commits, cache_bytes)
        self.metrics = MetricWriter(engine, self.commits, limits)
        self.spans = SpanReader(engine)
        self.logs = LogReader(engine)
        self.log_search = LogSearch(engine)
        self.span_search = SpanSearch(engine)
        self.otlp = OtlpWriter(engine)
        self.state = StateStore(engine)
        self.events = EventStore(engine)
        self.rollups = RollupKeeper(engine, self.commits, self.state, LabelCache(engine), kept_ms)
        self.exemplars = ExemplarReader(engine)
        self.cardinality = Cardinality(engine)
        self.deletion = SeriesDeletion(engine, self.metrics.paused, self.commits.invalidate)
        self.snapshots = Snapshots(engine)

    @classmethod
    def open(cls, options: StoreOptions) -> Self:
        """
        Open the database, bring its schema up to date and set retention.

        Raises `DataDirectoryInUseError`, `SchemaError` or `EngineError` where that fails.
        """
        engine = Engine(options.url, options.database, options.max_concurrent_queries)
        try:
            migrate(engine)
            apply_retention(engine, options.retention)
        except BaseException:
            engine.close()
            raise
        return cls(engine, options.limits, options.cache_bytes, options.retention.metrics)

    @property
    def embedded(self) -> bool:
        """Whether this process is the only one that writes to the database."""
        return is_embedded(self._engine.url)

    def health(self) -> StoreHealth:
        """Return sizes and memory."""
        return read_health(self._engine)

    def compact(self) -> None:
        """Merge every table's parts as far as they go; long, and rarely needed."""
        for table in (
            "samples",
            "histograms",
            "exemplars",
            "series",
            "metric_metadata",
            "resources",
            "spans",
            "logs",
            "events",
        ):
            self._engine.command(f"OPTIMIZE TABLE {table} FINAL")

    def close(self) -> None:
        """Close the database; what was acknowledged is on disk already."""
        with suppress(EngineError):  # what is not noted is found by counting at the next start
            self.rollups.close()
        self._engine.close()

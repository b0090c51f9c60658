"""The store: one database, opened once, with its readers and writers."""

from typing import Self

from veriscope.store.engine import Engine
from veriscope.store.health import StoreHealth, read_health
from veriscope.store.logs import LogReader
from veriscope.store.migrate import apply_retention, migrate
from veriscope.store.options import StoreOptions
from veriscope.store.otlp import OtlpWriter
from veriscope.store.series import SeriesReader
from veriscope.store.spans import SpanReader
from veriscope.store.state import StateStore
from veriscope.store.writer import MetricWriter


class Store:
    """
    An open database.

    `series` reads metrics and `metrics` writes them; `spans` and `logs` read what `otlp` writes;
    `state` keeps documents.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.series = SeriesReader(engine)
        self.metrics = MetricWriter(engine)
        self.spans = SpanReader(engine)
        self.logs = LogReader(engine)
        self.otlp = OtlpWriter(engine)
        self.state = StateStore(engine)

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
        return cls(engine)

    def health(self) -> StoreHealth:
        """Return sizes and memory."""
        return read_health(self._engine)

    def compact(self) -> None:
        """Merge every table's parts as far as they go; long, and rarely needed."""
        for table in ("samples", "series", "metric_metadata", "resources", "spans", "logs"):
            self._engine.command(f"OPTIMIZE TABLE {table} FINAL")

    def close(self) -> None:
        """Close the database; what was acknowledged is on disk already."""
        self._engine.close()

"""SQL and disk: the schema, inserts, readers and retention, on embedded or remote ClickHouse."""

from veriscope.store.errors import (
    DataDirectoryInUseError,
    EngineError,
    FetchTimeoutError,
    FetchTooLargeError,
    RefusedError,
)
from veriscope.store.health import StoreHealth, TableHealth
from veriscope.store.migrate import SchemaError
from veriscope.store.options import RetentionOptions, StoreOptions
from veriscope.store.series import SeriesReader
from veriscope.store.store import Store
from veriscope.store.writer import MetricWriter

__all__ = [
    "DataDirectoryInUseError",
    "EngineError",
    "FetchTimeoutError",
    "FetchTooLargeError",
    "MetricWriter",
    "RefusedError",
    "RetentionOptions",
    "SchemaError",
    "SeriesReader",
    "Store",
    "StoreHealth",
    "StoreOptions",
    "TableHealth",
]

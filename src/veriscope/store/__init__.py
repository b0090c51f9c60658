"""SQL and disk: the schema, inserts, readers and retention, on embedded or remote ClickHouse."""

from typing import TYPE_CHECKING, Final

from veriscope.signals.lazy import lazy_names
from veriscope.store.options import RetentionOptions, SeriesLimits, StoreOptions

if TYPE_CHECKING:
    from veriscope.store.errors import (
        DataDirectoryInUseError,
        EngineError,
        FetchTimeoutError,
        FetchTooLargeError,
        RefusedError,
    )
    from veriscope.store.events import EventStore
    from veriscope.store.health import StoreHealth, TableHealth
    from veriscope.store.log_search import LogSearch
    from veriscope.store.logs import LogReader
    from veriscope.store.migrate import SchemaError
    from veriscope.store.otlp import OtlpWriter
    from veriscope.store.requests import MetricRequest
    from veriscope.store.rollups import RollupKeeper
    from veriscope.store.series import SeriesReader
    from veriscope.store.span_search import SpanSearch
    from veriscope.store.spans import SpanReader
    from veriscope.store.state import StateStore
    from veriscope.store.store import Store
    from veriscope.store.writer import MetricWriter

__all__ = [
    "DataDirectoryInUseError",
    "EngineError",
    "EventStore",
    "FetchTimeoutError",
    "FetchTooLargeError",
    "HeadUse",
    "LogReader",
    "LogSearch",
    "MetricRequest",
    "MetricWriter",
    "OtlpWriter",
    "RefusedError",
    "RetentionOptions",
    "RollupKeeper",
    "SchemaError",
    "SeriesLimits",
    "SeriesReader",
    "SpanReader",
    "SpanSearch",
    "StateStore",
    "Store",
    "StoreHealth",
    "StoreOptions",
    "TableHealth",
]

_HOMES: Final = {
    "DataDirectoryInUseError": ".errors",
    "EngineError": ".errors",
    "EventStore": ".events",
    "FetchTimeoutError": ".errors",
    "FetchTooLargeError": ".errors",
    "HeadUse": ".head",
    "LogReader": ".logs",
    "LogSearch": ".log_search",
    "MetricRequest": ".requests",
    "MetricWriter": ".writer",
    "OtlpWriter": ".otlp",
    "RefusedError": ".errors",
    "RollupKeeper": ".rollups",
    "SchemaError": ".migrate",
    "SeriesReader": ".series",
    "SpanReader": ".spans",
    "SpanSearch": ".span_search",
    "StateStore": ".state",
    "Store": ".store",
    "StoreHealth": ".health",
    "TableHealth": ".health",
}


__getattr__ = lazy_names(__name__, _HOMES)

"""SQL and disk: the schema, inserts, readers and retention, on embedded or remote ClickHouse."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from veriscope.store.options import RetentionOptions, StoreOptions

if TYPE_CHECKING:
    from veriscope.store.errors import (
        DataDirectoryInUseError,
        EngineError,
        FetchTimeoutError,
        FetchTooLargeError,
        RefusedError,
    )
    from veriscope.store.health import StoreHealth, TableHealth
    from veriscope.store.migrate import SchemaError
    from veriscope.store.series import SeriesReader
    from veriscope.store.state import StateStore
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
    "StateStore",
    "Store",
    "StoreHealth",
    "StoreOptions",
    "TableHealth",
]

_HOMES: Final = {
    "DataDirectoryInUseError": "errors",
    "EngineError": "errors",
    "FetchTimeoutError": "errors",
    "FetchTooLargeError": "errors",
    "MetricWriter": "writer",
    "RefusedError": "errors",
    "SchemaError": "migrate",
    "SeriesReader": "series",
    "StateStore": "state",
    "Store": "store",
    "StoreHealth": "health",
    "TableHealth": "health",
}


def __getattr__(name: str) -> Any:
    """Load what speaks to the engine on first use: who reads only options needs no engine."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

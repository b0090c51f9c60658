"""
The way from this process to a Veriscope server: metrics, spans and logs, in the background.

Importing it loads nothing heavy; NumPy, OpenTelemetry and urllib3 come with the first exporter.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from veriscope.instrument.delivery.process import (
    Settings,
    configure,
    current,
    current_settings,
    flush,
    shutdown,
)
from veriscope.instrument.delivery.records import LogRecord

if TYPE_CHECKING:
    from veriscope.instrument.delivery.client import ServerClient
    from veriscope.instrument.delivery.exporter import Exporter
    from veriscope.instrument.delivery.options import ExportOptions

__all__ = [
    "ExportOptions",
    "Exporter",
    "LogRecord",
    "ServerClient",
    "Settings",
    "configure",
    "current",
    "current_settings",
    "flush",
    "shutdown",
]

_HOMES: Final = {"ExportOptions": "options", "Exporter": "exporter", "ServerClient": "client"}


def __getattr__(name: str) -> Any:
    """Load the heavy names on first use; AttributeError for any other."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)

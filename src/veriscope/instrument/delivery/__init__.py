"""
The way from this process to a Veriscope server: metrics, spans and logs, in the background.

Importing it loads nothing heavy; NumPy, OpenTelemetry and urllib3 come with the first exporter.
"""

from typing import TYPE_CHECKING, Final

from veriscope.instrument.delivery.process import (
    Settings,
    configure,
    current,
    current_settings,
    flush,
    shutdown,
    suggest_service_name,
)
from veriscope.instrument.delivery.records import LogRecord
from veriscope.signals.lazy import lazy_names

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
    "suggest_service_name",
]

_HOMES: Final = {"ExportOptions": ".options", "Exporter": ".exporter", "ServerClient": ".client"}

__getattr__ = lazy_names(__name__, _HOMES)

"""Logging that a service can live with: one pipeline for structlog and the standard library."""

from veriscope.instrument.logs.configure import LoggingHandle, LoggingSettings, configure_logging
from veriscope.instrument.logs.options import LoggingOptions

__all__ = ["LoggingHandle", "LoggingOptions", "LoggingSettings", "configure_logging"]

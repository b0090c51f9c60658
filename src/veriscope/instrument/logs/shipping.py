"""The way of a record to the server."""

import logging
import threading
from collections.abc import Mapping
from typing import Any, Final

from veriscope.instrument import delivery
from veriscope.instrument.delivery.records import OWN_LOGGERS, severity_number

_COLUMNS: Final = frozenset(
    {"exception", "level", "logger", "message", "span_id", "timestamp", "trace_id"}
)


class ServerSink:
    """Hands records to the process' exporter; without one they stay here."""

    def __init__(self) -> None:
        self._sending = threading.local()
        # The first call reads the environment and may start threads: here, not in a record.
        delivery.current()

    def send(self, record: logging.LogRecord, event: Mapping[str, Any]) -> None:
        """Queue *event*, never waiting; the exporter counts what it has to drop."""
        if record.name.startswith(OWN_LOGGERS) or getattr(self._sending, "now", False):
            return
        self._sending.now = True
        try:
            exporter = delivery.current()
            if exporter is not None:
                exporter.add_log(_log_record(record, event))
        finally:
            self._sending.now = False


def _log_record(record: logging.LogRecord, event: Mapping[str, Any]) -> delivery.LogRecord:
    attributes = {name: value for name, value in event.items() if name not in _COLUMNS}
    for part, text in event.get("exception", {}).items():
        attributes[f"exception.{part}"] = text
    return delivery.LogRecord(
        time_ns=int(record.created * 1_000_000) * 1000,
        severity_number=severity_number(record.levelno),
        severity_text=event["level"],
        body=event["message"],
        attributes=attributes,
        trace_id=_id(event.get("trace_id")),
        span_id=_id(event.get("span_id")),
        logger=record.name,
    )


def _id(text: object) -> int:
    """Read an id; an application may have put anything under its name."""
    try:
        return int(str(text), 16) if text else 0
    except ValueError:
        return 0

"""A record of the standard library or of structlog, read as one event."""

import datetime as dt
import logging
import sys
from types import TracebackType
from typing import Any, Final, TypeAlias

from veriscope.instrument.exceptions import describe
from veriscope.instrument.logs.trace_context import current_ids

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

_RECORD_FIELDS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "_logger",
    "_name",
    "asctime",
    "message",
    "taskName",
}
_OWN_FIELDS: Final = frozenset({"exception", "level", "logger", "message", "timestamp"})
_LEVELS: Final = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "CRITICAL",
}


def level_name(levelno: int) -> str:
    """Return the level as the guide spells it: `DEBUG`, `INFO`, `WARN`, `ERROR`, `CRITICAL`."""
    return _LEVELS.get(levelno) or logging.getLevelName(levelno)


def read_record(record: logging.LogRecord) -> dict[str, Any]:
    """
    Return *record* with `timestamp`, `level`, `logger` and `message` first, then its fields.

    Fields are the key-values of structlog and the `extra` of the standard library; one that has
    the name of the event's own gets an underscore behind it. An exception becomes `exception`:
    its type, message and stack trace.
    """
    message, fields = _message_and_fields(record)
    event: dict[str, Any] = {
        "timestamp": timestamp(record.created),
        "level": level_name(record.levelno),
        "logger": record.name,
        "message": message,
    }
    ids = current_ids()
    if ids is not None:
        event["trace_id"] = f"{ids[0]:032x}"
        event["span_id"] = f"{ids[1]:016x}"
    raised = _exception(fields.pop("exc_info", None) or record.exc_info)
    stack = fields.pop("stack", None) or record.stack_info
    for name, value in fields.items():
        event[f"{name}_" if name in _OWN_FIELDS else name] = value
    if raised is not None:
        event["exception"] = describe(raised[1], raised[2])
    if stack:
        event["stack"] = stack
    return event


def timestamp(unix_s: float) -> str:
    """Return *unix_s* as RFC 3339 in UTC, to the microsecond."""
    moment = dt.datetime.fromtimestamp(unix_s, dt.UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _message_and_fields(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    if isinstance(record.msg, dict) and hasattr(record, "_logger"):
        fields = {str(name): value for name, value in record.msg.items()}
        return str(fields.pop("event", "")), fields
    given = record.__dict__
    fields = {str(name): given[name] for name in given if name not in _RECORD_FIELDS}
    return _formatted(record), fields


def _formatted(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - wrong arguments must not cost the record
        return f"{record.msg} % {record.args!r}"


def _exception(given: Any) -> _ExcInfo | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if given is True:
        given = sys.exc_info()
    if isinstance(given, tuple) and given and given[0] is not None:
        kind, error, trace = given
        return kind, error, trace
    return None

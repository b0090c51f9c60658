"""The log record as it is handed over for delivery."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

OWN_LOGGERS: Final = ("veriscope.instrument.delivery", "urllib3")
"""Where sending itself logs; to send that too would echo for ever."""

# https://opentelemetry.io/docs/specs/otel/logs/data-model/#severity-fields
_SEVERITIES: Final = (
    (logging.CRITICAL, 21),
    (logging.ERROR, 17),
    (logging.WARNING, 13),
    (logging.INFO, 9),
    (logging.DEBUG, 5),
)
_TRACE: Final = 1


@dataclass(frozen=True, slots=True)
class LogRecord:
    """
    One log record in OpenTelemetry's terms.

    *time_ns* is Unix nanoseconds, *severity_number* OpenTelemetry's 1 to 24, *trace_id* and
    *span_id* 0 outside a span. *attributes* must not change after it is handed over.
    """

    time_ns: int
    severity_number: int
    severity_text: str
    body: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    trace_id: int = 0
    span_id: int = 0
    logger: str = ""


def severity_number(levelno: int) -> int:
    """Return OpenTelemetry's severity number of a level of the standard library."""
    return next((number for least, number in _SEVERITIES if levelno >= least), _TRACE)

"""The log record as it is handed over for delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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

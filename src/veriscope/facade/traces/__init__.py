"""Spans and contexts under the document's names, backed by OpenTelemetry."""

from veriscope.facade.traces.trace import LogLevel, Span, TraceContext

__all__ = ["LogLevel", "Span", "TraceContext"]

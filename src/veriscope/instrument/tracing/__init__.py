"""Tracing: OpenTelemetry set up in one call, sending to Veriscope or to any OTLP endpoint."""

from veriscope.instrument.tracing.auto import instrument_installed
from veriscope.instrument.tracing.options import TracingOptions
from veriscope.instrument.tracing.otlp_http import OtlpHttpSpanExporter
from veriscope.instrument.tracing.setup import setup_tracing, span_tracer

__all__ = [
    "OtlpHttpSpanExporter",
    "TracingOptions",
    "instrument_installed",
    "setup_tracing",
    "span_tracer",
]

"""An OpenTelemetry that nobody has set up yet."""

from collections.abc import Iterator

import pytest
from opentelemetry import propagate, trace
from opentelemetry.util._once import Once

from veriscope.instrument.tracing import setup


@pytest.fixture
def fresh_otel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let OpenTelemetry be as it is in a new process, and put back what was there before."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    textmap = propagate.get_global_textmap()
    setup._current.forget()
    yield
    provider = trace.get_tracer_provider()
    if hasattr(provider, "shutdown"):
        provider.shutdown()
    propagate.set_global_textmap(textmap)
    setup._current.forget()

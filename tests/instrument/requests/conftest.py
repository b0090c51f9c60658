"""What tests of the middlewares share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry of the test's own."""
    return CollectorRegistry()


@pytest.fixture
def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the process's tracer provider, which another test may have set."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Set up tracing for the test alone; return where its spans end up."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def counted(registry: CollectorRegistry) -> Callable[..., dict[Any, float]]:
    """Return a function that lists one sample name's values by (method, route, status)."""

    def select(name: str) -> dict[Any, float]:
        return {
            tuple(sample.labels.get(key, "") for key in ("method", "route", "status")): sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == name
        }

    return select

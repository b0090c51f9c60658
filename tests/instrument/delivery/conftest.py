"""Exporters that send to the sink."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery import Exporter, ExportOptions


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return an empty registry."""
    return CollectorRegistry()


@pytest.fixture
def export(sink: Any, registry: CollectorRegistry) -> Iterator[Callable[..., Exporter]]:
    """Start exporters to the sink, by default with no waiting that a test would have to sit out."""
    started: list[Exporter] = []

    def start(url: str | None = None, *, token: str | None = None, **options: Any) -> Exporter:
        defaults = {
            "service_name": "shop",
            "metrics_interval_s": 3600.0,
            "batch_interval_s": 3600.0,
            "first_pause_s": 0.01,
            "longest_pause_s": 0.05,
            "timeout_s": 5.0,
        }
        exporter = Exporter(
            url or sink.url,
            ExportOptions(**{**defaults, **options}),
            registry=registry,
            token=token,
        )
        started.append(exporter)
        return exporter

    yield start
    sink.answers.set()
    for exporter in started:
        exporter.shutdown(1)

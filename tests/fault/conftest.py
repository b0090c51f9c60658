"""What the fault tests of the library share: exporters."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery import Exporter, ExportOptions


@pytest.fixture
def export() -> Iterator[Callable[..., Exporter]]:
    """Start exporters with short pauses, each with a registry of its own."""
    started: list[Exporter] = []

    def start(url: str, *, clock: Any = None, **options: Any) -> Exporter:
        defaults = {
            "service_name": "shop",
            "metrics_interval_s": 3600.0,
            "batch_interval_s": 3600.0,
            "first_pause_s": 0.01,
            "longest_pause_s": 0.05,
        }
        exporter = Exporter(
            url,
            ExportOptions(**{**defaults, **options}),
            registry=CollectorRegistry(),
            clock=clock,
        )
        started.append(exporter)
        return exporter

    yield start
    for exporter in started:
        exporter.shutdown(0)

"""A server that takes what the library sends, and exporters that send to it."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery import Exporter, ExportOptions


def _load_sink() -> Any:
    path = Path(__file__).with_name("sink.py")
    spec = importlib.util.spec_from_file_location("delivery_sink", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sink_module = _load_sink()


@pytest.fixture
def reply() -> Any:
    """Return the class of the sink's answers."""
    return sink_module.Reply


@pytest.fixture
def sink() -> Iterator[Any]:
    """Return a server that answers 200 unless told otherwise."""
    started = sink_module.Sink()
    yield started
    started.close()


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

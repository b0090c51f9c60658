"""The page of the monitors says what they have."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from veriscope import (
    AsgiMiddleware,
    GPUMetrics,
    PerformanceMonitor,
    SystemMetrics,
    SystemMonitor,
    WsgiMiddleware,
)
from veriscope.facade.performance import monitor as performance_monitor
from veriscope.facade.performance.trial import TrialOptions
from veriscope.instrument import delivery
from veriscope.instrument.requests import RequestStats
from veriscope.instrument.requests.metrics import RequestMetrics

PAGE = (Path(__file__).parents[3] / "docs/monitors.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))


@pytest.mark.parametrize(
    "function",
    [
        SystemMonitor,
        PerformanceMonitor,
        PerformanceMonitor.run_performance_test,
        AsgiMiddleware,
        WsgiMiddleware,
        RequestStats,
    ],
)
def test_every_argument_is_documented(function: object) -> None:
    """What can be given is explained."""
    names = set(inspect.signature(function).parameters)  # type: ignore[arg-type]
    assert names - {"self"} <= WORDS


def test_every_field_is_documented() -> None:
    """What a sample holds is explained, and so is each key of a performance test."""
    names = {field.name for kind in (SystemMetrics, GPUMetrics) for field in fields(kind)}
    assert names <= WORDS
    found = PerformanceMonitor().run_performance_test("t", lambda: 1, iterations=1)
    assert set(found) <= WORDS
    assert {field.name.removesuffix("_s") for field in fields(TrialOptions)} <= WORDS


def test_every_metric_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of requests and of this process have their rows, under the names that are sent."""
    monkeypatch.setattr(delivery, "current", lambda: None)
    registry = CollectorRegistry()
    RequestMetrics(registry)
    assert {family.name for family in registry.collect()} <= WORDS
    assert performance_monitor._FAILURES in WORDS
    monitor = PerformanceMonitor(stats=RequestStats())
    monitor._collect()
    quantiles = {"response_time_p95", "response_time_p99"}  # written as an ellipsis
    assert set(monitor.get_performance_summary()["metrics"]) - quantiles <= WORDS

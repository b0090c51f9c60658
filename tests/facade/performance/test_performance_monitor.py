import asyncio
import logging
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from veriscope import PerformanceMetrics, PerformanceMonitor
from veriscope.instrument import delivery
from veriscope.instrument.requests import RequestStats
from veriscope.signals import InvalidInputError

SYSTEM = {
    "cpu_usage": "percent",
    "memory_usage": "percent",
    "memory_available": "bytes",
    "disk_usage": "percent",
    "disk_free": "bytes",
    "network_bytes_sent": "bytes",
    "network_bytes_recv": "bytes",
}
APPLICATION = {
    "active_connections": "count",
    "request_queue_size": "count",
    "response_time_p50": "seconds",
    "response_time_p95": "seconds",
    "response_time_p99": "seconds",
}


class Exported:
    """Takes what monitors would send."""

    def __init__(self) -> None:
        self.samples: list[tuple[str, dict[str, str], float]] = []

    def add_sample(self, name: str, tags: dict[str, str], value: float) -> None:
        """Keep one sample."""
        self.samples.append((name, tags, value))


@pytest.fixture(autouse=True)
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    """Put an exporter in place of the process's own."""
    exporter = Exported()
    monkeypatch.setattr(delivery, "current", lambda: exporter)
    return exporter


@pytest.fixture
def stats() -> RequestStats:
    """Return statistics of the test's own."""
    return RequestStats()


@pytest.fixture
def monitor(stats: RequestStats) -> PerformanceMonitor:
    """Return a monitor over *stats*."""
    return PerformanceMonitor(stats=stats)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Return an event on which a metric function may hang until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def until(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds."""
    ends_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_s, "it did not happen"
        time.sleep(0.005)


def values(monitor: PerformanceMonitor, name: str) -> list[float]:
    """Return what was recorded of one metric."""
    return [metric.value for metric in monitor.metrics_buffer if metric.metric_name == name]


def test_monitoring_records_system_application_and_custom_metrics(
    monitor: PerformanceMonitor, exported: Exported
) -> None:
    """Every metric of the document is recorded with its unit and tags, and exported."""
    monitor.collection_interval = 0.05
    monitor.add_custom_metric("queue_depth", lambda: 42)
    monitor.start_monitoring()
    until(lambda: values(monitor, "queue_depth"))
    monitor.stop_monitoring()
    found = monitor.get_performance_summary()["metrics"]
    for tag, units in (("system", SYSTEM), ("application", APPLICATION)):
        for name, unit in units.items():
            assert (found[name]["unit"], found[name]["tags"]) == (unit, {"type": tag})
    assert (found["queue_depth"]["unit"], found["queue_depth"]["latest"]) == ("custom", 42)
    assert 0 <= found["cpu_usage"]["avg"] <= 100
    assert ("queue_depth", {"type": "custom"}, 42.0) in exported.samples
    # Nobody has asked this process anything: there is no response time, and none is sent.
    assert math.isnan(found["response_time_p50"]["avg"])
    assert "response_time_p50" not in {name for name, *_ in exported.samples}


def test_response_times_come_from_the_middleware(
    monitor: PerformanceMonitor, stats: RequestStats
) -> None:
    """The percentiles are those of the requests that were served."""
    for milliseconds in range(1, 101):
        stats.begin()
        stats.end(milliseconds / 1000, 200)
    assert monitor._get_response_time_p50() == pytest.approx(0.05, rel=0.02)
    assert monitor._get_response_time_p95() == pytest.approx(0.095, rel=0.02)
    assert monitor._get_response_time_p99() == pytest.approx(0.099, rel=0.02)


def test_requests_in_flight_and_queued_count(
    monitor: PerformanceMonitor, stats: RequestStats
) -> None:
    """Where no TCP socket tells, the middleware does."""
    stats.begin()
    stats.begin()
    with stats.waiting():
        assert monitor._get_active_connections() == 2
        assert monitor._get_request_queue_size() == 1
    assert monitor._get_request_queue_size() == 0


def test_the_summary_is_the_documents(monitor: PerformanceMonitor) -> None:
    """Counts, averages and extremes of the window, and percentiles besides."""
    assert monitor.get_performance_summary() == {}
    old = datetime.now() - timedelta(seconds=400)  # noqa: DTZ005 - as pasted code has it
    monitor.metrics_buffer.append(PerformanceMetrics(old, "a", 1000.0, "x", {}, {}))
    for value in range(101):
        monitor._record_metric("a", value, "items", {"k": "v"})
    found = monitor.get_performance_summary(duration=300)
    assert found["duration_seconds"] == 300
    assert found["performance_tests"] == {}
    assert found["metrics"] == {
        "a": {
            "count": 101,
            "avg": 50,
            "min": 0,
            "max": 100,
            "unit": "items",
            "tags": {"k": "v"},
            "p50": 50,
            "p95": 95,
            "p99": 99,
            "latest": 100,
        }
    }


def test_the_fields_are_the_documents() -> None:
    """Code that builds metrics by position works."""
    documented = ["timestamp", "metric_name", "value", "unit", "tags", "metadata"]
    assert [field.name for field in fields(PerformanceMetrics)] == documented


async def _seven() -> int:
    await asyncio.sleep(0)
    return 7


def _soon_seven() -> Any:
    return _seven()


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda: 1.5, 1.5),
        (lambda: True, 1.0),
        (lambda: Decimal("0.25"), 0.25),
        (lambda: np.float32(2), 2.0),
        (_seven, 7.0),
        (_soon_seven, 7.0),
    ],
)
def test_numbers_of_every_kind_are_recorded(
    monitor: PerformanceMonitor, function: Callable[[], Any], value: float
) -> None:
    """Sync or async, whatever is a finite number counts, before the call returns."""
    monitor.add_custom_metric("m", function)
    monitor._monitor_custom_metrics()
    assert values(monitor, "m") == [value]


def _quit() -> None:
    raise SystemExit("quit")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda: "12", "'12' is a str, not a number"),
        (lambda: None, "None is a NoneType, not a number"),
        (lambda: 1j, "complex, not a number"),
        (lambda: math.nan, "nan is not a finite number"),
        (lambda: math.inf, "inf is not a finite number"),
        (lambda: 1 / 0, "division by zero"),
        (_quit, "quit"),
    ],
)
def test_what_is_no_number_is_refused_with_its_reason(
    monitor: PerformanceMonitor,
    exported: Exported,
    caplog: pytest.LogCaptureFixture,
    function: Callable[[], Any],
    reason: str,
) -> None:
    """The failure is counted each time, logged once, exported, and the others go on."""
    monitor.add_custom_metric("bad", function)
    monitor.custom_metrics["good"] = lambda: 1
    with caplog.at_level(logging.ERROR, monitor.logger.name):
        monitor._monitor_custom_metrics()
        monitor._monitor_custom_metrics()
    assert values(monitor, "bad") == []
    assert values(monitor, "good") == [1, 1]
    assert monitor.custom_metric_failures == {"bad": 2}
    assert [reason in record.getMessage() for record in caplog.records] == [True]
    name = "veriscope_custom_metric_failures_total"
    assert (name, {"metric": "bad"}, 2.0) in exported.samples


def test_a_function_that_recovers_is_told(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failure the first answer is logged, and the next failure again."""
    answers: list[Any] = [1, "x", 2, "y"]
    monitor.add_custom_metric("m", lambda: answers.pop(0))
    with caplog.at_level(logging.INFO, monitor.logger.name):
        for _ in range(4):
            monitor._monitor_custom_metrics()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO", "ERROR"]
    assert values(monitor, "m") == [1, 2]


def test_a_function_that_hangs_costs_one_thread(
    stats: RequestStats, release: threading.Event
) -> None:
    """It is given up after the timeout, and left out while it hangs; the others are recorded."""
    monitor = PerformanceMonitor(stats=stats, custom_metric_timeout=0.05)
    monitor.add_custom_metric("hang", lambda: release.wait() + 1)
    monitor.add_custom_metric("fine", lambda: 1)
    monitor._monitor_custom_metrics()
    threads = threading.active_count()
    for _ in range(20):
        monitor._monitor_custom_metrics()
    assert threading.active_count() <= threads
    assert values(monitor, "fine") == [1] * 21
    assert monitor.custom_metric_failures == {"hang": 21}
    release.set()
    until(lambda: threading.active_count() < threads)
    assert values(monitor, "hang") == [], "a late answer is dropped"
    monitor._monitor_custom_metrics()
    assert values(monitor, "hang") == [2]


def test_an_async_function_that_hangs_is_cancelled(stats: RequestStats) -> None:
    """Unlike a thread, a coroutine can be ended."""
    monitor = PerformanceMonitor(stats=stats, custom_metric_timeout=0.05)
    ended = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    monitor.add_custom_metric("hang", hang)
    monitor._monitor_custom_metrics()
    assert ended.wait(60)
    assert monitor.custom_metric_failures == {"hang": 1}


def test_stopping_does_not_wait_for_a_function_that_hangs(
    stats: RequestStats, release: threading.Event
) -> None:
    """Stopping is immediate although a collection waits for answers."""
    monitor = PerformanceMonitor(stats=stats, custom_metric_timeout=3600)
    called = threading.Event()

    def hang() -> float:
        called.set()
        release.wait()
        return 1

    monitor.add_custom_metric("hang", hang)
    monitor.start_monitoring()
    assert called.wait(60)
    time.sleep(0.05)
    begun_s = time.monotonic()
    monitor.stop_monitoring()
    assert time.monotonic() - begun_s < 60
    assert monitor.monitor_thread is not None
    assert not monitor.monitor_thread.is_alive()


def test_a_broken_part_does_not_cost_the_others(
    monitor: PerformanceMonitor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the system cannot be read, the application still is."""

    def broken() -> None:
        raise OSError("no /proc")

    monkeypatch.setattr(monitor, "_monitor_system_performance", broken)
    monitor._collect()
    assert "cpu_usage" not in monitor.get_performance_summary()["metrics"]
    assert "active_connections" in monitor.get_performance_summary()["metrics"]
    assert "failed" in caplog.text


def test_connections_that_cannot_be_counted_are_told_once(
    monitor: PerformanceMonitor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without the sockets both figures are those of the middleware."""

    def broken() -> None:
        raise OSError("denied")

    monkeypatch.setattr(monitor._sockets, "count", broken)
    assert monitor._get_active_connections() == monitor._get_request_queue_size() == 0
    assert len(caplog.records) == 1


def test_64_threads_record_at_once(monitor: PerformanceMonitor) -> None:
    """No value is lost."""

    def record() -> None:
        for number in range(100):
            monitor._record_metric("a", number, "x", {})

    threads = [threading.Thread(target=record) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.get_performance_summary()["metrics"]["a"]["count"] == 6400


def test_tags_need_not_be_text(monitor: PerformanceMonitor, exported: Exported) -> None:
    """Tags are kept as they were given, and sent as text."""
    monitor._record_metric("a", 1, "x", {"shard": 3})  # type: ignore[dict-item]
    assert monitor.metrics_buffer[-1].tags == {"shard": 3}
    assert exported.samples == [("a", {"shard": "3"}, 1.0)]


def test_what_cannot_work_is_refused_at_once(monitor: PerformanceMonitor) -> None:
    """A metric that is no function and times that are none are errors where they are given."""
    with pytest.raises(InvalidInputError, match="cannot be called"):
        monitor.add_custom_metric("m", 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="custom_metric_timeout"):
        PerformanceMonitor(custom_metric_timeout=0)
    with pytest.raises(InvalidInputError, match="collection_interval"):
        PerformanceMonitor(0)


def test_a_fork_resumes_in_the_child() -> None:
    """A worker forked from a process that monitors records its own values."""
    code = """
import os, time
from veriscope import PerformanceMonitor
monitor = PerformanceMonitor(0.02)
monitor.add_custom_metric("pid", os.getpid)
monitor.start_monitoring()
def wait():
    ends = time.monotonic() + 60
    while os.getpid() not in {m.value for m in monitor.metrics_buffer if m.metric_name == "pid"}:
        assert time.monotonic() < ends
        time.sleep(0.01)
wait()
if (child := os.fork()) == 0:
    wait()
    monitor.stop_monitoring()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

"""Real objects of the documents' classes, in use, and what they answer."""

import asyncio
import json
import logging
import threading
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

import veriscope


@pytest.fixture(scope="module")
def a_fresh() -> dict[str, Any]:
    """Return one new object of each class that has attributes."""
    return {
        "SystemMonitor": veriscope.SystemMonitor(),
        "ApplicationMonitor": veriscope.ApplicationMonitor("truthgpt", "http://127.0.0.1:9"),
        "PerformanceMonitor": veriscope.PerformanceMonitor(),
        "TraceContext": veriscope.TraceContext(),
        "ObservabilityFramework": veriscope.ObservabilityFramework("truthgpt"),
    }


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """Return the answers, by method, of objects that were used as the document uses them."""
    return {
        **system_answers(),
        **asyncio.run(application_answers()),
        **performance_answers(),
        **framework_answers(),
    }


def system_answers() -> dict[str, Any]:
    """Use a `SystemMonitor`; its GPU readings are what a machine with a GPU would append."""
    monitor = veriscope.SystemMonitor(collection_interval=0.05)
    collected = threading.Event()
    monitor.start_monitoring()
    while not monitor.metrics_buffer:
        collected.wait(0.01)
    monitor.stop_monitoring()
    monitor.gpu_metrics_buffer.append(
        veriscope.GPUMetrics(datetime.now(), 0, 50.0, 4 << 30, 8 << 30, 60.0, 200.0, 40.0, 1500.0)  # noqa: DTZ005 - as the document
    )
    return {
        "SystemMonitor.get_system_summary": monitor.get_system_summary(),
        "SystemMonitor.get_gpu_summary": monitor.get_gpu_summary(),
        "SystemMonitor._get_network_io": monitor._get_network_io(),
    }


async def application_answers() -> dict[str, Any]:
    """Use an `ApplicationMonitor` against a service that answers what the document polls."""

    def answer(body: Any) -> Any:
        async def handler(_: web.Request) -> web.Response:
            return web.json_response(body)

        return handler

    app = web.Application()
    bodies: dict[str, Any] = {
        "/health": {"status": "healthy"},
        "/users/active": {"count": 3},
        "/optimizations/stats": {"total": 5, "completed": 3, "failed": 1},
        "/models/usage": {"tiny": 7},
    }
    for path, body in bodies.items():
        app.router.add_get(path, answer(body))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    monitor = veriscope.ApplicationMonitor("truthgpt", f"http://127.0.0.1:{port}")
    await monitor.start_monitoring()
    try:
        async with asyncio.timeout(60):
            while not (monitor.metrics_buffer and monitor.business_metrics_buffer):  # noqa: ASYNC110 - buffers tell nobody
                await asyncio.sleep(0.01)
    finally:
        await monitor.stop_monitoring()
        await runner.cleanup()
    return {
        "ApplicationMonitor.get_application_summary": monitor.get_application_summary(),
        "ApplicationMonitor.get_business_summary": monitor.get_business_summary(),
    }


def performance_answers() -> dict[str, Any]:
    """Use a `PerformanceMonitor` with a custom metric and a test that fails every other time."""
    monitor = veriscope.PerformanceMonitor(collection_interval=0.05)
    monitor.add_custom_metric("queue_depth", lambda: 4)
    calls = iter(range(10))

    def every_other() -> str:
        if next(calls) % 2:
            raise RuntimeError("odd calls fail")
        return "done"

    trial = monitor.run_performance_test("trial", every_other, iterations=2)
    wait = threading.Event()
    monitor.start_monitoring()
    while "queue_depth" not in monitor.get_performance_summary().get("metrics", {}):
        wait.wait(0.01)
    monitor.stop_monitoring()
    return {
        "PerformanceMonitor.run_performance_test": trial,
        "PerformanceMonitor.get_performance_summary": monitor.get_performance_summary(),
    }


def framework_answers() -> dict[str, Any]:
    """Use an `ObservabilityFramework` from a trace to a dashboard."""
    notified: list[dict[str, Any]] = []
    lines: list[str] = []

    class Framework(veriscope.ObservabilityFramework):
        def _send_alert_notification(self, alert_data: dict[str, Any]) -> None:
            notified.append(alert_data)
            super()._send_alert_notification(alert_data)

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    framework = Framework("truthgpt")
    span = framework.start_trace("inference")
    framework.add_span_log(span, "begun", user="ada")
    framework.finish_span(span)
    framework.log_metric("latency", 0.5, {"model": "tiny"})
    handler = Lines()
    framework.logger.addHandler(handler)
    framework.logger.setLevel(logging.INFO)
    framework.log_event("deployed", {"version": "2"})
    framework.logger.removeHandler(handler)
    alert = framework.create_alert("Hot", "cpu_usage > 90")
    return {
        "ObservabilityFramework.add_span_log": span.logs[0],
        "ObservabilityFramework.log_metric": framework.metrics["latency"][0],
        "ObservabilityFramework.log_event": json.loads(lines[0]),
        "ObservabilityFramework.create_alert": alert,
        "ObservabilityFramework.check_alerts": framework.check_alerts({"cpu_usage": 95}),
        "ObservabilityFramework._send_alert_notification": notified[0],
        "ObservabilityFramework.create_dashboard": framework.create_dashboard(
            "Main", [{"type": "timeseries", "title": "CPU", "metric": "cpu_usage"}]
        ),
        "ObservabilityFramework.get_trace_summary": framework.get_trace_summary(span.trace_id),
        "ObservabilityFramework.get_metrics_summary": framework.get_metrics_summary("latency"),
    }

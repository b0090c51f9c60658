import asyncio
import dataclasses
import gc
import inspect
import logging
import math
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from veriscope import ApplicationMetrics, ApplicationMonitor, BusinessMetrics
from veriscope.collect.probe import BodyCheck
from veriscope.facade.application import BusinessPaths, Endpoint
from veriscope.signals import InvalidInputError, ManualClock, SampleBatch, is_stale


def closed_url() -> str:
    """Return a URL where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


async def until(holds: Callable[[], bool]) -> None:
    """Wait until *holds* does."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def test_the_documents_fields_come_first() -> None:
    """Positional construction as in the document works; every further field has a default."""
    application = [f.name for f in dataclasses.fields(ApplicationMetrics)]
    assert application[:10] == [
        *("timestamp", "service_name", "endpoint", "method", "response_time", "status_code"),
        *("request_size", "response_size", "error_count", "success_count"),
    ]
    business = [f.name for f in dataclasses.fields(BusinessMetrics)]
    assert business[:8] == [
        *("timestamp", "active_users", "requests_per_second", "optimization_jobs"),
        *("completed_optimizations", "failed_optimizations", "model_usage", "revenue_metrics"),
    ]
    ApplicationMetrics(datetime.now(), "s", "/", "GET", 0.1, 200, 0, 0, 0, 1)  # noqa: DTZ005
    BusinessMetrics(datetime.now(), 1, 0.0, 1, 1, 0, {}, {})  # noqa: DTZ005


def test_the_documents_attributes_and_methods_are_there() -> None:
    """A monitor can be built and looked at outside any event loop."""
    monitor = ApplicationMonitor("TruthGPT", "http://localhost:8000")
    assert (monitor.service_name, monitor.base_url) == ("TruthGPT", "http://localhost:8000")
    assert (monitor.metrics_buffer.maxlen, monitor.business_metrics_buffer.maxlen) == (10000, 1000)
    assert (monitor.monitoring, monitor.monitor_thread, monitor.session) == (False, None, None)
    assert isinstance(monitor.logger, logging.Logger)
    for name in (
        *("start_monitoring", "stop_monitoring", "_monitor_loop", "_monitor_health"),
        *("_monitor_business_metrics", "_monitor_performance_metrics", "_monitor_endpoint"),
        *("_get_active_users", "_get_optimization_jobs", "_get_model_usage"),
    ):
        assert inspect.iscoroutinefunction(getattr(monitor, name)), name
    assert monitor.get_application_summary() == {}
    assert monitor.get_business_summary() == {}


async def test_monitoring_fills_both_buffers_and_the_summaries(service: Any) -> None:
    """Started and stopped as in the document, everything has been watched."""
    monitor = ApplicationMonitor("TruthGPT", service.url, interval=0.05)
    await monitor.start_monitoring()
    assert monitor.monitoring
    await until(lambda: len(monitor.business_metrics_buffer) >= 2)
    await monitor.stop_monitoring()
    assert not monitor.monitoring
    endpoints = {metrics.endpoint for metrics in monitor.metrics_buffer}
    assert endpoints == {"/health", "/models", "/optimize", "/inference", "/metrics"}
    summary = monitor.get_application_summary(duration=300)
    assert summary["duration_seconds"] == 300
    assert summary["total_requests"] == len(monitor.metrics_buffer)
    assert (summary["failed_requests"], summary["success_rate"]) == (0, 100.0)
    health = summary["endpoint_stats"]["/health"]
    assert {"requests", "successful", "failed", "avg_response_time", "success_rate"} <= set(health)
    business = monitor.get_business_summary(duration=3600)
    assert business["active_users"]["current"] == 7
    assert business["optimization_jobs"]["max"] == 3


async def test_starting_and_stopping_twice_is_safe(service: Any) -> None:
    """One task at a time, none afterwards, and it can be started again."""
    monitor = ApplicationMonitor("TruthGPT", service.url, interval=0.05)
    for _ in range(2):
        await monitor.start_monitoring()
        first = monitor.monitor_thread
        await monitor.start_monitoring()
        assert monitor.monitor_thread is first
        count = len(monitor.metrics_buffer)
        await until(lambda: len(monitor.metrics_buffer) > count)  # noqa: B023 - awaited here
        await monitor.stop_monitoring()
        await monitor.stop_monitoring()
        assert first is not None
        assert first.done()
        assert (monitor.monitor_thread, monitor.session) == (None, None)


def test_a_loop_that_ends_without_stop_leaves_nothing_open(
    recwarn: pytest.WarningsRecorder,
) -> None:
    """The session is closed with its task, and another loop can start anew."""
    monitor = ApplicationMonitor("gone", closed_url(), interval=0.05)

    async def watch() -> None:
        before = len(monitor.metrics_buffer)
        await monitor.start_monitoring()
        await until(lambda: len(monitor.metrics_buffer) > before)

    asyncio.run(watch())
    asyncio.run(watch())
    gc.collect()
    assert not [str(w.message) for w in recwarn if "nclosed" in str(w.message)]


async def test_it_is_an_async_context_manager(service: Any) -> None:
    """`async with` starts and stops."""
    async with ApplicationMonitor("TruthGPT", service.url) as monitor:
        assert monitor.monitoring
        await until(lambda: len(monitor.business_metrics_buffer) > 0)
    assert not monitor.monitoring


async def test_an_unreachable_service_is_recorded(clock: ManualClock) -> None:
    """Failure after failure with its reason, never a missing sample."""
    monitor = ApplicationMonitor("gone", closed_url(), clock=clock, exporter=lambda: None)
    await monitor._monitor_round()
    await monitor.stop_monitoring()
    assert len(monitor.metrics_buffer) == 5
    for metrics in monitor.metrics_buffer:
        assert (metrics.status_code, metrics.error_count, metrics.success_count) == (0, 1, 0)
        assert (metrics.reason, metrics.response_size) == ("refused", 0)
        assert "Connection refused" in metrics.error
    summary = monitor.get_application_summary()
    assert (summary["success_rate"], summary["errors"]) == (0.0, {"refused": 5})
    (reading,) = monitor.business_metrics_buffer
    assert reading.active_users == 0
    assert reading.errors.keys() == {
        *("active_users", "optimization_jobs", "model_usage", "requests_per_second"),
    }
    assert all(reason.startswith("refused") for reason in reading.errors.values())
    assert monitor.get_business_summary()["active_users"]["stale"] is True


async def test_sizes_are_bytes(monitor: ApplicationMonitor, service: Any) -> None:
    """Request and response sizes are counted on the wire, not in characters."""
    service.answers["/health"] = "é" * 10
    await monitor._monitor_health()
    (metrics,) = monitor.metrics_buffer
    assert metrics.response_size == 20
    assert metrics.request_size > len("GET /health HTTP/1.1\r\n\r\n")
    assert (metrics.endpoint, metrics.method) == ("/health", "GET")
    assert set(metrics.phases) == {"resolve", "connect", "tls", "processing", "transfer"}
    assert abs(metrics.timestamp - datetime.now()) < timedelta(seconds=5)  # noqa: DTZ005


@pytest.mark.parametrize("status", [400, 405, 503])
async def test_statuses_from_400_are_failures(
    monitor: ApplicationMonitor, service: Any, status: int
) -> None:
    """As in the document, unless an endpoint says otherwise."""
    service.answers["/optimize"] = Response(status_code=status)
    await monitor._monitor_endpoint("/optimize")
    (metrics,) = monitor.metrics_buffer
    assert (metrics.status_code, metrics.error_count) == (status, 1)
    assert metrics.reason == "status"


async def test_an_endpoint_can_be_posted_to(service: Any) -> None:
    """Method, body, expected status and checks are an `Endpoint`'s own."""

    async def optimise(request: Request) -> Response:
        given = await request.json() if request.method == "POST" else {}
        return JSONResponse({"accepted": given.get("steps") == 3}, status_code=202)

    service.answers["/optimize"] = optimise
    check = BodyCheck(json_equals={"accepted": True})
    endpoint = Endpoint("/optimize", "POST", {"steps": 3}, expected_status=(202,), body_check=check)
    monitor = ApplicationMonitor("TruthGPT", service.url, endpoints=[endpoint], token="abc")  # noqa: S106 - a test's own
    await monitor._monitor_performance_metrics()
    await monitor._monitor_endpoint("/optimize")
    assert [m.success_count for m in monitor.metrics_buffer] == [1, 1]
    assert {m.method for m in monitor.metrics_buffer} == {"POST"}
    assert service.seen[0].headers["authorization"] == "Bearer abc"
    assert service.seen[0].headers["content-type"] == "application/json"


async def test_endpoints_are_probed_at_once(service: Any) -> None:
    """A slow endpoint does not delay the others."""
    together = asyncio.Barrier(3)

    async def slow(_request: Request) -> Response:
        await together.wait()
        return Response()

    service.answers |= {"/a": slow, "/b": slow, "/c": slow}
    monitor = ApplicationMonitor("TruthGPT", service.url, endpoints=["/a", "/b", "/c"])
    await monitor._monitor_performance_metrics()
    assert all(m.success_count for m in monitor.metrics_buffer)


async def test_retries_are_no_records(service: Any) -> None:
    """Only the last attempt is recorded, with the number of those before it."""
    answers = iter([Response(status_code=500), Response(status_code=500), Response()])
    service.answers["/health"] = lambda _request: next(answers)
    monitor = ApplicationMonitor("TruthGPT", service.url, retries=3)
    await monitor._monitor_health()
    (metrics,) = monitor.metrics_buffer
    assert (metrics.success_count, metrics.retries) == (1, 2)
    assert monitor.get_application_summary()["retries"] == 2


@pytest.mark.alone("rounds are told apart by when they begin")
async def test_rounds_keep_to_the_schedule(service: Any) -> None:
    """A round that takes longer than the interval leaves rounds out and delays none."""
    begun: list[float] = []

    async def slow(_request: Request) -> Response:
        begun.append(asyncio.get_running_loop().time())
        if len(begun) == 1:
            await asyncio.sleep(0.75)
        return Response()

    service.answers["/health"] = slow
    async with ApplicationMonitor("t", service.url, endpoints=[], interval=0.3):
        await until(lambda: len(begun) >= 4)
    steps = [round((t - begun[0]) / 0.3) for t in begun[:4]]
    assert steps == [0, 3, 4, 5]


async def test_a_subclass_with_the_documents_own_methods_works(service: Any) -> None:
    """Code that was written against the document uses `self.session` and raises as it likes."""

    class Mine(ApplicationMonitor):
        async def _get_active_users(self) -> int:
            assert self.session is not None
            async with self.session.get(f"{self.base_url}/users/active") as response:
                return (await response.json())["count"] * 2

        async def _get_model_usage(self) -> dict[str, int]:
            raise RuntimeError("no such table")

    async with Mine("TruthGPT", service.url) as monitor:
        await until(lambda: len(monitor.business_metrics_buffer) > 0)
    reading = monitor.business_metrics_buffer[0]
    assert reading.active_users == 14
    assert reading.errors["model_usage"] == "RuntimeError: no such table"


async def test_a_round_that_raises_does_not_end_monitoring(
    service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken override costs its round."""
    rounds: list[int] = []

    class Broken(ApplicationMonitor):
        async def _monitor_health(self) -> None:
            rounds.append(1)
            raise RuntimeError("broken")

    async with Broken("t", service.url, interval=0.02):
        await until(lambda: len(rounds) >= 3)
    assert "A round of application monitoring failed" in caplog.text


async def test_failures_are_logged_where_they_begin_and_end(
    monitor: ApplicationMonitor, service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is two lines and not one per round."""
    caplog.set_level(logging.INFO, "veriscope.facade.application.monitor")
    service.answers["/health"], well = Response(status_code=500), service.answers["/health"]
    for _ in range(3):
        await monitor._monitor_health()
    service.answers["/health"] = well
    await monitor._monitor_health()
    assert [r.getMessage() for r in caplog.records] == [
        "TruthGPT: GET /health fails: GET was answered with status 500",
        "TruthGPT: GET /health works again",
    ]


@dataclass
class Sent:
    """An exporter that keeps what it is given."""

    batches: list[SampleBatch] = field(default_factory=list)
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add_batch(self, batch: SampleBatch) -> None:
        """Keep *batch*."""
        self.batches.append(batch)

    def add_sample(
        self, name: str, tags: Mapping[str, str], value: float, time_ms: int | None = None
    ) -> None:
        """Keep one sample."""
        assert time_ms is None
        self.samples[name, *tags.values()] = value


async def test_everything_goes_to_the_exporter(service: Any) -> None:
    """Probes as `probe_*`, figures as `business_*`; what was not read is not sent."""
    sent = Sent()
    service.answers["/optimizations/stats"] = "no"
    monitor = ApplicationMonitor("T", service.url, prices={"small": 1.0}, exporter=lambda: sent)
    await monitor._monitor_round()
    await monitor.stop_monitoring()
    labels = [dict(found) for batch in sent.batches for found in batch.labels]
    assert {found["endpoint"] for found in labels} == {
        *("/health", "/models", "/optimize", "/inference", "/metrics"),
    }
    assert {found["job"] for found in labels} == {"T"}
    assert sent.samples["business_active_users", "T"] == 7
    assert sent.samples["business_poll_success", "T", "active_users"] == 1
    assert sent.samples["business_poll_success", "T", "optimization_jobs"] == 0
    assert sent.samples["business_model_uses_total", "T", "small"] == 10
    assert sent.samples["business_revenue_total", "T", "small"] == 0
    assert not any(name[0] == "business_optimization_jobs" for name in sent.samples)


async def test_the_reason_of_a_failure_ends_with_it(service: Any) -> None:
    """A recovered endpoint is not said to be failing for the lookback of a query."""
    sent = Sent()
    monitor = ApplicationMonitor("T", service.url, exporter=lambda: sent)
    well = service.answers["/health"]
    for answer, batches in (
        (Response(status_code=500), 1),
        (Response(status_code=500), 2),
        (well, 4),
    ):
        service.answers["/health"] = answer
        await monitor._monitor_health()
        assert len(sent.batches) == batches
    assert dict(sent.batches[-1].labels[0])["reason"] == "status"
    assert is_stale(sent.batches[-1].values).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "localhost:8000"}, "not an http"),
        ({"interval": 0}, "interval"),
        ({"timeout": -1}, "timeout"),
        ({"interval": math.nan}, "interval is nan"),
        ({"interval": math.inf}, "interval is inf"),
        ({"timeout": math.nan}, "timeout"),
        ({"timeout": math.inf}, "timeout"),
        ({"prices": {"a": -1.0}}, "price of a is -1.0"),
        ({"prices": {"a": math.nan}}, "price of a is nan"),
        ({"ca_file": "/nowhere.pem"}, "ca_file '/nowhere.pem' cannot be used"),
        ({"prices": {"a": 1.0}, "business": BusinessPaths(revenue="/r")}, "either prices"),
        ({"endpoints": [Endpoint("/x", method="G T")]}, "not an HTTP method"),
    ],
)
def test_arguments_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    """At construction and nowhere later."""
    given = {"service_name": "t", "base_url": "http://localhost:8000"} | options
    with pytest.raises(InvalidInputError, match=words):
        ApplicationMonitor(**given)

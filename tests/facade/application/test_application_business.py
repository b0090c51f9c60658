from typing import Any

import pytest
from starlette.responses import Response

from veriscope import ApplicationMonitor
from veriscope.facade.application import BusinessPaths
from veriscope.signals import ManualClock


async def test_totals_are_increases(
    monitor: ApplicationMonitor, service: Any, clock: ManualClock
) -> None:
    """A counter's total is how much it grew, a restart of the service included."""
    for completed, failed in ((100, 10), (103, 10), (2, 1), (5, 1)):
        service.answers["/optimizations/stats"] = {
            "total": 9,
            "completed": completed,
            "failed": failed,
        }
        await monitor._monitor_business_metrics()
        clock.advance(ms=5000)
    summary = monitor.get_business_summary()
    assert summary["completed_optimizations"]["current"] == 5
    assert summary["completed_optimizations"]["total"] == 3 + 2 + 3
    assert summary["failed_optimizations"]["total"] == 0 + 1 + 0
    assert monitor.get_business_summary(duration=8)["completed_optimizations"]["total"] == 3


async def test_revenue_is_uses_times_price(
    monitor: ApplicationMonitor, service: Any, clock: ManualClock
) -> None:
    """What was used before monitoring began is not counted; a restart does not count back."""
    expected = []
    for uses in (10, 14, 3):
        service.answers["/models/usage"] = {"small": uses, "free": 1000}
        await monitor._monitor_business_metrics()
        expected.append(monitor.business_metrics_buffer[-1].revenue_metrics)
        clock.advance(ms=5000)
    assert expected == [{"small": 0.0}, {"small": 2.0}, {"small": 3.5}]
    summary = monitor.get_business_summary()
    assert summary["revenue"] == {"small": {"current": 3.5, "total": 3.5}}
    assert summary["model_usage"]["small"] == {"current": 3, "total": 7}


async def test_revenue_can_be_the_service_s_own(service: Any) -> None:
    """A path of revenue is polled like the other figures."""
    service.answers["/revenue"] = {"subscriptions": 12.5}
    paths = BusinessPaths(revenue="/revenue")
    monitor = ApplicationMonitor("TruthGPT", service.url, business=paths)
    await monitor._monitor_business_metrics()
    await monitor.stop_monitoring()
    assert monitor.business_metrics_buffer[0].revenue_metrics == {"subscriptions": 12.5}


async def test_a_failed_poll_is_recorded_and_repeats_nothing(
    monitor: ApplicationMonitor, service: Any, clock: ManualClock
) -> None:
    """A figure that could not be read is none, and counts for nothing in the summary."""
    await monitor._monitor_business_metrics()
    clock.advance(ms=5000)
    service.answers["/users/active"] = Response(status_code=500)
    service.answers["/models/usage"] = {"small": "many"}
    await monitor._monitor_business_metrics()
    reading = monitor.business_metrics_buffer[-1]
    assert (reading.active_users, reading.model_usage, reading.revenue_metrics) == (0, {}, {})
    assert reading.errors["active_users"] == "status: answered with 500"
    assert reading.errors["model_usage"].startswith("shape: Expected `int`, got `str`")
    assert reading.errors["revenue"] == "unknown, since the usage of models is"
    users = monitor.get_business_summary()["active_users"]
    assert users == {"current": 7, "avg": 7.0, "max": 7, "stale": True}

    clock.advance(ms=5000)
    service.answers["/models/usage"] = {"small": 12}
    await monitor._monitor_business_metrics()
    assert monitor.business_metrics_buffer[-1].revenue_metrics == {"small": 1.0}


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "{",
        '{"count": -1}',
        '{"count": "7"}',
        '{"users": 7}',
        "[" * 5000,
        "x" * 300_000,
    ],
)
async def test_no_shape_of_answer_breaks_a_poll(
    monitor: ApplicationMonitor, service: Any, body: str
) -> None:
    """Whatever a service answers, the reading is recorded with a reason."""
    service.answers["/users/active"] = body
    await monitor._monitor_business_metrics()
    reading = monitor.business_metrics_buffer[-1]
    assert reading.active_users == 0
    assert reading.errors["active_users"].split(":")[0] in ("shape", "too_large", "status")


async def test_requests_per_second_are_the_service_s(
    monitor: ApplicationMonitor, service: Any, clock: ManualClock
) -> None:
    """They come from its own counter, each series' resets included."""
    rates = []
    for text in (
        'http_server_request_duration_seconds_count{a="1"} 100\nhttp_requests_total 5\n',
        'http_server_request_duration_seconds_count{a="1"} 150 # {t="x"} 1\n# EOF\n',
        """http_server_request_duration_seconds_count{a="1"} 20
http_server_request_duration_seconds_count{a="2"} 30
""",
    ):
        service.answers["/metrics"] = text
        await monitor._monitor_business_metrics()
        clock.advance(ms=10_000)
        reading = monitor.business_metrics_buffer[-1]
        rates.append((reading.requests_per_second, reading.requests_per_second_source))
    assert rates == [(0.0, ""), (5.0, "service"), (5.0, "service")]
    found = monitor.get_business_summary()["requests_per_second"]
    assert found == {"current": 5.0, "avg": 5.0, "max": 5.0, "stale": False, "source": "service"}


async def test_without_a_counter_our_probes_are_counted(
    monitor: ApplicationMonitor, service: Any, clock: ManualClock
) -> None:
    """The source says so."""
    service.answers["/metrics"] = "process_start_time_seconds 1\n"
    for _ in range(10):
        await monitor._monitor_health()
        clock.advance(ms=1000)
    await monitor._monitor_business_metrics()
    reading = monitor.business_metrics_buffer[-1]
    assert reading.requests_per_second_source == "probes"
    assert reading.requests_per_second == pytest.approx(1.0, rel=0.15)
    assert "requests_per_second" not in reading.errors


async def test_a_clock_that_steps_back_hides_nothing(service: Any) -> None:
    """Windows are kept on the monotonic clock."""

    class SteppedClock(ManualClock):
        def now_ms(self) -> int:
            return super().now_ms() - 86_400_000 if self.monotonic_s() > 5 else super().now_ms()

    clock = SteppedClock(now_ms=1_700_000_000_000)
    monitor = ApplicationMonitor("t", service.url, clock=clock)
    await monitor._monitor_health()
    clock.advance(ms=10_000)
    await monitor._monitor_health()
    assert monitor.get_application_summary(60)["total_requests"] == 2
    assert monitor.get_application_summary(5)["total_requests"] == 1

import asyncio
import json
import logging
import math
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope import LogLevel, ObservabilityFramework, TraceContext
from veriscope.facade.framework import FrameworkOptions
from veriscope.signals import InvalidInputError


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where the framework counts."""
    return CollectorRegistry()


@pytest.fixture
def framework(registry: CollectorRegistry) -> ObservabilityFramework:
    """Return a framework with the default limits."""
    return ObservabilityFramework("shop", registry=registry)


def dropped(registry: CollectorRegistry, buffer: str) -> float:
    """Return how many items of *buffer* were given up."""
    return registry.get_sample_value("veriscope_framework_dropped_total", {"buffer": buffer}) or 0


def test_attributes_are_the_documents(framework: ObservabilityFramework) -> None:
    """Name, logger and the five collections are there from the start."""
    assert framework.service_name == "shop"
    assert framework.logger.name == "shop"
    assert framework.traces == framework.spans == framework.metrics == framework.dashboards == {}
    assert framework.alerts == []


def test_the_documents_trace_calls_work_in_their_order(framework: ObservabilityFramework) -> None:
    """Start, tag, log, finish, summarize: as pasted from the document."""
    span = framework.start_trace("checkout")
    assert framework.spans[span.span_id] is span
    framework.add_span_tag(span, "user", "7")
    framework.add_span_log(span, "paid", LogLevel.WARNING, amount=3)
    framework.finish_span(span)
    framework.finish_span(span, status="error")
    assert framework.traces[span.trace_id] == [span]
    assert span.status == "completed"
    entry = span.logs[0]
    assert (entry["message"], entry["level"], entry["amount"]) == ("paid", "WARNING", 3)
    summary = framework.get_trace_summary(span.trace_id)
    assert {"trace_id", "span_count", "total_duration", "spans"} <= set(summary)
    assert {"span_id", "operation_name", "duration", "status", "tags"} <= set(summary["spans"][0])
    assert summary["total_duration"] == pytest.approx(span.duration, abs=1e-6)
    assert framework.get_trace_summary("unknown") == {}


def test_a_given_context_is_the_parent(framework: ObservabilityFramework) -> None:
    """A trace that came in goes on."""
    context = TraceContext()
    span = framework.start_trace("work", context)
    assert (span.trace_id, span.parent_span_id) == (context.trace_id, context.span_id)


def test_a_trace_begins_at_a_root_unless_a_span_is_active(
    framework: ObservabilityFramework,
) -> None:
    """Without a context the active span is the parent; without one there is none."""
    root = framework.start_trace("root")
    assert root.parent_span_id is None
    assert framework.start_trace("other").trace_id != root.trace_id  # starting is not activating
    with framework.span("outer") as outer:
        inner = framework.start_trace("inner")
    assert (inner.trace_id, inner.parent_span_id) == (outer.trace_id, outer.span_id)


def test_a_trace_with_a_running_span_is_not_complete(framework: ObservabilityFramework) -> None:
    """The summary says when there is more to come."""
    with framework.span("outer") as outer:
        with framework.span("inner"):
            pass
        assert framework.get_trace_summary(outer.trace_id)["complete"] is False
    assert framework.get_trace_summary(outer.trace_id)["complete"] is True


def test_traced_functions_have_spans(framework: ObservabilityFramework) -> None:
    """With and without a name, and with the error of one that fails."""

    @framework.traced
    def plain(value: int) -> int:
        return value + 1

    @framework.traced("named")
    def failing() -> None:
        raise ValueError("no")

    assert plain(1) == 2
    with pytest.raises(ValueError, match="no"):
        failing()
    spans = {span.operation_name: span.status for span in framework.spans.values()}
    assert spans == {plain.__qualname__: "completed", "named": "error"}


async def test_traced_coroutines_and_generators_are_active_only_while_they_run(
    framework: ObservabilityFramework,
) -> None:
    """A consumer of a generator is not inside the generator's span."""

    @framework.traced("numbers")
    def numbers() -> Iterator[str | None]:
        with framework.span("step"):
            yield current()
            yield current()

    @framework.traced("stream")
    async def stream() -> AsyncIterator[str | None]:
        yield current()
        await asyncio.sleep(0)
        yield current()

    @framework.traced("whole")
    async def whole() -> list[str | None]:
        await asyncio.sleep(0)
        found = [current()]
        for each in numbers():
            found += [each, current()]
        async for each in stream():
            found += [each, current()]
        return found

    def current() -> str | None:
        here = TraceContext.current()
        return None if here is None else framework.spans[here.span_id].operation_name

    assert await whole() == [
        "whole",
        *("step", "whole") * 2,
        *("stream", "whole") * 2,
    ]
    assert current() is None
    parents = {span.operation_name: span.parent_span_id for span in framework.spans.values()}
    ids = {span.operation_name: span.span_id for span in framework.spans.values()}
    assert parents == {
        "whole": None,
        "numbers": ids["whole"],
        "step": ids["numbers"],
        "stream": ids["whole"],
    }
    assert all(span.is_finished for span in framework.spans.values())


def test_traced_above_classmethod_is_refused(framework: ObservabilityFramework) -> None:
    """The message says where it belongs, and not that an argument is missing at each call."""
    with pytest.raises(InvalidInputError, match="put it below"):
        framework.traced(classmethod(lambda cls: cls))  # type: ignore[call-overload]


def test_traced_generators_are_generators(framework: ObservabilityFramework) -> None:
    """Values and errors sent in arrive, the return value comes out, and closing ends the span."""

    @framework.traced("talk")
    def talk() -> Any:
        heard = yield "first"
        try:
            yield heard
        except KeyError:
            yield "caught"
        return "end"

    talker = talk()
    assert (next(talker), talker.send("hello"), talker.throw(KeyError)) == (
        "first",
        "hello",
        "caught",
    )
    with pytest.raises(StopIteration) as stop:
        next(talker)
    assert stop.value.value == "end"
    cut = talk()
    next(cut)
    cut.close()
    assert [span.status for span in framework.spans.values()] == ["completed", "completed"]


def test_metrics_are_summed_up(framework: ObservabilityFramework) -> None:
    """The document's figures, and percentiles beside them."""
    for value in range(1, 101):
        framework.log_metric("latency", value, {"route": "/"})
    entry = framework.metrics["latency"][0]
    assert [each["value"] for each in framework.metrics["latency"][-2:]] == [99, 100]
    assert (entry["name"], entry["value"], entry["tags"]) == ("latency", 1, {"route": "/"})
    assert isinstance(entry["timestamp"], str)
    summary = framework.get_metrics_summary("latency")
    assert summary == {
        "metric_name": "latency",
        "duration": 300,
        "count": 100,
        "avg": 50.5,
        "min": 1,
        "max": 100,
        "latest": 100,
        "p50": 50.5,
        "p95": pytest.approx(95.05),
        "p99": pytest.approx(99.01),
    }
    assert framework.get_metrics_summary("unknown") == {}
    assert framework.get_metrics_summary("latency", duration=0) == {}


def test_what_is_no_number_is_dropped_and_counted(
    framework: ObservabilityFramework, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong value neither raises nor disappears without a trace; NaN stays out of figures."""
    framework.log_metric("m", "fast")  # type: ignore[arg-type]
    assert "m" not in framework.metrics
    assert dropped(registry, "metrics") == 1
    assert "'fast' is no number" in caplog.text
    framework.log_metric("m", math.nan)
    assert framework.get_metrics_summary("m") == {}
    framework.log_metric("m", math.inf)
    framework.log_metric("m", -math.inf)
    assert framework.get_metrics_summary("m")["count"] == 2


def test_events_are_lines_of_json_at_their_level(
    framework: ObservabilityFramework, caplog: pytest.LogCaptureFixture
) -> None:
    """An error is logged as an error, and what JSON cannot say is spelled as text."""
    framework.log_event("order", {"id": 7, "odd": {1, 2}.__class__}, LogLevel.ERROR)
    record = caplog.records[-1]
    assert (record.name, record.levelno) == ("shop", logging.ERROR)
    event = json.loads(record.getMessage())
    assert (event["event_name"], event["level"], event["service"]) == ("order", "ERROR", "shop")
    assert event["event_data"] == {"id": 7, "odd": "<class 'set'>"}
    loop: dict[str, Any] = {}
    loop["self"] = loop
    framework.log_event("loop", loop)
    framework.log_event("keys", {(1, 2): 3})  # type: ignore[dict-item]


def test_memory_is_bounded_and_what_goes_is_counted() -> None:
    """Past a limit the oldest traces, values and dashboards go, and the counter says how many."""
    registry = CollectorRegistry()
    framework = ObservabilityFramework(
        "small",
        registry=registry,
        options=FrameworkOptions(
            max_spans=10, max_span_logs=2, max_metrics=2, max_metric_points=5, max_dashboards=1
        ),
    )
    running = framework.start_trace("running")
    for _ in range(25):
        with framework.span("work"), framework.span("inner"):
            pass
    assert sum(map(len, framework.traces.values())) <= 10
    assert framework.spans[running.span_id] is running
    assert dropped(registry, "spans") == 50 - sum(map(len, framework.traces.values()))
    for _ in range(20):
        framework.start_trace("leaked")
    assert len(framework.spans) <= 20
    for index in range(5):
        framework.add_span_log(running, str(index))
    assert len(running.logs) == 2
    assert dropped(registry, "logs") == 3
    for index in range(12):
        framework.log_metric(f"m{index % 3}", index)
    assert set(framework.metrics) == {"m0", "m1"}
    assert dropped(registry, "metrics") == 4
    for index in range(7):
        framework.log_metric("m0", index)
    assert len(framework.metrics["m0"]) == 5
    framework.create_dashboard("a", [])
    framework.create_dashboard("b", [])
    assert [each["dashboard_name"] for each in framework.dashboards.values()] == ["b"]
    assert dropped(registry, "dashboards") == 1


def test_one_trace_cannot_fill_more_than_everything() -> None:
    """A trace that never ends is cut, not the memory limit."""
    registry = CollectorRegistry()
    framework = ObservabilityFramework(
        "one", registry=registry, options=FrameworkOptions(max_spans=10)
    )
    with framework.span("root") as root:
        for _ in range(30):
            with framework.span("child"):
                pass
    assert len(framework.traces[root.trace_id]) == 10
    assert len(framework.spans) == 10
    assert dropped(registry, "spans") == 21


def test_sixty_four_threads_lose_nothing() -> None:
    """Each span, value and transition of many threads is there once."""
    registry = CollectorRegistry()
    framework = ObservabilityFramework(
        "busy", registry=registry, options=FrameworkOptions(max_spans=20_000)
    )
    framework.create_alert("high", "value > 10")
    start = threading.Barrier(64)

    def work(number: int) -> None:
        start.wait()
        for index in range(20):
            with framework.span("outer") as span:
                framework.add_span_tag(span, "thread", str(number))
                with framework.span("inner"):
                    framework.log_metric("done", index)
            framework.check_alerts({"value": index})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(framework.traces) == 64 * 20
    assert all(len(spans) == 2 for spans in framework.traces.values())
    assert framework.get_metrics_summary("done")["count"] == 64 * 20
    assert dropped(registry, "spans") == 0

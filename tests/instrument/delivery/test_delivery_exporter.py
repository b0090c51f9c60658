import logging
import os
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np
from opentelemetry import trace
from opentelemetry.context import attach, detach, get_value
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.registry import Collector

from veriscope.instrument.delivery import Exporter, LogRecord
from veriscope.signals import SampleBatch, to_labels

INSTANCE = f"{socket.gethostname()}:{os.getpid()}"


def counted(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return one of the exporter's own counters."""
    return registry.get_sample_value(f"veriscope_export_{name}", labels) or 0.0


def record(body: str = "said", **fields: Any) -> LogRecord:
    """Return a log record."""
    return LogRecord(
        **{
            "time_ns": 1_700_000_000_000_000_000,
            "severity_number": 9,
            "severity_text": "INFO",
            "body": body,
            "attributes": {},
            "logger": "shop.checkout",
            **fields,
        }
    )


def test_the_registry_is_sent_with_job_and_instance(
    sink: Any, export: Callable[..., Exporter], registry: CollectorRegistry
) -> None:
    """A counter arrives under its name, as this service's and this process'."""
    orders = Counter("orders", "Orders taken.", ["kind"], registry=registry)
    orders.labels("book").inc(3)
    assert export(token="t0ken").flush(60)  # noqa: S106 - of a server in this test
    labels = {"__name__": "orders_total", "kind": "book", "job": "shop", "instance": INSTANCE}
    assert (labels, 3.0) in [(found, value) for found, _, value in sink.samples]
    assert "orders_total" in sink.metadata
    assert sink.headers[0]["Authorization"] == "Bearer t0ken"


def test_readings_go_on_by_themselves(sink: Any, export: Callable[..., Exporter]) -> None:
    """The registry is read each interval, with rising times."""
    export(metrics_interval_s=0.02, batch_interval_s=0.02)
    name = "veriscope_export_queue_bytes"
    sink.wait_for(lambda: len(sink.values(name)) >= 9)
    times = [time for labels, time, _ in sink.samples if labels["__name__"] == name][::3]
    assert times == sorted(set(times))


def test_batches_and_samples_are_sent(sink: Any, export: Callable[..., Exporter]) -> None:
    """What is added is completed with labels; labels that it has already stay."""
    exporter = export()
    labels = (to_labels({"__name__": "gpu_up", "instance": "rack:1"}),)
    exporter.add_batch(SampleBatch.at(labels, np.array([1.0]), 1_700_000_000_000))
    exporter.add_sample("response time-ms", {"1st": 2, "__name": "é"}, 7, 1_700_000_000_001)
    assert exporter.flush(60)
    found = {labels["__name__"]: (labels, time, value) for labels, time, value in sink.samples}
    assert found["gpu_up"] == (
        {"__name__": "gpu_up", "instance": "rack:1", "job": "shop"},
        1_700_000_000_000,
        1.0,
    )
    assert found["response_time_ms"] == (
        {"__name__": "response_time_ms", "_1st": "2", "_name": "é", "job": "shop"}
        | {"instance": INSTANCE},
        1_700_000_000_001,
        7.0,
    )


def test_of_one_millisecond_the_last_sample_stays(
    sink: Any, export: Callable[..., Exporter], registry: CollectorRegistry
) -> None:
    """The others are counted as replaced, so that the store never sees two values of a time."""
    exporter = export()
    for value in range(5):
        exporter.add_sample("depth", {}, value, 1_700_000_000_000)
    exporter.add_sample("depth", {}, "no number", 1)  # type: ignore[arg-type]
    assert not exporter.flush(60)
    assert sink.values("depth") == [4.0]
    assert counted(registry, "dropped_items_total", signal="metrics", reason="replaced") == 4
    assert counted(registry, "dropped_items_total", signal="metrics", reason="unencodable") == 1


def test_samples_of_one_moment_are_all_kept(sink: Any, export: Callable[..., Exporter]) -> None:
    """Many readings in the same millisecond are moved apart, also from one request to the next."""
    exporter = export()
    for value in range(300):
        exporter.add_sample("fast", {}, value)
        if value % 100 == 99:
            assert exporter.flush(60)
    found = {(time, value) for labels, time, value in sink.samples if labels["__name__"] == "fast"}
    assert sorted(value for _, value in found) == list(range(300))
    assert len({time for time, _ in found}) == 300


def test_a_collector_that_hangs_cannot_hold_up_the_end(
    export: Callable[..., Exporter], registry: CollectorRegistry
) -> None:
    """The shutdown keeps its time, and counts what it could not even encode."""
    entered, leave = threading.Event(), threading.Event()

    class Hanging(Collector):
        def collect(self) -> Any:
            if threading.current_thread().name == "veriscope-export":
                entered.set()
                leave.wait(30)
            return []

    registry.register(Hanging())
    exporter = export(batch_interval_s=0.01)
    assert entered.wait(60)
    exporter.add_log(record())
    begun = monotonic()
    assert not exporter.shutdown(0.3)
    assert monotonic() - begun < 20
    leave.set()
    assert counted(registry, "dropped_items_total", signal="logs", reason="shutdown") == 1


def test_sampled_spans_are_sent_with_the_resource_of_this_process(
    sink: Any, export: Callable[..., Exporter]
) -> None:
    """What the provider says stays, what tells processes apart is this process' own."""
    exporter = export()
    stale = {"process.pid": 1, "service.instance.id": "parent", "cloud.region": "north"}
    provider = TracerProvider(resource=Resource(stale), shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    with provider.get_tracer("shop").start_as_current_span("pay") as span:
        span.set_attribute("amount", 12.5)
    assert provider.force_flush(5000)
    resource, sent = sink.spans[0]
    assert sent.name == "pay"
    assert resource["cloud.region"] == "north"
    assert resource["service.instance.id"] == INSTANCE
    assert resource["process.pid"] == os.getpid()
    assert resource["host.name"] == socket.gethostname()


def test_spans_that_are_not_sampled_stay(sink: Any, export: Callable[..., Exporter]) -> None:
    """A sampler's decision is kept, and the processor is the same object each time."""
    exporter = export()
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    provider.get_tracer("shop").start_span("unseen").end()
    assert exporter.span_processor() is exporter.span_processor()
    assert exporter.flush(60)
    assert not sink.spans


def test_a_provider_that_is_shut_down_does_not_end_the_exporter(
    sink: Any, export: Callable[..., Exporter]
) -> None:
    """The exporter belongs to the process, not to a tracer provider."""
    exporter = export()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    provider.shutdown()
    exporter.add_log(record())
    assert exporter.flush(60)
    assert len(sink.logs) == 1


def test_log_records_are_sent(sink: Any, export: Callable[..., Exporter]) -> None:
    """Body, severity, ids, logger and attributes of every kind arrive."""
    exporter = export()
    mixed = {"n": 1, "big": 1 << 70, "f": 0.5, "b": True, "list": [1, "x"], "map": {"k": None}}
    exporter.add_log(record(attributes=mixed, trace_id=7, span_id=9))
    assert exporter.flush(60)
    resource, logger, sent = sink.logs[0]
    assert resource["service.name"] == "shop"
    assert logger == "shop.checkout"
    assert (sent.body.string_value, sent.severity_number) == ("said", 9)
    assert (int.from_bytes(sent.trace_id), int.from_bytes(sent.span_id)) == (7, 9)
    found = {pair.key: pair.value for pair in sent.attributes}
    assert found["n"].int_value == 1
    assert found["big"].string_value == str(1 << 70)
    assert found["b"].bool_value
    assert [each.WhichOneof("value") for each in found["list"].array_value.values] == [
        "int_value",
        "string_value",
    ]


def test_what_cannot_be_written_costs_only_itself(
    sink: Any, export: Callable[..., Exporter], registry: CollectorRegistry
) -> None:
    """An object whose text raises, half a surrogate and a huge body harm no other record."""

    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no")

    exporter = export()
    exporter.add_log(record(attributes={"rude": Rude()}))
    exporter.add_log(record(body="\ud800", attributes={"\ud800": "\ud800"}))
    exporter.add_log(record(body="x" * 1_000_000))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    for name in ("good", "\ud800", "fine"):
        provider.get_tracer("shop").start_span(name).end()
    assert not exporter.flush(60)
    assert sorted(len(each.body.string_value) for _, _, each in sink.logs) == [1, 65_537]
    assert [span.name for _, span in sink.spans] == ["good", "fine"]
    for signal in ("logs", "spans"):
        assert counted(registry, "sent_items_total", signal=signal) == 2
        assert counted(registry, "dropped_items_total", signal=signal, reason="unencodable") == 1


def test_what_delivery_itself_logs_is_never_shipped(
    sink: Any, export: Callable[..., Exporter], reply: Any
) -> None:
    """Even an application that ships every record of every logger gets no echo."""
    exporter = export()

    class Shipping(logging.Handler):
        def emit(self, found: logging.LogRecord) -> None:
            exporter.add_log(record(found.getMessage(), logger=found.name))

    root, shipping = logging.getLogger(), Shipping()
    level = root.level
    root.addHandler(shipping)
    root.setLevel(logging.DEBUG)
    sink.replies.append(reply(400))
    try:
        logging.getLogger("shop").info("first")
        exporter.flush(60)
        logging.getLogger("shop").info("second")
        exporter.flush(60)
        exporter.flush(60)
    finally:
        root.removeHandler(shipping)
        root.setLevel(level)
    bodies = {each.body.string_value for _, _, each in sink.logs}
    assert bodies <= {"first", "second"}
    assert "second" in bodies


def test_own_requests_are_marked_as_not_to_be_instrumented(
    export: Callable[..., Exporter], registry: CollectorRegistry
) -> None:
    """Whatever runs on the exporter's threads sees OpenTelemetry's suppression."""
    seen: list[object] = []

    class Watching(Collector):
        def collect(self) -> Any:
            seen.append((threading.current_thread().name, get_value("suppress_instrumentation")))
            return []

    token = attach(trace.set_span_in_context(trace.INVALID_SPAN))
    registry.register(Watching())
    seen.clear()
    export().flush(60)
    detach(token)
    assert seen == [("MainThread", True)]
    assert get_value("suppress_instrumentation") is None


def test_partial_success_is_counted(
    sink: Any, export: Callable[..., Exporter], registry: CollectorRegistry, reply: Any
) -> None:
    """Spans that the server says it did not store are dropped, the others sent."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    answer.partial_success.error_message = "too old"
    sink.always = lambda path: reply(
        body=answer.SerializeToString() if path == "/v1/traces" else b""
    )
    exporter = export()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    for number in range(5):
        provider.get_tracer("shop").start_span(f"{number}").end()
    assert not exporter.flush(60)
    assert counted(registry, "sent_items_total", signal="spans") == 3
    assert counted(registry, "dropped_items_total", signal="spans", reason="rejected") == 2


def test_a_collector_that_raises_is_counted_and_ends_nothing(
    sink: Any, export: Callable[..., Exporter], registry: CollectorRegistry
) -> None:
    """The application's own collector cannot stop spans, logs, or the next reading."""

    class Broken(Collector):
        fails = True

        def collect(self) -> Any:
            if self.fails:
                raise RuntimeError("broken")
            return []

    Broken.fails = False
    broken = Broken()
    registry.register(broken)
    exporter = export()
    broken.fails = True
    exporter.add_log(record())
    exporter.flush(60)
    assert len(sink.logs) == 1
    assert not sink.samples
    broken.fails = False
    assert exporter.flush(60)
    assert counted(registry, "failures_total", signal="metrics") == 1
    assert sink.samples


def test_after_the_shutdown_items_are_dropped_and_counted(
    sink: Any, export: Callable[..., Exporter], registry: CollectorRegistry
) -> None:
    """What was there before is sent, and a second shutdown changes nothing."""
    exporter = export()
    exporter.add_log(record("before"))
    assert exporter.shutdown(5)
    exporter.add_log(record("after"))
    exporter.add_sample("after", {}, 1)
    assert exporter.shutdown(5)
    assert exporter.flush(0)
    assert [each.body.string_value for _, _, each in sink.logs] == ["before"]
    assert counted(registry, "dropped_items_total", signal="logs", reason="closed") == 1
    assert counted(registry, "dropped_items_total", signal="metrics", reason="closed") == 1


def test_many_items_leave_before_their_interval(sink: Any, export: Callable[..., Exporter]) -> None:
    """A quarter of `max_waiting_items` wakes the encoder; fewer wait for company."""
    exporter = export(max_waiting_items=4000)
    for number in range(1000):
        exporter.add_log(record(str(number)))
    sink.wait_for(lambda: len(sink.logs) == 1000)
    exporter.add_log(record("1000"))
    assert exporter.flush(60)
    assert sorted(int(each.body.string_value) for _, _, each in sink.logs) == list(range(1001))

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace as otel

from veriscope import LogLevel, ObservabilityFramework, TraceContext
from veriscope.instrument import delivery


@pytest.fixture
def doors(sink: Any) -> Iterator[Any]:
    """Send everything of this process to a server of the test."""
    delivery.configure(sink.url, service_name="shop")
    yield sink
    delivery.shutdown()
    delivery.configure()


def attributes(item: Any) -> dict[str, Any]:
    """Return the attributes of a span, event or record."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in item.attributes
    }


def test_spans_arrive_as_opentelemetry_has_them(doors: Any) -> None:
    """Ids, parents, tags, logs, exceptions and status are on the wire, OTel's spans among them."""
    framework = ObservabilityFramework("shop")

    @framework.traced("outer")
    def work() -> None:
        outer = framework.spans[span_id()]
        framework.add_span_tag(outer, "user", "7")
        framework.add_span_log(outer, "paid", amount=3)
        with otel.get_tracer("library").start_as_current_span("theirs"):
            framework.finish_span(framework.start_trace("inner"), "skipped")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    outer = next(span for span in framework.spans.values() if span.operation_name == "outer")
    assert delivery.flush(60)
    spans = doors.spans_by_name
    exported = spans["outer"]
    assert exported.trace_id.hex() == outer.trace_id
    assert exported.span_id.hex() == outer.span_id
    assert exported.parent_span_id == b""
    assert attributes(exported)["user"] == "7"
    assert [event.name for event in exported.events] == ["paid", "exception"]
    assert attributes(exported.events[0]) == {"level": "INFO", "amount": 3}
    assert attributes(exported.events[1])["exception.type"] == "ValueError"
    assert exported.status.code == exported.status.STATUS_CODE_ERROR
    length_s = (exported.end_time_unix_nano - exported.start_time_unix_nano) / 1e9
    assert length_s == pytest.approx(outer.duration, abs=1e-6)
    assert attributes(spans["inner"])["veriscope.status"] == "skipped"
    assert spans["inner"].trace_id == exported.trace_id


def test_a_trace_goes_on_in_another_service(doors: Any) -> None:
    """What came in by header is the parent on the wire; what is not to be kept stays here."""
    framework = ObservabilityFramework("shop")
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
    with framework.span("kept", TraceContext.from_headers({"traceparent": header + "1"})):
        pass
    with framework.span("unkept", TraceContext.from_headers({"traceparent": header + "0"})) as span:
        assert span.context().to_headers()["traceparent"].endswith("-00")
    assert delivery.flush(60)
    assert set(doors.spans_by_name) == {"kept"}
    kept = doors.spans_by_name["kept"]
    assert kept.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert kept.parent_span_id.hex() == "b7ad6b7169203331"
    assert span.trace_id in framework.traces


def test_a_context_made_here_is_no_parent_on_the_wire(doors: Any) -> None:
    """The span that the document makes up is not looked for by the server; a given one is."""
    framework = ObservabilityFramework("shop")
    made_up, given = TraceContext(), TraceContext("order 7", "b7ad6b7169203331")
    for name, context in (("made up", made_up), ("given", given)):
        framework.finish_span(framework.start_trace(name, context))
    assert delivery.flush(60)
    spans = doors.spans_by_name
    assert spans["made up"].trace_id.hex() == made_up.trace_id
    assert spans["made up"].parent_span_id == b""
    assert spans["given"].parent_span_id.hex() == "b7ad6b7169203331"


def test_events_and_metrics_are_sent(doors: Any) -> None:
    """An event is a log record with the ids of its span; a metric is a series of the service."""
    framework = ObservabilityFramework("shop")
    with framework.span("work") as span:
        framework.log_event("order", {"id": 7}, LogLevel.ERROR)
    framework.log_metric("orders waiting", 3, {"zone": "a"})
    assert delivery.flush(60)
    (record,) = [each for _, _, each in doors.logs if each.body.string_value == "order"]
    assert (record.severity_number, record.severity_text) == (17, "ERROR")
    assert record.trace_id.hex() == span.trace_id
    assert record.span_id.hex() == span.span_id
    assert attributes(record) == {"event.name": "order", "id": 7}
    (labels,) = [each for each, _, _ in doors.samples if each["__name__"] == "orders_waiting"]
    assert (labels["zone"], labels["service"]) == ("a", "shop")


@pytest.mark.parametrize("data", [[1, 2], None, "paid", 5])
def test_events_of_any_data_are_sent(doors: Any, data: Any) -> None:
    """What is no mapping works with a server as it does without one."""
    ObservabilityFramework("shop").log_event("order", data)
    assert delivery.flush(60)
    (record,) = [each for _, _, each in doors.logs if each.body.string_value == "order"]
    assert [each.key for each in record.attributes] == ["event.name", "event.data"]


def test_tags_and_logs_of_any_text_and_size_are_sent(doors: Any) -> None:
    """Broken UTF-8, numbers past 64 bits and endless keys cost neither the span nor a tag."""
    framework = ObservabilityFramework("shop")
    with framework.span("\udc80") as span:
        span.set_tag("text", "\udc80")
        span.set_tag("number", 1 << 70)
        span.set_tag("k" * 5000, 1)
        span.log("\udc80", fault="\udc80")
    assert delivery.flush(60)
    found = doors.spans_by_name["?"]
    assert attributes(found) == {"text": "?", "number": str(1 << 70), "k" * 255: 1}
    assert attributes(found.events[0])["fault"] == "?"


def span_id() -> str:
    """Return the id of the active span."""
    here = TraceContext.current()
    assert here is not None
    return here.span_id


SCRIPT = """
import veriscope
framework = veriscope.ObservabilityFramework(
    "short", receivers=[{{"name": "r", "webhook_configs": [{{"url": "{url}/hook"}}]}}]
)
framework.create_alert("Down", "up == 0")
framework.check_alerts({{"up": 0}})
with framework.span("last words"):
    pass
"""


def test_a_short_process_says_everything_before_it_ends(doors: Any) -> None:
    """A script that ends at once has sent its spans and its notifications."""
    subprocess.run(
        [sys.executable, "-c", SCRIPT.format(url=doors.url)],
        env={"VERISCOPE_URL": doors.url},
        check=True,
        timeout=60,
    )
    assert "last words" in doors.spans_by_name
    assert doors.requests["/hook"] == 1


def test_a_process_whose_receiver_is_gone_ends_soon() -> None:
    """Nobody waits longer than moments for what cannot be sent."""
    subprocess.run(
        [sys.executable, "-c", SCRIPT.format(url="http://127.0.0.1:1")],
        env={},
        check=True,
        timeout=30,
    )

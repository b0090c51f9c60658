import socket
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from veriscope.instrument.tracing import OtlpHttpSpanExporter


@pytest.fixture
def spans() -> list[ReadableSpan]:
    """Return one finished span."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("t").start_span("one").end()
    return list(memory.get_finished_spans())


def test_a_busy_endpoint_gets_the_batch_again(
    sink: Any, reply: Any, spans: list[ReadableSpan]
) -> None:
    """503 and 429 are not the end: the batch arrives once the endpoint takes it."""
    sink.replies.extend([reply(503), reply(429)])
    exporter = OtlpHttpSpanExporter(sink.url)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    assert sink.requests.total() == 3


def test_a_refused_batch_is_not_sent_again(
    sink: Any, reply: Any, spans: list[ReadableSpan]
) -> None:
    """What is malformed today will be malformed tomorrow."""
    sink.replies.append(reply(400))
    exporter = OtlpHttpSpanExporter(sink.url)
    assert exporter.export(spans) is SpanExportResult.FAILURE
    assert sink.requests.total() == 1


def test_trying_ends_with_the_time_limit(
    spans: list[ReadableSpan],
) -> None:
    """An endpoint that is not there costs its time-out and no more."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        exporter = OtlpHttpSpanExporter(url, timeout_s=0.3)
        started = time.monotonic()
        assert exporter.export(spans) is SpanExportResult.FAILURE
    assert time.monotonic() - started < 30


def test_headers_are_sent_and_a_full_path_is_kept(sink: Any, spans: list[ReadableSpan]) -> None:
    """A token goes along, and an endpoint that names the path already gets no second one."""
    exporter = OtlpHttpSpanExporter(
        f"{sink.url}/otlp/v1/traces", headers={"Authorization": "Bearer x"}
    )
    exporter.export(spans)
    assert list(sink.requests) == ["/otlp/v1/traces"]
    assert sink.headers[0]["Authorization"] == "Bearer x"


def test_shutdown_ends_the_wait_between_tries(
    sink: Any, reply: Any, spans: list[ReadableSpan]
) -> None:
    """An interpreter that ends is not held up by an endpoint that asks for patience."""
    sink.replies.append(reply(503, {"Retry-After": "3600"}))
    exporter = OtlpHttpSpanExporter(sink.url)
    exporter.shutdown()
    started = time.monotonic()
    assert exporter.export(spans) is SpanExportResult.FAILURE
    assert time.monotonic() - started < 30

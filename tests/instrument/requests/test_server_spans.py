from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from veriscope.instrument.requests import AsgiMiddleware, WsgiMiddleware

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
seen: dict[str, Any] = {}


async def show(request: Request) -> Response:
    """Remember what is current, and answer or fail."""
    seen["span"] = trace.get_current_span().get_span_context().span_id
    seen["baggage"] = baggage.get_baggage("user")
    if request.path_params["number"] == "0":
        raise LookupError("zero")
    return PlainTextResponse("12345")


async def ask(app: Any, path: str, *headers: tuple[bytes, bytes], **extra: Any) -> None:
    """Send a request to *app*."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("10.0.0.9", 4000),
        "server": ("example.org", 443),
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(_message: Any) -> None:
        pass

    await app(scope | extra, receive, send)


@pytest.fixture
def app(registry: CollectorRegistry) -> AsgiMiddleware:
    """Return an application with one route, watched."""
    inner = Starlette(routes=[Route("/items/{number}", show)])
    return AsgiMiddleware(inner, registry=registry)


async def test_a_request_is_a_server_span(app: Any, spans: InMemorySpanExporter) -> None:
    """The span continues the caller's trace and has the conventions' attributes."""
    await ask(
        app,
        "/items/7",
        (b"traceparent", PARENT.encode()),
        (b"baggage", b"user=ada"),
        (b"user-agent", b"curl/8"),
        (b"content-length", b"0"),
        query_string=b"page=2&token=abc",
    )
    [span] = spans.get_finished_spans()
    assert (span.name, span.kind) == ("GET /items/{number}", SpanKind.SERVER)
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert seen == {"span": span.context.span_id, "baggage": "ada"}
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/items/{number}",
        "http.response.status_code": 200,
        "http.request.body.size": 0,
        "http.response.body.size": 5,
        "url.path": "/items/7",
        "url.scheme": "https",
        "url.query": "page=2&token=REDACTED",
        "network.protocol.version": "1.1",
        "server.address": "example.org",
        "server.port": 443,
        "client.address": "10.0.0.9",
        "user_agent.original": "curl/8",
    }
    assert not trace.get_current_span().get_span_context().is_valid


async def test_a_failure_is_an_error_of_the_span(app: Any, spans: InMemorySpanExporter) -> None:
    """An exception is recorded with its type; a client's own mistake is no error."""
    with pytest.raises(LookupError):
        await ask(app, "/items/0")
    await ask(app, "/nowhere", method="BREW")
    failed, missing = spans.get_finished_spans()
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["http.response.status_code"] == 500
    assert [event.name for event in failed.events]
    assert missing.status.status_code is StatusCode.UNSET
    assert missing.name == "HTTP"
    assert (missing.attributes or {})["http.request.method"] == "_OTHER"
    assert (missing.attributes or {})["http.request.method_original"] == "BREW"
    assert "http.route" not in (missing.attributes or {})


async def test_another_instrumentation_keeps_its_span(
    app: Any, spans: InMemorySpanExporter
) -> None:
    """Inside a server span of somebody else no second one is made."""
    with trace.get_tracer("other").start_as_current_span("theirs", kind=SpanKind.SERVER):
        await ask(app, "/items/7")
    assert [span.name for span in spans.get_finished_spans()] == ["theirs"]


async def test_without_tracing_there_is_no_span(
    app: Any, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that did not set up tracing pays nothing for it."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    await ask(app, "/items/7", (b"traceparent", PARENT.encode()))
    assert not spans.get_finished_spans()
    assert seen["span"] == 0


def test_opentelemetry_is_not_loaded_for_metrics(run_python: Callable[..., Any]) -> None:
    """Middleware alone does not import the SDK."""
    told = run_python("""
import sys
from veriscope.instrument.requests import WsgiMiddleware
app = WsgiMiddleware(lambda environ, start: start("200 OK", []) and [] or [b"a"])
body = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: lambda data: None)
list(body); body.close()
print(any(name.startswith("opentelemetry") for name in sys.modules))
""").out
    assert told.strip() == "False"


def test_a_wsgi_request_is_a_server_span(
    registry: CollectorRegistry, spans: InMemorySpanExporter
) -> None:
    """The span is current in the application and its generator, and ends with the body."""
    current: list[int] = []

    def inner(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("503 Busy", [])
        for _ in range(2):
            current.append(trace.get_current_span().get_span_context().span_id)
            yield b"abc"

    environ: dict[str, Any] = {
        "PATH_INFO": "/a",
        "QUERY_STRING": "b=1",
        "HTTP_TRACEPARENT": PARENT,
        "HTTP_USER_AGENT": "curl/8",
        "REMOTE_ADDR": "10.0.0.9",
    }
    setup_testing_defaults(environ)
    body = WsgiMiddleware(inner, registry=registry)(environ, lambda *_: lambda _data: None)
    for _ in body:
        assert not trace.get_current_span().get_span_context().is_valid
        assert not spans.get_finished_spans()
    body.close()
    [span] = spans.get_finished_spans()
    assert current == [span.context.span_id] * 2
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 503,
        "http.request.body.size": 0,
        "http.response.body.size": 6,
        "error.type": "503",
        "url.path": "/a",
        "url.scheme": "http",
        "url.query": "b=1",
        "network.protocol.version": "1.0",
        "server.address": "127.0.0.1",
        "server.port": 80,
        "client.address": "10.0.0.9",
        "user_agent.original": "curl/8",
    }


def test_a_broken_propagator_costs_the_span_only(
    registry: CollectorRegistry, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is served although its span cannot be made."""

    def broken(*_: Any, **__: Any) -> Any:
        raise LookupError

    monkeypatch.setattr("opentelemetry.propagate.extract", broken)

    def inner(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"abc"]

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    body = WsgiMiddleware(inner, registry=registry)(environ, lambda *_: lambda _data: None)
    assert b"".join(body) == b"abc"
    assert not spans.get_finished_spans()

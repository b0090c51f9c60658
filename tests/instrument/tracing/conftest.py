"""A collector that speaks OTLP/HTTP, and an OpenTelemetry that nobody has set up yet."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.util._once import Once

from veriscope.instrument.tracing import setup


class Collector:
    """What arrived, and what to answer: `statuses` in order, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.retry_after: str | None = None
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.statuses.pop(0) if outer.statuses else 200
                outer.requests.append((self.path, dict(self.headers), body))
                self.send_response(status)
                if outer.retry_after is not None:
                    self.send_header("Retry-After", outer.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Any]:
        """Return every span that arrived, decoded."""
        found = []
        for _, headers, body in self.requests:
            assert headers["Content-Encoding"] == "gzip"
            message = ExportTraceServiceRequest.FromString(gzip.decompress(body))
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found

    def resource(self) -> dict[str, str]:
        """Return the resource attributes of the first request."""
        message = ExportTraceServiceRequest.FromString(gzip.decompress(self.requests[0][2]))
        attributes = message.resource_spans[0].resource.attributes
        return {each.key: each.value.string_value for each in attributes}

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Return a collector that takes everything."""
    found = Collector()
    yield found
    found.close()


@pytest.fixture
def fresh_otel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let OpenTelemetry be as it is in a new process, and put back what was there before."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    textmap = propagate.get_global_textmap()
    setup._current.forget()
    yield
    provider = trace.get_tracer_provider()
    if hasattr(provider, "shutdown"):
        provider.shutdown()
    propagate.set_global_textmap(textmap)
    setup._current.forget()

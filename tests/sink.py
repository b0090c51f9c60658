"""
Real HTTP servers that keep what the library sends: telemetry decoded, notifications as JSON.

Loaded by path from `conftest.py`, whose fixtures `sink` and `receiver` start them.
"""

import contextlib
import gzip
import json
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cramjam
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Return each field's number and value of a protobuf message."""
    at = 0

    def varint() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        elif kind == 1:
            yield key >> 3, struct.unpack_from("<d", message, at)[0]
            at += 8
        else:
            size = varint()
            yield key >> 3, message[at : at + size]
            at += size


def attributes(pairs: Any) -> dict[str, Any]:
    """Return OTLP attributes as a mapping; the values are of whatever kind they have."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
        for pair in pairs
    }


@dataclass
class Reply:
    """How to answer one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Loopback:
    """Answers each POST as `take` says, but none while `answers` is cleared."""

    def __init__(self, port: int = 0) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.arrived = threading.Condition()
        self.connections: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def setup(self) -> None:
                super().setup()
                outer.connections.append(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.answers.wait(60)
                with outer.arrived:
                    reply = outer.take(self.path, dict(self.headers), body)
                    outer.arrived.notify_all()
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                except ConnectionError:  # who asked did not wait for the answer
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Say nothing of clients that went away."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Decide on a request, holding `arrived`."""
        raise NotImplementedError

    def wait_for(self, is_there: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until something is true of what arrived."""
        with self.arrived:
            assert self.arrived.wait_for(is_there, timeout_s), "it did not arrive"

    def close(self) -> None:
        """Stop serving; the port is free on return."""
        self.answers.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)


@dataclass
class Notification:
    """One request that a receiver got."""

    path: str
    headers: dict[str, str]
    body: Any


class Receiver(Loopback):
    """Keeps notifications; answers with `statuses` in order, then 200, and with `headers`."""

    def __init__(self, port: int = 0) -> None:
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.requests: list[Notification] = []
        super().__init__(port)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Keep what came."""
        self.requests.append(Notification(path, headers, json.loads(body)))
        status = self.statuses.pop(0) if self.statuses else 200
        return Reply(status, self.headers, b"answer")

    @property
    def bodies(self) -> list[Any]:
        """The JSON that came so far."""
        return [request.body for request in self.requests]

    def wait(self, count: int) -> list[Notification]:
        """Return the notifications once there are *count*."""
        self.wait_for(lambda: len(self.requests) >= count)
        return list(self.requests)


class Sink(Loopback):
    """Decodes and keeps telemetry; answers with `replies` in order, then as `always` says."""

    def __init__(self, port: int = 0) -> None:
        self.samples: list[tuple[dict[str, str], int, float]] = []
        self.spans: list[tuple[dict[str, Any], Any]] = []
        self.logs: list[tuple[dict[str, Any], str, Any]] = []
        self.metadata: list[str] = []
        self.requests: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.replies: deque[Reply] = deque()
        self.always: Callable[[str], Reply] = lambda _path: Reply()
        super().__init__(port)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Decide on a request; keep what is in it if the answer is good."""
        self.requests[path] += 1
        self.headers.append(headers)
        reply = self.replies.popleft() if self.replies else self.always(path)
        if reply.status == 200:
            if path.endswith("/api/v1/write"):
                self._keep_samples(body)
            elif path.endswith("/v1/traces"):
                self._keep_spans(body)
            elif path.endswith("/v1/logs"):
                self._keep_logs(body)
        return reply

    def values(self, name: str) -> list[float]:
        """Return the values that arrived under metric *name*."""
        return [value for labels, _, value in self.samples if labels["__name__"] == name]

    @property
    def spans_by_name(self) -> dict[str, Any]:
        """The spans that arrived; of several with one name, the last."""
        return {span.name: span for _, span in self.spans}

    def _keep_samples(self, body: bytes) -> None:
        for number, content in fields(bytes(cramjam.snappy.decompress_raw(body))):
            if number == 3:
                self.metadata.append(dict(fields(content))[2].decode())
                continue
            labels, samples = {}, []
            for part, value in fields(content):
                if part == 1:
                    pair = dict(fields(value))
                    labels[pair[1].decode()] = pair[2].decode()
                else:
                    samples.append(dict(fields(value)))
            self.samples += [(labels, sample[2], sample.get(1, 0.0)) for sample in samples]

    def _keep_spans(self, body: bytes) -> None:
        for part in ExportTraceServiceRequest.FromString(gzip.decompress(body)).resource_spans:
            resource = attributes(part.resource.attributes)
            self.spans += [(resource, span) for scope in part.scope_spans for span in scope.spans]

    def _keep_logs(self, body: bytes) -> None:
        for part in ExportLogsServiceRequest.FromString(gzip.decompress(body)).resource_logs:
            resource = attributes(part.resource.attributes)
            for scope in part.scope_logs:
                self.logs += [(resource, scope.scope.name, each) for each in scope.log_records]

"""A server that keeps every request, whatever its verb and body, and says what it is told to."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from veriscope.alert.notify import build_notifiers
from veriscope.alert.notify.config import GlobalConfig, ReceiverConfig
from veriscope.signals import ManualClock, decode_unit
from veriscope.templates.alertmanager import NotificationTemplates


@dataclass(frozen=True)
class Kept:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes

    @property
    def path(self) -> str:
        """The path, without the query."""
        return urlsplit(self.target).path

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.raw)

    @property
    def form(self) -> dict[str, str]:
        """The parameters of query and body."""
        return dict(parse_qsl(urlsplit(self.target).query) + parse_qsl(self.raw.decode()))


@dataclass
class Recorder:
    """What came, and what is answered: by path, else 200 and `{}`."""

    url: str = ""
    kept: list[Kept] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    server: "RecordingServer | None" = None

    def stop(self) -> None:
        """Serve no more; connections that are open are cut."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            for connection in self.server.connections:
                with contextlib.suppress(OSError):  # it is closed already
                    connection.shutdown(socket.SHUT_RDWR)
            self.server = None

    def wait(self, count: int) -> list[Kept]:
        """Return what came once there are *count*."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.kept) >= count, 60), "it did not arrive"
            return list(self.kept)


class RecordingServer(ThreadingHTTPServer):
    """Knows its connections; keeps quiet of clients that go away."""

    daemon_threads = True
    block_on_close = False
    recorder: Recorder

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), RecordingHandler)

    def handle_error(self, *_: object) -> None:
        """Keep quiet."""


class RecordingHandler(BaseHTTPRequestHandler):
    """Keeps a request and answers it."""

    protocol_version = "HTTP/1.1"
    server: RecordingServer

    def setup(self) -> None:
        """Remember the connection."""
        super().setup()
        self.server.connections.append(self.connection)

    def do_POST(self) -> None:
        """Keep the request, then answer."""
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        recorder = self.server.recorder
        headers = {name.title(): value for name, value in self.headers.items()}
        kept = Kept(self.command, self.path, headers, raw)
        with recorder.arrived:
            recorder.kept.append(kept)
            recorder.arrived.notify_all()
        status, further, body = recorder.answers.get(
            kept.path, (200, {"Content-Type": "application/json"}, b"{}")
        )
        self.send_response(status)
        for name, value in further.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Keep the request, then answer."""
        self.do_POST()

    def do_PUT(self) -> None:
        """Keep the request, then answer."""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def open_recorder() -> Iterator[Callable[[], Recorder]]:
    """Start servers that keep what they are sent."""
    recorders = []

    def start() -> Recorder:
        server = RecordingServer()
        server.recorder = Recorder(f"http://127.0.0.1:{server.server_address[1]}", server=server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        recorders.append(server.recorder)
        return server.recorder

    yield start
    for recorder in recorders:
        recorder.stop()


@pytest.fixture
def recorder(open_recorder: Callable[[], Recorder]) -> Recorder:
    """Return one such server."""
    return open_recorder()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where notifications are counted."""
    return CollectorRegistry()


@pytest.fixture
def make_notifier(registry: CollectorRegistry) -> Callable[..., Any]:
    """Make the one notifier of a configuration: `make_notifier("slack_configs", {...})`."""

    def make(kind: str, config: dict[str, Any], **defaults: Any) -> Any:
        def read(data: object, wanted: Any) -> Any:
            return msgspec.convert(data, wanted, dec_hook=decode_unit)

        receiver = read({"name": "team", kind: [config]}, ReceiverConfig)
        (found,) = build_notifiers(
            receiver,
            read(defaults, GlobalConfig),
            ManualClock(now_ms=1_700_000_000_000),
            NotificationTemplates((), "http://veriscope"),
            registry,
        )
        return found

    return make

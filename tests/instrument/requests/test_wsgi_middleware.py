import contextlib
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.requests import RequestStats, WsgiMiddleware

pytestmark = pytest.mark.usefixtures("no_tracing")
COUNT = "http_server_request_duration_seconds_count"


class Body:
    """A body whose end and closing can be seen."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = iter(chunks)
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Note that the server has closed the body."""
        self.is_closed = True


def call(app: Any, path: str = "/", method: str = "GET", **extra: str) -> Any:
    """Call *app* as a server does and return its body."""
    environ: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method, **extra}
    setup_testing_defaults(environ)
    return app(environ, lambda _status, _headers, _error=None: lambda _data: None)


def drain(body: Any) -> bytes:
    """Read and close *body*."""
    try:
        return b"".join(body)
    finally:
        body.close()


def answering(body: Iterable[bytes], status: str = "200 OK", **headers: str) -> Any:
    """Return an application that answers *body*."""

    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers.items()))
        return body

    return app


def test_a_request_is_counted_with_its_sizes(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Labels are method, route and status; the body lasts to its end, and is closed."""
    stats, body = RequestStats(), Body(b"abc", b"de")
    app = WsgiMiddleware(answering(body, "201 Created"), registry=registry, stats=stats)
    answered = call(app, "/a", "POST", CONTENT_LENGTH="7")
    assert (stats.in_flight, stats.total) == (1, 0)
    assert b"".join(answered) == b"abcde"
    assert (stats.in_flight, stats.total) == (0, 1)
    answered.close()
    assert body.is_closed
    key = ("POST", "/a", "201")
    assert counted(COUNT) == {key: 1}
    assert counted("http_server_request_body_size_bytes_sum") == {key: 7}
    assert counted("http_server_response_body_size_bytes_sum") == {key: 5}
    assert counted("http_server_active_requests") == {("POST", "", ""): 0}


def test_a_body_keeps_its_length(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """A list has a length for the server, a generator has none."""
    sized = call(WsgiMiddleware(answering([b"abc"]), registry=registry))
    assert len(sized) == 1
    assert next(sized) == b"abc"
    sized.close()
    endless = call(WsgiMiddleware(answering(iter([b"abc"])), registry=registry))
    assert not hasattr(endless, "__len__")
    endless.close()
    assert counted(COUNT) == {("GET", "/", "200"): 1, ("GET", "/", "499"): 1}


@pytest.mark.parametrize(
    ("status", "method", "headers", "read"),
    [
        ("200 OK", "HEAD", {}, 0),
        ("204 No Content", "DELETE", {}, 0),
        ("304 Not Modified", "GET", {}, 0),
        ("200 OK", "GET", {"Content-Length": "3"}, 1),
    ],
)
def test_a_whole_response_is_whole_before_its_end(  # noqa: PLR0917 - rows of a table
    registry: CollectorRegistry,
    counted: Callable[..., dict[Any, float]],
    status: str,
    method: str,
    headers: dict[str, str],
    read: int,
) -> None:
    """A server that has all it needs may close the body without asking for its end."""
    app = WsgiMiddleware(answering(Body(b"abc", b"d"), status, **headers), registry=registry)
    body = call(app, method=method)
    for _ in range(read):
        next(body)
    body.close()
    assert counted(COUNT) == {(method, "/", status[:3]): 1}


def test_an_exception_is_a_500_and_raised_again(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """It counts whether the call raises it or the body on its way."""

    def broken(_environ: Any, _start_response: Any) -> Iterable[bytes]:
        raise LookupError("at once")

    def midway(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise LookupError("midway")

    stats = RequestStats()
    with pytest.raises(LookupError, match="at once"):
        call(WsgiMiddleware(broken, registry=registry, stats=stats))
    body = call(WsgiMiddleware(midway, registry=registry, stats=stats))
    with pytest.raises(LookupError, match="midway"):
        drain(body)
    assert counted(COUNT) == {("GET", "/", "500"): 2}
    assert (stats.errors, stats.in_flight) == (2, 0)


def test_a_failing_close_still_ends_the_request(registry: CollectorRegistry) -> None:
    """An application's close that raises does not leave the request in flight."""

    class Stubborn(Body):
        def close(self) -> None:
            raise LookupError("close")

    stats = RequestStats()
    body = call(WsgiMiddleware(answering(Stubborn(b"a")), registry=registry, stats=stats))
    with pytest.raises(LookupError, match="close"):
        body.close()
    assert (stats.in_flight, stats.total) == (0, 1)


def test_the_older_write_is_counted(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Bytes that go through write() belong to the body."""

    def old(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])(b"1234")
        return [b"5"]

    drain(call(WsgiMiddleware(old, registry=registry)))
    assert list(counted("http_server_response_body_size_bytes_sum").values()) == [5]


def test_an_unreadable_status_is_the_servers_fault(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """What is no status code counts as 500, and passes on as it is."""
    drain(call(WsgiMiddleware(answering([b""], "fine"), registry=registry)))
    assert counted(COUNT) == {("GET", "/", "500"): 1}


def test_flask_and_the_application_name_routes(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Flask leaves its rule in the environ; what route_of says comes first."""

    class Rule:
        rule = "/users/<id>"

    class FlaskRequest:
        url_rule = Rule()

    def flask(environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["werkzeug.request"] = FlaskRequest()
        start_response("200 OK", [])
        return [b""]

    drain(call(WsgiMiddleware(flask, registry=registry), "/users/1"))
    named = WsgiMiddleware(flask, registry=registry, route_of=lambda _environ: "/named")
    drain(call(named, "/users/1"))
    drain(call(WsgiMiddleware(answering([b""], "404 Not Found"), registry=registry), "/x"))
    assert {route for _, route, _ in counted(COUNT)} == {"/users/<id>", "/named", "other"}


class Quiet(WSGIRequestHandler):
    """Serves without a log."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve *app* by the standard library's server."""
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("body", [[b"hello"], (part for part in (b"hel", b"lo"))])
def test_it_obeys_the_protocol_on_both_sides(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]], body: Iterable[bytes]
) -> None:
    """Python's own validator finds no fault, and a real client gets the same bytes."""
    inner = validator(answering(body, **{"Content-Type": "text/plain"}))
    app = validator(WsgiMiddleware(inner, registry=registry))
    with serving(app) as url, urllib.request.urlopen(f"{url}/a?b=1") as response:
        assert response.read() == b"hello"
    assert counted(COUNT) == {("GET", "/a", "200"): 1}

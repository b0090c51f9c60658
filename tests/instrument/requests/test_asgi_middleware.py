import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from veriscope.instrument.requests import AsgiMiddleware, RequestStats

pytestmark = pytest.mark.usefixtures("no_tracing")
COUNT = "http_server_request_duration_seconds_count"
SECONDS = "http_server_request_duration_seconds_sum"


class Client:
    """Speaks ASGI to an application, as a server does."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.sent: list[Any] = []

    async def request(
        self,
        path: str = "/",
        method: str = "GET",
        chunks: tuple[bytes, ...] = (b"",),
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> bytes:
        """Send a request and return the body of the response."""
        incoming: list[Any] = [
            {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
            for number, chunk in enumerate(chunks, 1)
        ]
        self.sent = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.sent.append(message)

        await self.app(self.scope(path, method, headers), receive, send)
        return b"".join(message.get("body", b"") for message in self.sent)

    @staticmethod
    def scope(
        path: str, method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> dict[str, Any]:
        """Return the scope of a request."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": list(headers),
            "client": ("127.0.0.1", 4000),
            "server": ("127.0.0.1", 80),
        }


async def answer(_scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body and answer two chunks."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    await send({"type": "http.response.body", "body": b"de"})


async def item(request: Request) -> Response:
    """Answer the number in the path."""
    return PlainTextResponse(str(request.path_params["number"]))


async def test_a_request_is_counted_with_its_sizes(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Method, route and status are labels; both bodies are measured over all their chunks."""
    stats = RequestStats()
    client = Client(AsgiMiddleware(answer, registry=registry, stats=stats))
    assert await client.request("/a", "POST", (b"12", b"345")) == b"abcde"
    key = ("POST", "/a", "201")
    assert counted(COUNT) == {key: 1}
    assert counted("http_server_request_body_size_bytes_sum") == {key: 5}
    assert counted("http_server_response_body_size_bytes_sum") == {key: 5}
    assert counted("http_server_active_requests") == {("POST", "", ""): 0}
    assert (stats.total, stats.in_flight, stats.errors) == (1, 0, 0)


async def test_a_body_that_is_not_read_has_its_declared_size(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Content-Length tells the size where the application does not read the body."""

    async def careless(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    client = Client(AsgiMiddleware(careless, registry=registry))
    await client.request(headers=((b"host", b"a"), (b"content-length", b"77")))
    assert set(counted("http_server_request_body_size_bytes_sum").values()) == {77}


async def test_a_request_lasts_until_its_last_byte(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Streaming belongs to the duration; what the application does afterwards does not."""
    may_finish, finished = asyncio.Event(), asyncio.Event()
    stats = RequestStats()

    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"b"})
        finished.set()
        await may_finish.wait()

    client = Client(AsgiMiddleware(slow, registry=registry, stats=stats))
    serving = asyncio.create_task(client.request())
    await finished.wait()
    assert stats.in_flight == 0
    [seconds] = counted(SECONDS).values()
    assert seconds >= 0.05
    may_finish.set()
    await serving
    assert list(counted(SECONDS).values()) == [seconds]


@pytest.mark.parametrize("begun", [False, True])
async def test_an_exception_is_a_500_and_raised_again(
    registry: CollectorRegistry,
    counted: Callable[..., dict[Any, float]],
    begun: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Whether the response had begun or not, the failure is the server's, and not swallowed."""

    async def broken(_scope: Any, _receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("gone")

    stats = RequestStats()
    with pytest.raises(LookupError, match="gone"):
        await Client(AsgiMiddleware(broken, registry=registry, stats=stats)).request()
    assert counted(COUNT) == {("GET", "/", "500"): 1}
    assert (stats.errors, stats.in_flight) == (1, 0)


async def test_an_exception_after_the_last_byte_changes_nothing(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """A background task that fails is raised again; the client has had its answer."""

    async def later(scope: Any, receive: Any, send: Any) -> None:
        await answer(scope, receive, send)
        raise LookupError("in the background")

    with pytest.raises(LookupError):
        await Client(AsgiMiddleware(later, registry=registry)).request()
    assert counted(COUNT) == {("GET", "/", "201"): 1}


async def test_a_client_that_leaves_is_a_499(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """An application that gives up since nobody listens has not failed."""

    async def attentive(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b"a", "more_body": True})

    async def refused(_message: Any) -> None:
        raise OSError("broken pipe")

    stats = RequestStats()
    app = AsgiMiddleware(attentive, registry=registry, stats=stats)
    await Client(app).request("/a")
    with pytest.raises(OSError, match="broken pipe"):
        await AsgiMiddleware(_send_only, registry=registry, stats=stats)(
            Client.scope("/b"), _never, refused
        )
    begun = asyncio.Event()

    async def wait(_scope: Any, receive: Any, _send: Any) -> None:
        begun.set()
        await receive()

    waiting = AsgiMiddleware(wait, registry=registry, stats=stats)
    serving = asyncio.create_task(waiting(Client.scope("/c"), _never, _never))
    await begun.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert counted(COUNT) == {("GET", path, "499"): 1 for path in ("/a", "/b", "/c")}
    assert stats.errors == 0


async def _send_only(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b"a", "more_body": True})


async def _wait(_scope: Any, receive: Any, _send: Any) -> None:
    await receive()


async def _never(*_: Any) -> Any:
    await asyncio.Event().wait()


async def test_an_app_that_never_answers_is_a_500(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """An application that returns without a response makes the server answer 500."""

    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        pass

    await Client(AsgiMiddleware(silent, registry=registry)).request()
    assert counted(COUNT) == {("GET", "/", "500"): 1}


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_other_connections_pass_through(registry: CollectorRegistry, kind: str) -> None:
    """WebSockets and lifespan get the very same scope, receive and send."""
    seen: list[Any] = []

    async def app(*arguments: Any) -> None:
        seen.extend(arguments)

    scope = {"type": kind}
    await AsgiMiddleware(app, registry=registry)(scope, _never, _wait)
    assert seen[0] is scope
    assert seen[1:] == [_never, _wait]


async def test_invented_methods_share_a_label(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """A client cannot make series with methods of its own."""
    client = Client(AsgiMiddleware(answer, registry=registry))
    for method in ("BREW", "get", "PROPFIND"):
        await client.request("/", method)
    assert counted(COUNT) == {("_OTHER", "/", "201"): 3}


async def test_templates_of_starlette_are_the_routes(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Paths with parameters share the label of their template, also below a mount."""
    inner = [Route("/items/{number}", item)]
    app = Starlette(routes=[Route("/items/{number:int}", item), Mount("/v1", routes=inner)])
    client = Client(AsgiMiddleware(app, registry=registry))
    for path in ("/items/1", "/items/2", "/v1/items/3", "/nothing", "/here"):
        await client.request(path)
    assert counted(COUNT) == {
        ("GET", "/items/{number}", "200"): 2,
        ("GET", "/v1/items/{number}", "200"): 1,
        ("GET", "other", "404"): 2,
    }


async def test_a_streaming_response_of_starlette_is_measured(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """The bytes of a generator are those of the body."""

    async def stream(_request: Request) -> Response:
        return StreamingResponse(iter(("ab", "cd", "e")))

    app = Starlette(routes=[Route("/stream", stream)])
    app.add_middleware(AsgiMiddleware, registry=registry)  # type: ignore[arg-type]
    assert await Client(app).request("/stream") == b"abcde"
    sizes = counted("http_server_response_body_size_bytes_sum")
    assert sizes == {("GET", "/stream", "200"): 5}


async def test_paths_without_a_template_are_bounded(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """After 200 different routes all others share one label."""
    client = Client(AsgiMiddleware(answer, registry=registry))
    for number in range(210):
        await client.request(f"/users/{number}")
    await client.request("/users/3")
    found = counted(COUNT)
    assert len(found) == 201
    assert found["GET", "other", "201"] == 10
    assert found["GET", "/users/3", "201"] == 2


async def test_the_application_may_name_its_routes(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """What route_of says comes first; None and its failures fall back."""

    def route_of(scope: Any) -> str | None:
        if scope["path"] == "/broken":
            raise LookupError
        return "/users/{id}" if scope["path"].startswith("/users/") else None

    client = Client(AsgiMiddleware(answer, registry=registry, route_of=route_of))
    for path in ("/users/1", "/users/2", "/a", "/broken"):
        await client.request(path)
    assert {route: count for (_, route, _), count in counted(COUNT).items()} == {
        "/users/{id}": 2,
        "/a": 1,
        "/broken": 1,
    }


def test_64_threads_lose_nothing(
    registry: CollectorRegistry, counted: Callable[..., dict[Any, float]]
) -> None:
    """Event loops in many threads share one middleware."""
    stats = RequestStats()
    client_app = AsgiMiddleware(answer, registry=registry, stats=stats)

    async def many() -> None:
        for _ in range(20):
            await Client(client_app).request()

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(COUNT) == {("GET", "/", "201"): 64 * 20}
    assert counted("http_server_active_requests") == {("GET", "", ""): 0}
    assert stats.total == 64 * 20


def test_middlewares_of_one_registry_share_their_metrics() -> None:
    """Two applications in a process count into the same families, by default the process's."""
    first, second = AsgiMiddleware(answer), AsgiMiddleware(answer)
    assert first._recorder.metrics is second._recorder.metrics
    names = {family.name for family in REGISTRY.collect()}
    assert "http_server_request_duration_seconds" in names


def test_a_forked_child_counts_anew(run_python: Callable[..., Any]) -> None:
    """A worker forked in the middle of a request shows no requests of its parent."""
    told = run_python("""
import asyncio, os
from prometheus_client import REGISTRY
from veriscope.instrument.requests import AsgiMiddleware
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
async def receive(): return {"type": "http.request"}
async def send(message): pass
scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
serve = AsgiMiddleware(app)
def show():
    for name in ("http_server_request_duration_seconds_count", "http_server_active_requests"):
        labels = {"method": "GET"}
        if "count" in name: labels |= {"route": "/", "status": "200"}
        print(REGISTRY.get_sample_value(name, labels), flush=True)
asyncio.run(serve(scope, receive, send))
serve._recorder.metrics.begin("GET")
if (child := os.fork()) == 0:
    asyncio.run(serve(scope, receive, send))
    show()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
show()
""").out
    assert told.split() == ["1.0", "0.0", "1.0", "1.0"]

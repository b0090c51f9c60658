"""The application's figures of `PerformanceMonitor`, over a real server with real clients."""

import asyncio
import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from veriscope import PerformanceMonitor
from veriscope.instrument import delivery
from veriscope.instrument.requests import AsgiMiddleware, RequestStats


def until(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds."""
    ends_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_s, "it did not happen"
        time.sleep(0.005)


@contextlib.contextmanager
def serving(app: AsgiMiddleware) -> Iterator[str]:
    """Serve *app* with uvicorn in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def get(url: str) -> bytes:
    """Return the body at *url*."""
    with urllib.request.urlopen(url, timeout=60) as response:
        found: bytes = response.read()
        return found


def test_a_served_application_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are counted while they are open, and response times are those of clients."""
    monkeypatch.setattr(delivery, "current", lambda: None)
    may_answer = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def held(_request: Request) -> Response:
        loops.append(asyncio.get_running_loop())
        await may_answer.wait()
        return PlainTextResponse("held")

    async def slow(_request: Request) -> Response:
        await asyncio.sleep(0.05)
        return PlainTextResponse("slow")

    stats, registry = RequestStats(), CollectorRegistry()
    inner = Starlette(routes=[Route("/held", held), Route("/slow/{number}", slow)])
    app = AsgiMiddleware(inner, registry=registry, stats=stats)
    monitor = PerformanceMonitor(stats=stats)
    with serving(app) as url, ThreadPoolExecutor(4) as clients:
        before = monitor._sockets.count().accepted
        waiting = [clients.submit(get, f"{url}/held") for _ in range(3)]
        until(lambda: len(loops) == 3)
        assert stats.in_flight == 3
        until(lambda: monitor._sockets.count().accepted == before + 3)
        assert monitor._get_active_connections() >= 3
        loops[0].call_soon_threadsafe(may_answer.set)
        assert [each.result() for each in waiting] == [b"held"] * 3
        for number in range(30):
            assert get(f"{url}/slow/{number}") == b"slow"
        assert 0.045 <= monitor._get_response_time_p50() <= monitor._get_response_time_p99()
    labels = {"method": "GET", "route": "/slow/{number}", "status": "200"}
    count = registry.get_sample_value("http_server_request_duration_seconds_count", labels)
    assert count == 30
    assert stats.total == 33

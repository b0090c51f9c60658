"""A service that application monitors watch."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from veriscope import ApplicationMonitor
from veriscope.signals import ManualClock


@dataclass
class Service:
    """A TruthGPT whose answers a test can change while it runs."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer JSON, text or a response, by path."""
        if scope["type"] != "http":
            await Starlette()(scope, receive, send)
            return
        request = Request(scope, receive)
        self.seen.append(request)
        found = self.answers.get(request.url.path, Response(status_code=404))
        if callable(found) and not isinstance(found, Response):
            found = found(request)
            if isinstance(found, Awaitable):
                found = await found
        if isinstance(found, str):
            found = PlainTextResponse(found)
        if not isinstance(found, Response):
            found = JSONResponse(found)
        await found(scope, receive, send)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Run the service in a real server."""
    app = Service()
    app.answers = {
        "/health": {"status": "healthy"},
        "/models": ["small"],
        "/optimize": {},
        "/inference": {},
        "/metrics": "http_requests_total 10\n",
        "/users/active": {"count": 7},
        "/optimizations/stats": {"total": 3, "completed": 2, "failed": 1},
        "/models/usage": {"small": 10, "large": 4},
    }
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    app.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    yield app
    server.should_exit = True
    await task


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock(now_ms=1_000_000)


@pytest.fixture
async def monitor(service: Service, clock: ManualClock) -> AsyncIterator[ApplicationMonitor]:
    """Return a monitor whose rounds the test runs itself."""
    monitor = ApplicationMonitor(
        "TruthGPT", service.url, clock=clock, prices={"small": 0.5}, exporter=lambda: None
    )
    yield monitor
    await monitor.stop_monitoring()

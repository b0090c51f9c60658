"""Alertmanager's API over a real alerting, on a port of this process; holds no tests."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from tests.web.alerting_fakes import Documents
from veriscope.alert.alerting import Alerting
from veriscope.alert.config import load_alerting_config
from veriscope.signals import SystemClock
from veriscope.web import AlertmanagerApi


class _Served:
    def __init__(self, config: Path) -> None:
        self._config = config
        self.started = Event()
        self.url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    async def run(self) -> None:
        """Serve until told to stop."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        clock, registry = SystemClock(), CollectorRegistry()
        alerting = Alerting(
            load_alerting_config(self._config), state=Documents(), clock=clock, registry=registry
        )
        await alerting.load()
        api = AlertmanagerApi(alerting, clock=clock, registry=registry, version="1.2.3")
        app = Starlette(routes=api.routes())
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, lifespan="off", log_config=None, ws="none")
        )
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        running = [
            asyncio.create_task(alerting.run(self._stop)),
            asyncio.create_task(server.serve()),
        ]
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        self.started.set()
        await self._stop.wait()
        server.should_exit = True
        await asyncio.gather(*running)

    def stop(self) -> None:
        """End it, from any thread."""
        if self.url and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)


@contextmanager
def _no_signals() -> Iterator[None]:
    yield


@contextmanager
def served_alerting(config: Path) -> Iterator[str]:
    """Serve alerting with the file *config* and give its URL."""
    served = _Served(config)

    def serve() -> None:
        try:
            asyncio.run(served.run())
        finally:
            served.started.set()

    thread = Thread(target=serve, name="served-alerting")
    thread.start()
    try:
        assert served.started.wait(30)
        assert served.url, "it did not start"
        yield served.url
    finally:
        served.stop()
        thread.join(30)

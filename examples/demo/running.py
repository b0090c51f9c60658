"""The demo as one object: a server, two services, faults, and the load on them."""

import asyncio
import json
import math
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import psutil
import yaml

from examples.demo import visits
from examples.demo.children import Child, ChildError, Children
from examples.demo.circuit_visits import CIRCUIT_ACTIONS
from examples.demo.load import Load, LoadOptions, Place
from examples.demo.pager import Pager
from examples.demo.tally import quantile

_START_PATIENCE_S: Final = 90.0
"""Time that a process has for its start; TruthGPT trains its models at the first."""
_DRAIN_S: Final = 90.0
"""Time that users have to end what they do when the demo ends by itself."""
_HURRIED_DRAIN_S: Final = 2.0
"""The same when somebody ends it."""
_SUMMARY_INTERVAL_S: Final = 10.0
_SCRAPE_INTERVAL_S: Final = 5
_MALLOC: Final = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""Makes glibc give freed arrays back: else memory that is not in use looks like a leak."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What runs and how busy it is."""

    data: Path
    """Where every process keeps its files and logs."""
    listen: str = "127.0.0.1:7070"
    """Address of the server; port 0 takes a free one, here and below."""
    truthgpt: str = "127.0.0.1:8101"
    """Address of TruthGPT."""
    genrf: str = "127.0.0.1:8102"
    """Address of genRF."""
    services: tuple[str, ...] = ("truthgpt", "genrf")
    """Which services run."""
    with_server: bool = True
    """Whether a Veriscope server is started; without one the services are only driven."""
    faults: tuple[str, ...] = ()
    """Faults that are switched on from the start, in each service that has them."""
    load: LoadOptions = field(default_factory=LoadOptions)


class Demo:
    """
    `async with Demo(options) as demo` starts everything, and stops it in the end.

    *report* is told what happens, in lines of text. Raises `ChildError` where a process does not
    start.
    """

    def __init__(self, options: DemoOptions, report: Callable[[str], None] = print) -> None:
        self.options = options
        self.children = Children(report)
        self._pager = Pager(report)
        self._report = report
        self.server_url = _url(options.listen)
        self.urls = {name: _url(getattr(options, name)) for name in options.services}
        self.load = Load(self._places(), options.load)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as started:
            await started.enter_async_context(self._pager)
            started.push_async_callback(self.children.stop)
            await self._start()
            self._started = started.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._started.aclose()

    async def drive(self, seconds: float, stop: asyncio.Event) -> None:
        """
        Let users come for *seconds*, or until *stop* is set or a child has died twice.

        Returns when the last user has his answer; the count is in `load.tally` and on disk.
        """
        driving = asyncio.create_task(self.load.run())
        summaries = asyncio.create_task(self._summarise())
        ends = [asyncio.create_task(event.wait()) for event in (stop, self.children.failed)]
        try:
            await asyncio.wait(
                [driving, *ends],
                timeout=seconds if math.isfinite(seconds) else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            self.load.stop(_HURRIED_DRAIN_S if stop.is_set() else _DRAIN_S)
            await driving
        finally:
            for task in (summaries, *ends, driving):
                task.cancel()
            await asyncio.gather(summaries, *ends, driving, return_exceptions=True)
            self._write_tally()

    async def switch(self, fault: str, *, on: bool) -> list[str]:
        """Switch *fault* in every service that has it; return their names."""
        found = []
        async with aiohttp.ClientSession() as session:
            for name, url in self.urls.items():
                async with session.get(f"{url}/faults") as answer:
                    if fault not in await answer.json():
                        continue
                body = {"name": fault, "on": on}
                async with session.post(f"{url}/faults", json=body) as answer:
                    answer.raise_for_status()
                found.append(name)
        return found

    async def _start(self) -> None:
        options = self.options
        _check_free(self.urls | ({"veriscope": self.server_url} if options.with_server else {}))
        if options.with_server:
            await self.children.start(self._server(), _START_PATIENCE_S)
            self._report(f"Veriscope is at {self.server_url}")
        starts = [
            self.children.start(self._service(name), _START_PATIENCE_S) for name in options.services
        ]
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        for name, url in self.urls.items():
            self._report(f"{name} is at {url}")
        for fault in options.faults:
            where = await self.switch(fault, on=True)
            self._report(f"fault {fault} is on in {', '.join(where) or 'no service that runs'}")

    def _server(self) -> Child:
        config = self.options.data / "veriscope.yml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(yaml.safe_dump(self._config(), sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "veriscope", "up", "--config", str(config)]
        return Child(
            "veriscope",
            [*command, "--data", str(self.options.data / "veriscope")],
            self.server_url,
            self.options.data / "logs" / "veriscope.log",
            health="/-/ready",
        )

    def _config(self) -> dict[str, Any]:
        # The services push their metrics. A scrape adds `up`, from the outside; its copy of what
        # they push is dropped, or every sum over a service would be twice what it is.
        only_up = {"source_labels": ["__name__"], "regex": ".*", "action": "drop"}
        every = f"{_SCRAPE_INTERVAL_S}s"
        return {
            "server": {"listen": self.server_url.removeprefix("http://")},
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "scrape_configs": [
                {
                    "job_name": name,
                    "static_configs": [{"targets": [url.removeprefix("http://")]}],
                    "metric_relabel_configs": [only_up],
                }
                for name, url in self.urls.items()
            ],
            **self._pager.config(),
        }

    def _service(self, name: str) -> Child:
        environment = {"OTEL_SERVICE_NAME": name, "OPENBLAS_NUM_THREADS": "1", **_MALLOC}
        if self.options.with_server:
            environment["VERISCOPE_URL"] = self.server_url
        data = self.options.data / name
        command = [sys.executable, "-m", f"examples.{name}", "--data", str(data)]
        # One worker each: the demo leaves the machine a core.
        command += ["--workers", "1", "--listen", self.urls[name].removeprefix("http://")]
        return Child(
            name,
            command,
            self.urls[name],
            self.options.data / "logs" / f"{name}.log",
            environment,
        )

    def _places(self) -> Sequence[Place]:
        known = {"truthgpt": (0.85, visits.ACTIONS), "genrf": (0.15, CIRCUIT_ACTIONS)}
        return [Place(name, url, *known[name]) for name, url in self.urls.items()]

    async def _summarise(self) -> None:
        tally, begun_s, before = self.load.tally, time.monotonic(), 0
        while True:
            await asyncio.sleep(_SUMMARY_INTERVAL_S)
            rate = (tally.total - before) / _SUMMARY_INTERVAL_S
            before = tally.total
            memory = sum(_resident_bytes(child.pid) for child in self.children.running)
            self._report(
                f"{time.monotonic() - begun_s:6.0f} s  {self.load.users:3d} users  "
                f"{rate:5.1f} requests/s  {tally.errors:4d} errors  "
                f"p50 {quantile(tally.seconds, 0.5):6.3f} s  "
                f"first token {quantile(tally.first_token_seconds, 0.5):6.3f} s  "
                f"{memory / 2**20:5.0f} MiB"
            )

    def _write_tally(self) -> None:
        path = self.options.data / "load.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.load.tally.shown(), indent=1), encoding="utf-8")


def _check_free(urls: Mapping[str, str]) -> None:
    """Raise `ChildError` for an address that somebody else has: he would answer for our child."""
    for name, url in urls.items():
        host, _, port = url.removeprefix("http://").rpartition(":")
        try:
            socket.create_server((host, int(port))).close()
        except OSError as error:
            raise ChildError(
                f"{name} cannot have {host}:{port}: {error.strerror};"
                " end what uses it, or choose another address (see --help)"
            ) from error


def _url(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if port != "0":
        return f"http://{listen}"
    with socket.create_server((host, 0)) as free:
        return f"http://{host}:{free.getsockname()[1]}"


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0

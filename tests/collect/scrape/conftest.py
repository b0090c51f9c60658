"""A real HTTP target, a sink that remembers, and a scraper that runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from veriscope.collect.scrape import GlobalConfig, ScrapeConfig, Scraper
from veriscope.signals import (
    Labels,
    SampleBatch,
    SystemClock,
    VeriscopeError,
    decode_unit,
    is_stale,
    label_value,
)

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Page:
    """An HTTP target whose answer a test can change."""

    body: str | bytes = "a 1\n"
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": TEXT})
    delay_s: float = 0.0
    requests: list[web.Request] = field(default_factory=list)
    address: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer any GET."""
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        body = self.body.encode() if isinstance(self.body, str) else self.body
        return web.Response(body=body, status=self.status, headers=self.headers)


@dataclass
class Collected:
    """A sink that keeps every batch, and fails as often as `failures` says."""

    batches: list[SampleBatch] = field(default_factory=list)
    failures: list[VeriscopeError] = field(default_factory=list)
    attempts: int = 0

    async def __call__(self, batch: SampleBatch) -> None:
        """Take a batch."""
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(batch)

    def values(self, name: str, **labels: str) -> list[float | str]:
        """Return the values of a series over time; a stale marker shows as `stale`."""
        found: list[float | str] = []
        for batch in self.batches:
            stale = is_stale(batch.values)
            for index, row in enumerate(batch.series):
                series = batch.labels[row]
                if label_value(series, "__name__") == name and all(
                    label_value(series, key) == value for key, value in labels.items()
                ):
                    found.append("stale" if stale[index] else float(batch.values[index]))
        return found

    def series(self) -> set[Labels]:
        """Return every series that got a sample."""
        return {batch.labels[row] for batch in self.batches for row in batch.series}

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until *condition* is true."""
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 the scraper has no event to wait for
                await asyncio.sleep(0.005)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    """Start HTTP targets."""
    runners: list[web.AppRunner] = []

    async def start(page: Page | None = None, ssl: object = None) -> Page:
        page = page or Page()
        app = web.Application()
        app.router.add_get("/{path:.*}", page.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
        await site.start()
        page.address = f"127.0.0.1:{runner.addresses[0][1]}"
        return page

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def new_page() -> type[Page]:
    """Give tests the class of targets."""
    return Page


@pytest.fixture
def sink() -> Collected:
    """Return a sink that remembers."""
    return Collected()


@dataclass
class Running:
    """A scraper at work."""

    scraper: Scraper
    registry: CollectorRegistry
    stop: asyncio.Event


def read_config(**keys: object) -> ScrapeConfig:
    """Build a job `j` from configuration keys, scraped ten times a second."""
    data = {"job_name": "j", "scrape_interval": "100ms", **keys}
    return msgspec.convert(data, ScrapeConfig, dec_hook=decode_unit)


@pytest.fixture
def config() -> Callable[..., ScrapeConfig]:
    """Give tests the builder of jobs."""
    return read_config


@pytest.fixture
def scraping(sink: Collected) -> Callable[..., object]:
    """Run a scraper for the time of a `with` block."""

    @asynccontextmanager
    async def run(*configs: ScrapeConfig) -> AsyncIterator[Running]:
        registry = CollectorRegistry()
        scraper = Scraper(configs, GlobalConfig(), sink, clock=SystemClock(), registry=registry)
        stop = asyncio.Event()
        task = asyncio.create_task(scraper.run(stop))
        try:
            yield Running(scraper, registry, stop)
        finally:
            stop.set()
            await task

    return run

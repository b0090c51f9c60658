"""Composes the server, starts it bottom up and stops it in reverse."""

import asyncio
import platform
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from prometheus_client import CollectorRegistry

from veriscope.app.config import Config
from veriscope.app.listen import Address, read_token
from veriscope.app.self_metrics import StoreMetrics, create_registry
from veriscope.collect import CollectLoop, Collector, GpuCollector, HostCollector, Scraper
from veriscope.ingest import MetricIngest
from veriscope.instrument import RegistryCollector
from veriscope.query.promql import PromqlEngine
from veriscope.signals import Clock, Secret, to_labels
from veriscope.store import Store, StoreOptions
from veriscope.web import PrometheusApi, PushDoors, StatusPages, create_web

_log = structlog.get_logger(__name__)
# Veriscope's own metrics change slowly, and reading them costs more than reading the machine's.
_SELF_EVERY_S: Final = 5
_GRACE_S: Final = 10
_MAX_SPACING_S: Final = 1.5


class Server:
    """
    The server, and with *collect* the collectors of this machine.

    `run` returns the process' exit code once SIGTERM or SIGINT arrived, or a part failed.
    """

    def __init__(
        self, config: Config, data: Path, *, version: str, collect: bool, clock: Clock
    ) -> None:
        self._config = config
        self._clock = clock
        address = Address.parse(config.server.listen)
        self._token = read_token(config.server, address)
        self._socket = address.bind()
        registry = create_registry(version)
        try:
            self._store = Store.open(store_options(config, data))
        except BaseException:
            self._socket.close()
            raise
        registry.register(StoreMetrics(self._store.health, clock))
        self._ingest = MetricIngest(
            config.ingest,
            insert_bodies=self._store.metrics.insert_remote_write,
            insert_batches=self._store.metrics.insert_batches,
            registry=registry,
            batch_spacing_s=_batch_spacing_s(config),
        )
        self._status = StatusPages(registry, self._check_store, version, clock)
        self._web = self._create_web(registry, self._token)
        self._loops = self._create_loops(registry, collect=collect)

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._config.server.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def run(self, announce: Callable[[str], None]) -> int:
        """Serve until told to stop; *announce* is called with the URL once it is served."""
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        ingest_stop = asyncio.Event()
        ingest = asyncio.create_task(self._ingest.run(ingest_stop), name="ingest")
        serving = asyncio.create_task(self._web.serve(sockets=[self._socket]), name="web")
        loops = [
            asyncio.create_task(loop.run(stop), name=type(loop).__name__) for loop in self._loops
        ]
        await self._web.served.wait()
        self._status.ready = True
        announce(self.url)
        failed = await _first_failure(stop, [ingest, serving, *loops])
        _log.info("stopping")
        stop.set()
        self._status.ready = False
        self._web.should_exit = True
        await asyncio.gather(serving, *loops, return_exceptions=True)
        ingest_stop.set()
        await asyncio.gather(ingest, return_exceptions=True)
        await asyncio.to_thread(self._store.close)
        _log.info("stopped")
        return 1 if failed else 0

    def _create_web(self, registry: CollectorRegistry, token: Secret | None) -> "_Uvicorn":
        options = self._config.query
        engine = PromqlEngine(self._store.series, options, self._clock, registry)
        app = create_web(
            api=PrometheusApi(engine, self._store.series, options, self._clock),
            doors=PushDoors(self._ingest),
            status=self._status,
            registry=registry,
            token=token,
        )
        tls = self._config.server.tls
        return _Uvicorn(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                ssl_certfile=tls.cert_file if tls else None,
                ssl_keyfile=tls.key_file if tls else None,
            )
        )

    def _create_loops(
        self, registry: CollectorRegistry, *, collect: bool
    ) -> list[CollectLoop | Scraper]:
        config, sink = self._config, self._ingest.accept_batch
        every = max(1, round(_SELF_EVERY_S / config.collect.interval.seconds))
        collectors: list[Collector] = [RegistryCollector(registry, every)]
        if collect:
            collectors += [
                HostCollector(config.collect.host, self._clock),
                GpuCollector(config.collect.gpu, self._clock),
            ]
        loop = CollectLoop(
            collectors,
            sink,
            interval_ms=config.collect.interval,
            clock=self._clock,
            registry=registry,
            external_labels=to_labels({"job": "veriscope", "instance": platform.node()}),
        )
        scraper = Scraper(
            config.scrape_configs, config.global_, sink, clock=self._clock, registry=registry
        )
        return [loop, scraper]

    def _check_store(self) -> None:
        self._store.health()


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the server decides the order of stopping."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.served = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.served.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def store_options(config: Config, data: Path) -> StoreOptions:
    """Return the store of *config*: embedded in *data* where it names no other."""
    return StoreOptions(
        url=config.store.url or f"chdb://{(data / 'store').resolve()}",
        database=config.store.database,
        max_concurrent_queries=config.store.max_concurrent_queries,
        retention=config.store.retention,
    )


def _batch_spacing_s(config: Config) -> float:
    """
    Return how far apart commits of collected samples are, in seconds.

    Nobody sees on a chart that a second's sample was stored a second later. A scrape, though,
    waits for its commit before the next one of its target, and must not miss that.
    """
    intervals = [
        (job.scrape_interval or config.global_.scrape_interval).seconds
        for job in config.scrape_configs
    ]
    return min([_MAX_SPACING_S, *(interval / 3 for interval in intervals)])


async def _first_failure(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> bool:
    """Wait until *stop* is set (False) or one of *tasks* ends before that (True)."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    failed = [task for task in tasks if task in done and (task.exception() or not stop.is_set())]
    for task in failed:
        _log.error("part_failed", part=task.get_name(), exc_info=task.exception())
    return bool(failed)

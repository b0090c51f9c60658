"""Composes the server, starts it bottom up and stops it in reverse."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from prometheus_client import CollectorRegistry

from veriscope.app.collectors import create_loops
from veriscope.app.config import Config
from veriscope.app.lifetime import first_failure, stop_on_signals
from veriscope.app.listen import Address, check_tls, read_token
from veriscope.app.self_metrics import StoreMetrics, create_registry
from veriscope.ingest import MetricIngest, OtlpIngest
from veriscope.query.promql import PromqlEngine
from veriscope.signals import Clock, Secret
from veriscope.store import Store, StoreOptions
from veriscope.web import (
    DashboardApi,
    OtlpDoors,
    PrometheusApi,
    PushDoors,
    StatusPages,
    TelemetryApi,
    create_web,
)

_log = structlog.get_logger(__name__)
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
        if config.server.tls is not None:
            check_tls(config.server.tls)
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
        self._otlp = OtlpIngest(
            config.ingest,
            insert_traces=self._store.otlp.insert_traces,
            insert_logs=self._store.otlp.insert_logs,
            commits=self._ingest.commits,
        )
        self._status = StatusPages(registry, self._check_store, version, clock)
        self._web = self._create_web(registry, self._token)
        self._loops = create_loops(
            config, self._ingest.accept_batch, clock=clock, registry=registry, collect=collect
        )

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._config.server.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def run(self, announce: Callable[[str], None]) -> int:
        """Serve until told to stop; *announce* is called with the URL once it is served."""
        stop = stop_on_signals()
        ingest_stop = asyncio.Event()
        ingest = [
            asyncio.create_task(self._ingest.run(ingest_stop), name="ingest"),
            asyncio.create_task(self._otlp.run(ingest_stop), name="ingest-otlp"),
        ]
        serving = asyncio.create_task(self._web.serve(sockets=[self._socket]), name="web")
        loops = [
            asyncio.create_task(loop.run(stop), name=type(loop).__name__) for loop in self._loops
        ]
        parts = [*ingest, serving, *loops]
        if not (failed := await first_failure(self._web.served, parts)):
            self._status.ready = True
            announce(self.url)
            failed = await first_failure(stop, parts)
        _log.info("stopping")
        stop.set()
        self._status.ready = False
        self._web.should_exit = True
        await asyncio.gather(serving, *loops, return_exceptions=True)
        ingest_stop.set()
        await asyncio.gather(*ingest, return_exceptions=True)
        await asyncio.to_thread(self._store.close)
        _log.info("stopped")
        return 1 if failed else 0

    def _create_web(self, registry: CollectorRegistry, token: Secret | None) -> "_Uvicorn":
        options = self._config.query
        engine = PromqlEngine(self._store.series, options, self._clock, registry)
        app = create_web(
            api=PrometheusApi(engine, self._store.series, options, self._clock),
            doors=PushDoors(self._ingest),
            otlp=OtlpDoors(self._otlp),
            telemetry=TelemetryApi(self._store.spans, self._store.logs, options, self._clock),
            status=self._status,
            dashboards=DashboardApi(self._store.state, self._clock),
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
                limit_concurrency=self._config.server.max_connections,
                ssl_certfile=tls.cert_file if tls else None,
                ssl_keyfile=tls.key_file if tls else None,
            )
        )

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

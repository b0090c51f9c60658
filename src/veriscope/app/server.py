"""Composes the server, starts it bottom up and stops it in reverse."""

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import structlog
import uvicorn
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from veriscope.alert.alerting import Alerting
from veriscope.app.alerting import (
    ConfigSource,
    Reloading,
    create_forwarder,
    load_groups,
    send_to,
)
from veriscope.app.api_sources import create_api_sources
from veriscope.app.collectors import create_loops
from veriscope.app.compiling import Compiler
from veriscope.app.config import Config
from veriscope.app.connections import impatient
from veriscope.app.evidence import EvidenceRoom
from veriscope.app.heartbeat import Heartbeat
from veriscope.app.lifetime import first_failure, stop_on_signals
from veriscope.app.listen import Address, check_tls, read_token
from veriscope.app.otlp_ports import take_otlp_ports
from veriscope.app.reload import Reloader
from veriscope.app.rollups import RollupLoop
from veriscope.app.self_metrics import CacheMetrics, StoreMetrics, create_registry
from veriscope.app.tuning import cache_bytes, memory_bytes
from veriscope.ingest import MetricIngest, OtlpIngest, OtlpMetricIngest
from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.rules import RuleLoop
from veriscope.rules.searching import ConditionSearch
from veriscope.signals import Clock, FetchLimits, UnavailableError, VeriscopeError
from veriscope.signals.events import Event
from veriscope.store import SeriesLimits, Store, StoreOptions
from veriscope.web import (
    Access,
    AlertmanagerApi,
    ApiSources,
    DashboardApi,
    EventsApi,
    EvidenceApi,
    IncidentsApi,
    NotificationsApi,
    OtlpDoors,
    OtlpGrpc,
    PrometheusApi,
    PushDoors,
    ReloadApi,
    StatusPages,
    TelemetryApi,
    create_web,
)
from veriscope.wire.otlp.metrics import MetricDecoder

_log = structlog.get_logger(__name__)
_GRACE_S: Final = 10
_KEEP_ALIVE_S: Final = 300  # as Prometheus: dashboards come again each half minute
_MAX_SPACING_S: Final = 1.5
_CONDITION_LIMITS: Final = FetchLimits(max_series=10_000, timeout_ms=30_000)


class Loop(Protocol):
    """Work that goes on until it is told to stop."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set."""


class Server:
    """
    The server, and with *collect* the collectors of this machine.

    `run` returns the process' exit code once SIGTERM or SIGINT arrived, or a part failed.
    """

    def __init__(
        self,
        config: Config,
        data: Path,
        *,
        version: str,
        collect: bool,
        clock: Clock,
        source: ConfigSource,
    ) -> None:
        self._config = config
        self._version = version
        self._clock = clock
        self._compiler = Compiler()
        address = Address.parse(config.server.listen)
        self._token = read_token(config.server, address)
        if config.server.tls is not None:
            check_tls(config.server.tls)
        groups = load_groups(config)
        registry = create_registry(version)
        with ExitStack() as taken:
            self._socket = taken.enter_context(address.bind())
            self._otlp_ports = taken.enter_context(closing(take_otlp_ports(config.server)))
            self._store = Store.open(store_options(config, data))
            taken.pop_all()
        registry.register(StoreMetrics(self._store.health, clock))
        self._ingest = MetricIngest(
            config.ingest,
            decode=self._store.metrics.decode,
            insert=self._store.metrics.insert,
            registry=registry,
            batch_spacing_s=_batch_spacing_s(config),
        )
        self._otlp = OtlpIngest(
            config.ingest,
            insert_traces=self._store.otlp.insert_traces,
            insert_logs=self._store.otlp.insert_logs,
            metrics=OtlpMetricIngest(
                config.ingest,
                MetricDecoder(
                    config.otlp,
                    key=secrets.token_bytes(16),
                    start_zeros=config.ingest.start_timestamp_zeros,
                ),
                insert=self._store.metrics.insert,
                commits=self._ingest.commits,
                registry=registry,
            ),
            commits=self._ingest.commits,
        )
        self._status = StatusPages(registry, self._check_store, version, clock)
        self._promql = PromqlEngine(
            self._store.series, _query_options(config), clock, registry, self._store.rollups
        )
        registry.register(CacheMetrics(self._store.series.head_use, self._promql.answers))
        self._evidence = EvidenceRoom(self._store, self._promql, self.external_url, clock)
        self._evidence.is_open = config.alert.evidence
        self._alerting = Alerting(
            config.routing,
            state=self._store.state,
            clock=clock,
            registry=registry,
            external_url=self.external_url,
            gather=self._evidence.gather,
            incidents=config.alert.incidents,
        )
        forwarder = create_forwarder(config, clock, registry)
        conditions = ConditionSearch(
            self._store.log_search, self._store.span_search, _CONDITION_LIMITS
        )
        self._rules = RuleLoop(
            groups,
            config.rules,
            interval=config.global_.evaluation_interval,
            query_offset=config.global_.rule_query_offset,
            # Each evaluation asks for another time: nothing would be asked again.
            query=partial(self._promql.instant_query, cache=False),
            search=conditions.search,
            prepare=self._store.series.prepare,
            record=self._ingest.accept_recorded,
            send=send_to(self._alerting, forwarder),
            restore=lambda fetch: self._store.series.fetch(fetch, FetchLimits()),
            external_labels=config.global_.external_labels,
            external_url=self.external_url,
            clock=clock,
            registry=registry,
        )
        collectors, scraper = create_loops(
            config, self._ingest.accept_batch, clock=clock, registry=registry, collect=collect
        )
        reloading = Reloading(
            source,
            running=config,
            rules=self._rules,
            alerting=self._alerting,
            evidence=self._evidence,
            scraper=scraper,
            store=self._store,
            clock=clock,
        )
        self._reloader = Reloader(reloading.apply, reloading.files, clock=clock, registry=registry)
        self._loops: list[Loop] = [collectors, scraper, self._rules, self._reloader]
        heartbeat = Heartbeat(
            config.heartbeat,
            rules=self._rules.states,
            check=self._check_store,
            clock=clock,
            registry=registry,
        )
        self._tellers: list[Loop] = [self._alerting, forwarder, heartbeat]
        if self._store.embedded:
            self._loops.append(RollupLoop(self._store.rollups, clock, registry))
        sources = create_api_sources(
            config,
            data,
            version=version,
            store=self._store,
            scraper=scraper,
            rules=self._rules.states,
            clock=clock,
            current=lambda: reloading.config,
        )
        self._web = self._create_web(sources, registry)
        self._loops += self._create_grpc()

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._config.server.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def external_url(self) -> str:
        """What links in notifications begin with."""
        return (self._config.server.external_url or self.url).rstrip("/")

    async def run(self, announce: Callable[[str], None]) -> int:
        """Serve until told to stop; *announce* is called with the URL once it is served."""
        stop = stop_on_signals()
        ingest_stop, tellers_stop = asyncio.Event(), asyncio.Event()
        await self._alerting.load()
        ingest = [
            asyncio.create_task(self._ingest.run(ingest_stop), name="ingest"),
            asyncio.create_task(self._otlp.run(ingest_stop), name="ingest-otlp"),
        ]
        sockets = [each for each in (self._socket, self._otlp_ports.http) if each is not None]
        serving = asyncio.create_task(self._web.serve(sockets=sockets), name="web")
        loops = [
            asyncio.create_task(loop.run(stop), name=type(loop).__name__) for loop in self._loops
        ]
        tellers = [
            asyncio.create_task(each.run(tellers_stop), name=type(each).__name__)
            for each in self._tellers
        ]
        parts = [*ingest, serving, *loops, *tellers]
        if not (failed := await first_failure(self._web.served, parts)):
            self._status.ready = True
            announce(self.url)
            loops.append(asyncio.create_task(self._compiler.run(stop), name="compiler"))
            await asyncio.to_thread(self._note_start)
            failed = await first_failure(stop, parts)
        _log.info("stopping")
        stop.set()
        self._compiler.close_soon()
        self._status.ready = False
        self._web.should_exit = True
        await asyncio.gather(serving, *loops, return_exceptions=True)
        # The rules have sent their last alerts: now these can be told of, and stored.
        tellers_stop.set()
        await asyncio.gather(*tellers, return_exceptions=True)
        self._evidence.close()
        ingest_stop.set()
        await asyncio.gather(*ingest, return_exceptions=True)
        self._compiler.close()
        await asyncio.to_thread(self._store.close)
        _log.info("stopped")
        return 1 if failed else 0

    def _create_web(self, sources: ApiSources, registry: CollectorRegistry) -> "_Uvicorn":
        options, server = self._config.query, self._config.server
        app = create_web(
            api=PrometheusApi(self._promql, self._store.series, options, self._clock, sources),
            doors=PushDoors(self._ingest),
            otlp=OtlpDoors(self._otlp),
            telemetry=TelemetryApi(self._store.spans, self._store.logs, options, self._clock),
            status=self._status,
            dashboards=DashboardApi(self._store.state, self._clock),
            registry=registry,
            alerting=[
                AlertmanagerApi(
                    self._alerting, clock=self._clock, registry=registry, version=self._version
                ),
                NotificationsApi(self._alerting),
                EvidenceApi(self._alerting.evidence),
                IncidentsApi(self._alerting, self._clock),
                EventsApi(self._store.events, options, self._clock),
                ReloadApi(self._reloader),
            ],
            access=Access(
                token=self._token,
                cors_origin=server.cors_origin,
                read_timeout_s=server.read_timeout.seconds,
            ),
        )
        tls = server.tls
        return _Uvicorn(
            uvicorn.Config(
                app,
                http=impatient(server.read_timeout.seconds),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
                proxy_headers=False,
                limit_concurrency=server.max_connections,
                ssl_certfile=tls.cert_file if tls else None,
                ssl_keyfile=tls.key_file if tls else None,
            )
        )

    def _create_grpc(self) -> list[OtlpGrpc]:
        """Return the doors of OTLP/gRPC, where there is an address for them."""
        if (address := self._otlp_ports.grpc) is None:
            return []
        tls = _key_and_certificate(self._config)
        grpc = OtlpGrpc(self._otlp, token=self._token, tls=tls)
        try:
            grpc.bind(address)
        except UnavailableError as error:
            # Another server took the usual port a moment ago.
            if self._config.server.otlp_grpc_listen is not None:
                raise
            _log.info("otlp_port_taken", address=address, reason=str(error))
            return []
        return [grpc]

    def _note_start(self) -> None:
        """Record the start among the events that may explain what comes after it."""
        event = Event(
            time_ms=self._clock.now_ms(),
            kind="restart",
            title=f"Veriscope {self._version} started",
        )
        try:
            self._store.events.add([event])
        except VeriscopeError as error:
            _log.warning("start_not_recorded", error=str(error))

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
    given = config.store.cache_bytes
    return StoreOptions(
        url=config.store.url or f"chdb://{(data / 'store').resolve()}",
        database=config.store.database,
        max_concurrent_queries=config.store.max_concurrent_queries,
        retention=config.store.retention,
        cache_bytes=cache_bytes(memory_bytes()) if given is None else given,
        limits=SeriesLimits(
            max_series=config.ingest.max_series,
            max_series_per_metric=config.ingest.max_series_per_metric,
            max_values_per_label=config.ingest.max_values_per_label,
        ),
    )


def _key_and_certificate(config: Config) -> tuple[bytes, bytes] | None:
    """Return what gRPC shows to clients as HTTP does."""
    if (tls := config.server.tls) is None:
        return None
    return Path(tls.key_file).read_bytes(), Path(tls.cert_file).read_bytes()


def _query_options(config: Config) -> QueryOptions:
    """Return how queries are answered, with the step of a subquery that names none."""
    step = config.query.subquery_step or config.global_.evaluation_interval
    return replace(config.query, subquery_step=step)


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

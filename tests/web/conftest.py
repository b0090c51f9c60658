"""The web application over a real store, called without a network."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from veriscope.ingest import IngestOptions, MetricIngest, OtlpIngest, OtlpMetricIngest
from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.signals import ByteSize, Secret, SystemClock
from veriscope.store import Store
from veriscope.web import (
    Access,
    ApiSources,
    DashboardApi,
    OtlpDoors,
    PrometheusApi,
    PushDoors,
    StatusPages,
    TelemetryApi,
    create_web,
)
from veriscope.web.app import Api
from veriscope.wire.otlp.metrics import MetricDecoder, OtlpOptions


class Served:
    """A served application and what the tests need of it."""

    def __init__(
        self,
        base: str,
        status: StatusPages,
        session: aiohttp.ClientSession,
        raw: aiohttp.ClientSession,
        server: uvicorn.Server,
    ) -> None:
        self.base = base
        self.status = status
        self.session = session
        self.raw = raw
        self.server = server

    def get_in_flight(self) -> int:
        """Count the requests that are not answered yet."""
        return len(self.server.server_state.tasks)

    def get(self, path: str, **options: object) -> aiohttp.client._RequestContextManager:
        """Ask for *path*."""
        return self.session.get(self.base + path, **options)

    def post(self, path: str, **options: object) -> aiohttp.client._RequestContextManager:
        """Post to *path*."""
        return self.session.post(self.base + path, **options)


@pytest.fixture
def token() -> Secret | None:
    """Return the token of the server; none unless a test says otherwise."""
    return None


@pytest.fixture
def access(token: Secret | None) -> Access:
    """Return who may ask, and how."""
    return Access(token=token)


@pytest.fixture
def options() -> QueryOptions:
    """Return the limits of queries."""
    return QueryOptions(max_samples=1_000)


@pytest.fixture
def limits() -> IngestOptions:
    """Return the limits of what is accepted; small ones."""
    return IngestOptions(max_body_bytes=ByteSize(100_000), max_message_bytes=ByteSize(200_000))


@pytest.fixture
def sources(store: Store) -> ApiSources:
    """Return what the API shows beside queries; as little as there can be."""
    return ApiSources(exemplars=store.exemplars, statistics=store.cardinality)


@pytest.fixture
def parts() -> Sequence[Api]:
    """Return what serves alerting; nothing unless a test says otherwise."""
    return ()


@pytest.fixture
async def web(
    *,
    store: Store,
    access: Access,
    options: QueryOptions,
    limits: IngestOptions,
    sources: ApiSources,
    parts: Sequence[Api],
) -> AsyncIterator[Served]:
    """Serve the application with small limits on a free port."""
    registry, clock, stop = CollectorRegistry(), SystemClock(), asyncio.Event()
    ingest = MetricIngest(
        limits,
        decode=store.metrics.decode,
        insert=store.metrics.insert,
        registry=registry,
    )
    otlp = OtlpIngest(
        ingest.options,
        insert_traces=store.otlp.insert_traces,
        insert_logs=store.otlp.insert_logs,
        metrics=OtlpMetricIngest(
            ingest.options,
            MetricDecoder(OtlpOptions(), key=bytes(16)),
            insert=store.metrics.insert,
            commits=ingest.commits,
            registry=registry,
            spacing_s=0,
        ),
        commits=ingest.commits,
        spacing_s=0,
    )
    engine = PromqlEngine(store.series, options, clock, registry)
    status = StatusPages(registry, lambda: store.health() and None, "1.2.3", clock)
    status.ready = True
    app = create_web(
        api=PrometheusApi(engine, store.series, options, clock, sources),
        doors=PushDoors(ingest),
        status=status,
        dashboards=DashboardApi(store.state, clock),
        otlp=OtlpDoors(otlp),
        telemetry=TelemetryApi(store.spans, store.logs, options, clock),
        registry=registry,
        access=access,
        alerting=parts,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, ws="none"))
    running = (server.serve(), ingest.run(stop), otlp.run(stop))
    tasks = [asyncio.create_task(each) for each in running]
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with (
        aiohttp.ClientSession() as session,
        aiohttp.ClientSession(auto_decompress=False) as raw,
    ):
        yield Served(f"http://127.0.0.1:{port}", status, session, raw, server)
    server.should_exit = True
    stop.set()
    await asyncio.gather(*tasks)

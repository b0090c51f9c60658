import ast
import random
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Route
from yarl import URL

from veriscope.alert.alerting import Alerting
from veriscope.alert.config import AlertingConfig
from veriscope.alert.notify.forwarding import Forwarder
from veriscope.app.heartbeat import Heartbeat, HeartbeatOptions
from veriscope.app.reload import Reloader
from veriscope.app.rollups import RollupLoop
from veriscope.app.self_metrics import CacheMetrics, StoreMetrics, create_registry
from veriscope.collect import AgentOptions, CollectLoop, GlobalConfig, Outbox, Scraper
from veriscope.ingest import IngestOptions, MetricIngest, OtlpIngest, OtlpMetricIngest
from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.rules import RuleLoop, RuleOptions
from veriscope.signals import Duration, SystemClock
from veriscope.store import Store, StoreHealth, TableHealth
from veriscope.web import (
    AlertmanagerApi,
    ApiSources,
    DashboardApi,
    EventsApi,
    NotificationsApi,
    OtlpDoors,
    PrometheusApi,
    PushDoors,
    ReloadApi,
    StatusPages,
    TelemetryApi,
    create_web,
)
from veriscope.web.access import RequestMetrics
from veriscope.wire.otlp.metrics import MetricDecoder, OtlpOptions

NAME = re.compile(r"^\| `(veriscope_\w+)", re.MULTILINE)
METRIC_PAGES = tuple(
    f"docs/{name}.md"
    for name in (
        *("agent", "alerting", "host-metrics", "operations", "rollups", "rules", "scraping"),
        *("alertmanager", "http-api", "incidents", "notifications", "receivers"),
    )
)
# The panel of sensors writes these itself; no registry has them.
PANEL = {"veriscope_collector_up", "veriscope_collector_sensor_up"}


def health() -> StoreHealth:
    """Return what a store with one table says of itself."""
    return StoreHealth((TableHealth("samples", 1, 1, 1),), 1)


async def discard(_batch: object) -> None:
    """Take a batch for good."""


async def change_nothing() -> None:
    """Reload."""


def store_nothing(_group: Sequence[object]) -> None:
    """Take a group of requests."""


def build(registry: CollectorRegistry, store: Store) -> Starlette:
    """Build everything that reports to a registry, and the web application."""
    clock = SystemClock()
    registry.register(StoreMetrics(health, clock))
    ingest = MetricIngest(
        IngestOptions(),
        decode=store_nothing,
        insert=store_nothing,
        registry=registry,
    )
    otlp = OtlpIngest(
        IngestOptions(),
        insert_traces=store_nothing,
        insert_logs=store_nothing,
        metrics=OtlpMetricIngest(
            IngestOptions(),
            MetricDecoder(OtlpOptions(), key=bytes(16)),
            insert=store_nothing,
            commits=ingest.commits,
            registry=registry,
        ),
        commits=ingest.commits,
    )
    CollectLoop([], discard, 1000, clock, registry, ())
    Scraper((), GlobalConfig(), discard, clock=clock, registry=registry)
    engine = PromqlEngine(store.series, QueryOptions(), clock, registry)
    registry.register(CacheMetrics(store.series.head_use, engine.answers))
    RollupLoop(store.rollups, clock, registry)
    RuleLoop(
        (),
        RuleOptions(),
        interval=Duration.parse("1m"),
        query_offset=Duration(0),
        query=engine.instant_query,
        record=discard,
        clock=clock,
        registry=registry,
    )
    alerting = Alerting(AlertingConfig(), state=store.state, clock=clock, registry=registry)
    Forwarder((), relabel=lambda labels: labels, clock=clock, registry=registry)
    Heartbeat(HeartbeatOptions(), rules=list, check=lambda: None, clock=clock, registry=registry)
    reloader = Reloader(change_nothing, tuple, clock=clock, registry=registry)
    return create_web(
        alerting=[
            AlertmanagerApi(alerting, clock=clock, registry=registry, version="0"),
            NotificationsApi(alerting),
            EventsApi(store.events, QueryOptions(), clock),
            ReloadApi(reloader),
        ],
        api=PrometheusApi(
            engine,
            store.series,
            QueryOptions(),
            clock,
            ApiSources(exemplars=store.exemplars, statistics=store.cardinality),
        ),
        doors=PushDoors(ingest),
        status=StatusPages(registry, lambda: None, "0", clock),
        dashboards=DashboardApi(store.state, clock),
        otlp=OtlpDoors(otlp),
        telemetry=TelemetryApi(store.spans, store.logs, QueryOptions(), clock),
        registry=registry,
    )


def test_metrics_of_veriscope_are_documented(
    documents: dict[str, Any], store: Store, tmp_path: Path
) -> None:
    """Each metric at `/metrics` has its row, and no row is of a metric that is not there."""
    registry = create_registry("0")
    RequestMetrics(build(registry, store), registry)
    Outbox(
        AgentOptions(),
        URL("http://server"),
        tmp_path,
        clock=SystemClock(),
        registry=registry,
        chance=random.Random(1),  # noqa: S311 - it spreads retries
    )
    exposed = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
        if family.name.startswith("veriscope_")
    }
    documented = {name for page in METRIC_PAGES for name in NAME.findall(documents[page].text)}
    assert documented == exposed | PANEL


def test_paths_are_documented(documents: dict[str, Any], store: Store) -> None:
    """Each route has its row in the HTTP API, with its methods."""
    page = documents["docs/http-api.md"].text
    for route in build(CollectorRegistry(), store).routes:
        assert isinstance(route, Route)
        if route.path.endswith("{path:path}") or route.path.startswith("/alertmanager/"):
            continue  # what is answered 404, and the second name of Alertmanager's API
        path = re.sub(r"\{(?:\w+_)?(\w+)\}", lambda found: found[1].upper(), route.path)
        rows = [line for line in page.splitlines() if line.startswith("|")]
        row = next(line for line in rows if f"`{path}`" in line)
        assert all(method in row for method in (route.methods or set()) - {"HEAD"})


_REFUSING = (
    "store/identity.py",
    "store/requests.py",
    "wire/remote_write_points.py",
    "wire/remote_write_v1.py",
    "wire/remote_write_v2.py",
)


def reasons(source: str) -> set[str]:
    """Return the words of every refusal in *source*, up to their first value."""
    found, constants = set(), {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            constants[node.target.id] = node.value
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        if node.func.id not in {"RefusedError", "InvalidInputError", "LimitExceededError"}:
            continue
        text: ast.expr | None = node.args[0]
        if isinstance(text, ast.Name):
            text = constants.get(text.id)
        if isinstance(text, ast.JoinedStr):
            text = text.values[0]
        if isinstance(text, ast.Constant):
            found.add(text.value)
    return found


def test_refusals_of_the_push_doors_are_documented(
    root: Path, documents: dict[str, Any], store: Store
) -> None:
    """Each reason for a refusal, the engine's and ours, is in the table of errors."""
    pages = documents["docs/remote-write.md"].text + documents["docs/otlp.md"].text
    of_views = store._engine.query(
        "SELECT arrayJoin(extractAll(create_table_query, '\\\\[\\\\[(.+?)\\\\]\\\\]')) AS reason"
        " FROM system.tables WHERE engine = 'MaterializedView' AND database = {database:String}",
        {"database": store._engine.database},
    )
    assert of_views.num_rows
    for reason in of_views["reason"].to_pylist():
        assert f"`{reason}`" in pages
    found = [reasons((root / "src/veriscope" / file).read_text()) for file in _REFUSING]
    assert all(found)
    # No request can say this: its bytes are UTF-8 or not. A collector's text may be neither.
    collected = {"a label or help text is not valid Unicode: "}
    for reason in set().union(*found) - collected:
        assert f"`{reason}" in pages, reason


def test_rooms_are_documented_in_their_order(root: Path, documents: dict[str, Any]) -> None:
    """The table of rooms is the layers that the import contract enforces."""
    contract = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [layer.split(" | ") for layer in contract["contracts"][0]["layers"][1:]]
    rows = re.findall(
        r"^\| \d+ \| (.+?) \|", documents["ARCHITECTURE.md"].section("Rooms"), re.MULTILINE
    )
    assert [re.findall(r"`(\w+)`", row) for row in rows] == layers

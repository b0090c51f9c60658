"""The whole of the API, put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.routing import Route

from veriscope.collect.scrape import TargetsSnapshot
from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.signals import Clock
from veriscope.web.prometheus.admin import AdminApi, SeriesAdmin
from veriscope.web.prometheus.asking import Asking
from veriscope.web.prometheus.catalog import CatalogApi
from veriscope.web.prometheus.exemplars import ExemplarApi, Exemplars
from veriscope.web.prometheus.federate import Federation
from veriscope.web.prometheus.queries import QueryApi
from veriscope.web.prometheus.read import RemoteReadDoor
from veriscope.web.prometheus.rules import RuleGroupState, RulesApi
from veriscope.web.prometheus.series import SeriesSource
from veriscope.web.prometheus.status import ServerFacts, Statistics, StatusApi
from veriscope.web.prometheus.targets import TargetsApi
from veriscope.web.threads import QueryThreads


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSources:
    """Where answers come from that are not queries; each is empty where nothing gives it."""

    exemplars: Exemplars
    statistics: Statistics
    facts: ServerFacts = field(default_factory=ServerFacts)
    admin: SeriesAdmin | None = None
    """Deletes and copies; None where the operator did not allow it."""
    groups: Callable[[], Sequence[RuleGroupState]] = tuple
    targets: Callable[[], TargetsSnapshot] = TargetsSnapshot
    alertmanagers: Callable[[], Sequence[str]] = tuple
    external_labels: Mapping[str, str] = field(default_factory=dict)
    """What this server's series are told apart by outside of it."""


class PrometheusApi:
    """Every route of the API that reads. Queries run in threads, a bounded number at a time."""

    def __init__(
        self,
        engine: PromqlEngine,
        series: SeriesSource,
        options: QueryOptions,
        clock: Clock,
        sources: ApiSources,
    ) -> None:
        asking = Asking(options, clock, QueryThreads(options))
        self._parts = (
            QueryApi(engine, asking),
            CatalogApi(series, asking),
            ExemplarApi(sources.exemplars, asking),
            RulesApi(sources.groups),
            TargetsApi(sources.targets, sources.alertmanagers, series, asking),
            StatusApi(sources.facts, sources.statistics, asking),
            AdminApi(sources.admin, asking),
            Federation(series, sources.external_labels, asking),
            RemoteReadDoor(series, sources.external_labels, asking),
        )

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [route for part in self._parts for route in part.routes()]

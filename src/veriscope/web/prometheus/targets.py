"""`targets`, `targets/metadata`, `scrape_pools` and `alertmanagers`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.collect.scrape import ActiveTarget, TargetsSnapshot
from veriscope.query import ParseError
from veriscope.query.promql import parse_matchers
from veriscope.signals import METRIC_NAME, Matcher, MatchOp, SeriesFetch
from veriscope.web.answers import success
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import ALL_TIME_MS, Asking, bad_parameter
from veriscope.web.prometheus.catalog import Catalog
from veriscope.web.prometheus.matching import matches
from veriscope.web.threads import Turn

_NEVER = "0001-01-01T00:00:00Z"


class TargetsApi:
    """
    What is scraped, and who is told of alerts.

    *targets* returns all targets as they are; *alertmanagers* the addresses that take alerts.
    """

    def __init__(
        self,
        targets: Callable[[], TargetsSnapshot],
        alertmanagers: Callable[[], Sequence[str]],
        catalog: Catalog,
        asking: Asking,
    ) -> None:
        self._targets = targets
        self._alertmanagers = alertmanagers
        self._catalog = catalog
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route("/api/v1/targets", self.targets, methods=["GET"]),
            Route("/api/v1/targets/metadata", self.metadata, methods=["GET"]),
            Route("/api/v1/scrape_pools", self.pools, methods=["GET"]),
            Route("/api/v1/alertmanagers", self.alertmanagers, methods=["GET"]),
        ]

    async def targets(self, request: Request) -> Response:
        """Answer with the targets that are scraped and those that relabelling dropped."""
        given = await Parameters.of(request)
        state, pool = given.text("state").lower(), given.text("scrapePool")
        found = self._targets()
        active = [each for each in found.active if pool in ("", each.scrape_pool)]
        dropped = [each for each in found.dropped if pool in ("", each.scrape_pool)]
        counts = dict.fromkeys(_pools(found), 0)
        for each in dropped:
            counts[each.scrape_pool] += 1
        return success(
            {
                "activeTargets": [] if state == "dropped" else [_active(each) for each in active],
                "droppedTargets": []
                if state == "active"
                else [
                    {
                        "discoveredLabels": dict(each.discovered_labels),
                        "scrapePool": each.scrape_pool,
                    }
                    for each in dropped
                ],
                "droppedTargetCounts": counts,
            }
        )

    async def metadata(self, request: Request) -> Response:
        """Answer with type, help and unit of the metrics that each target exposes."""
        given = await Parameters.of(request)
        metric, limit = given.text("metric"), given.bound("limit")
        chosen = _matching(self._targets().active, given.text("match_target"))

        def ask(turn: Turn) -> Response:
            limits = self._asking.limits(turn)
            known = self._catalog.metadata(metric, limits)
            found: list[dict[str, Any]] = []
            for target in chosen:
                fetch = SeriesFetch(_own(target), *ALL_TIME_MS)
                exposed = set(self._catalog.label_values(METRIC_NAME, [fetch], limits))
                found += [
                    {
                        "target": dict(target.labels),
                        "metric": each.name,
                        "type": each.type,
                        "help": each.help,
                        "unit": each.unit,
                    }
                    for each in known
                    if not exposed.isdisjoint(_series_names(each.name))
                ]
            data = msgspec.json.encode(found[:limit])
            return self._asking.success(request, turn, data)

        return await self._asking.answer(request, ask)

    async def pools(self, _: Request) -> Response:
        """Answer with the names of the jobs that have targets."""
        return success({"scrapePools": _pools(self._targets())})

    async def alertmanagers(self, _: Request) -> Response:
        """Answer with the addresses that take alerts."""
        active = [{"url": url} for url in self._alertmanagers()]
        return success({"activeAlertmanagers": active, "droppedAlertmanagers": []})


def _pools(found: TargetsSnapshot) -> list[str]:
    names = {each.scrape_pool for each in found.active}
    return sorted(names | {each.scrape_pool for each in found.dropped})


def _active(target: ActiveTarget) -> dict[str, Any]:
    return {
        "discoveredLabels": dict(target.discovered_labels),
        "labels": dict(target.labels),
        "scrapePool": target.scrape_pool,
        "scrapeUrl": target.scrape_url,
        "globalUrl": target.global_url,
        "lastError": target.last_error,
        "lastScrape": rfc3339(target.last_scrape_ms),
        "lastScrapeDuration": target.last_scrape_duration_s,
        "health": target.health,
        "scrapeInterval": str(target.scrape_interval),
        "scrapeTimeout": str(target.scrape_timeout),
    }


def rfc3339(time_ms: int) -> str:
    """Return *time_ms* as Go writes a time; 0 is Go's time of never."""
    if not time_ms:
        return _NEVER
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _matching(targets: Sequence[ActiveTarget], selector: str) -> list[ActiveTarget]:
    if not selector:
        return list(targets)
    try:
        matchers = parse_matchers(selector)
    except ParseError as error:
        raise bad_parameter("match_target", error) from error
    return [target for target in targets if matches(matchers, dict(target.labels))]


def _own(target: ActiveTarget) -> tuple[Matcher, ...]:
    """Return matchers of the series of *target*."""
    return tuple(Matcher(name, MatchOp.EQUAL, value) for name, value in target.labels)


def _series_names(family: str) -> tuple[str, ...]:
    """Return the names that the series of a metric family can have."""
    return (family, *(f"{family}_{part}" for part in ("bucket", "sum", "count", "total", "info")))

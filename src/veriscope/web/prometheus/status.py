"""`status/*`, `features` and `notifications`: what the server is, and what it holds."""

import os
import platform
import resource
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query.promql.signatures import SIGNATURES
from veriscope.signals import FetchLimits, InvalidInputError
from veriscope.signals.statistics import Block, Ranking, SeriesStatistics
from veriscope.web.answers import nothing, success
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import Asking, bad_parameter
from veriscope.web.prometheus.targets import rfc3339
from veriscope.web.threads import Turn

API_VERSION: Final = "3.8.0"
"""The version of Prometheus whose API this is; clients choose what they ask for by it."""

_MOST_LISTED: Final = 10_000
_LISTED: Final = 10
_OPERATORS: Final = (
    "!=", "!~", "%", "*", "+", "-", "/", "<", "<=", "==", "=~", ">", ">=", "^", "and", "atan2",
    "or", "unless",
)  # fmt: skip


class Statistics(Protocol):
    """Counts what a store holds. Calls block."""

    def series(self, top: int, limits: FetchLimits) -> SeriesStatistics:
        """Return the counts, with *top* names in each ranking."""

    def blocks(self, limits: FetchLimits) -> Sequence[Block]:
        """Return what the samples rest in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What the server says of itself; *config* returns its configuration, secrets hidden."""

    version: str = ""
    started_ms: int = 0
    config: Callable[[], str] = lambda: "{}\n"
    flags: Mapping[str, str] = field(default_factory=dict)
    retention: str = ""


class StatusApi:
    """`status/*`, `features` and `notifications`."""

    def __init__(self, facts: ServerFacts, statistics: Statistics, asking: Asking) -> None:
        self._facts = facts
        self._statistics = statistics
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        status = "/api/v1/status"
        return [
            Route(f"{status}/config", self.config, methods=["GET"]),
            Route(f"{status}/flags", self.flags, methods=["GET"]),
            Route(f"{status}/runtimeinfo", self.runtime_info, methods=["GET"]),
            Route(f"{status}/buildinfo", self.build_info, methods=["GET"]),
            Route(f"{status}/walreplay", self.wal_replay, methods=["GET"]),
            Route("/api/v1/features", self.features, methods=["GET"]),
            Route("/api/v1/notifications", self.notifications, methods=["GET"]),
            Route("/api/v1/notifications/live", self.live_notifications, methods=["GET"]),
            Route(f"{status}/tsdb", self.tsdb, methods=["GET"]),
            Route(f"{status}/tsdb/blocks", self.tsdb_blocks, methods=["GET"]),
        ]

    async def config(self, _: Request) -> Response:
        """Answer with the configuration as YAML."""
        return success({"yaml": self._facts.config()})

    async def flags(self, _: Request) -> Response:
        """Answer with what the server was started with, under Prometheus' names."""
        return success(self._facts.flags)

    async def runtime_info(self, _: Request) -> Response:
        """Answer with what the process is doing."""
        started = rfc3339(self._facts.started_ms)
        return success(
            {
                "startTime": started,
                "CWD": os.getcwd(),  # noqa: PTH109 - a string is what is asked for
                "hostname": platform.node(),
                "serverTime": rfc3339(self._asking.clock.now_ms()),
                "reloadConfigSuccess": True,
                "lastConfigTime": started,
                "corruptionCount": 0,
                "goroutineCount": threading.active_count(),
                "GOMAXPROCS": os.cpu_count() or 1,
                "GOMEMLIMIT": resource.getrlimit(resource.RLIMIT_AS)[0],
                "GOGC": "",
                "GODEBUG": "",
                "storageRetention": self._facts.retention,
            }
        )

    async def build_info(self, _: Request) -> Response:
        """Answer with the versions: of Prometheus' API, by which clients choose, and our own."""
        return success(
            {
                "version": API_VERSION,
                "revision": self._facts.version,
                "branch": "",
                "buildUser": "",
                "buildDate": "",
                "goVersion": f"python{sys.version.partition(' ')[0]}",
                "application": "Veriscope",
                "applicationVersion": self._facts.version,
            }
        )

    async def wal_replay(self, _: Request) -> Response:
        """Answer that nothing has to be replayed: what was acknowledged is in the tables."""
        return success({"min": 0, "max": 0, "current": 0})

    async def features(self, _: Request) -> Response:
        """Answer with what can be asked for."""
        return success(_features(self._facts.flags))

    async def notifications(self, _: Request) -> Response:
        """Answer with what an operator should know now, which logs and metrics say here."""
        return success([])

    async def live_notifications(self, _: Request) -> Response:
        """Answer that there is no stream of notifications."""
        return nothing()

    async def tsdb(self, request: Request) -> Response:
        """Answer with who has most series."""
        given = await Parameters.of(request)
        top = given.limit(default=_LISTED)
        if not 0 < top <= _MOST_LISTED:
            raise bad_parameter("limit", InvalidInputError(f"it must be from 1 to {_MOST_LISTED}"))

        def ask(turn: Turn) -> Response:
            found = self._statistics.series(top, self._asking.limits(turn))
            return self._asking.success(request, turn, msgspec.json.encode(_tsdb(found)))

        return await self._asking.answer(request, ask)

    async def tsdb_blocks(self, request: Request) -> Response:
        """Answer with what the samples rest in."""

        def ask(turn: Turn) -> Response:
            blocks = self._statistics.blocks(self._asking.limits(turn))
            data = {"blocks": [_block(block) for block in blocks]}
            return self._asking.success(request, turn, msgspec.json.encode(data))

        return await self._asking.answer(request, ask)


def _tsdb(found: SeriesStatistics) -> dict[str, Any]:
    return {
        "headStats": {
            "numSeries": found.series,
            "numLabelPairs": found.label_pairs,
            "chunkCount": found.samples,
            "minTime": found.first_ms,
            "maxTime": found.last_ms,
        },
        "seriesCountByMetricName": _ranking(found.series_by_metric),
        "labelValueCountByLabelName": _ranking(found.values_by_label),
        "memoryInBytesByLabelName": _ranking(found.bytes_by_label),
        "seriesCountByLabelValuePair": _ranking(found.series_by_pair),
    }


def _ranking(ranking: Ranking) -> list[dict[str, Any]]:
    return [{"name": name, "value": count} for name, count in ranking]


def _block(block: Block) -> dict[str, Any]:
    return {
        "ulid": block.name,
        "minTime": block.first_ms,
        "maxTime": block.last_ms,
        "stats": {"numSamples": block.samples, "sizeBytes": block.bytes_on_disk},
        "compaction": {"level": block.level, "sources": list(block.sources) or [block.name]},
        "version": 1,
    }


def _features(flags: Mapping[str, str]) -> dict[str, dict[str, bool]]:
    return {
        "api": {
            "admin": flags.get("web.enable-admin-api") == "true",
            "exclude_alerts": True,
            "label_values_match": True,
            "lifecycle": False,
            "query_stats": True,
            "query_warnings": True,
            "remote_read": True,
            "remote_write_receiver": True,
            "time_range_labels": True,
            "time_range_series": True,
        },
        "prometheus": {"agent_mode": False, "stringlabels": False},
        "promql": {
            "at_modifier": True,
            "bool": True,
            "by": True,
            "group_left": True,
            "group_right": True,
            "ignoring": True,
            "negative_offset": True,
            "offset": True,
            "on": True,
            "per_query_lookback_delta": True,
            "subqueries": True,
            "without": True,
        },
        "promql_functions": dict.fromkeys(sorted(SIGNATURES), True),
        "promql_operators": dict.fromkeys(_OPERATORS, True),
        "tsdb": {"exemplar_storage": True, "out_of_order_time_window": True},
    }

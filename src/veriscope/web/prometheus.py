"""Prometheus' HTTP API v1: queries and metadata."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine, QueryResult, encode, parse_matchers
from veriscope.signals import (
    Clock,
    FetchLimits,
    InvalidInputError,
    Labels,
    MetricMetadata,
    SeriesFetch,
)
from veriscope.web.answers import success, success_stream
from veriscope.web.parameters import Parameters

T = TypeVar("T")
_ALL_TIME_MS: Final = (0, 9_999_999_999_999)
_READ: Final = ["GET", "POST"]


class Catalog(Protocol):
    """Knows which series exist. Calls block; all answers are sorted."""

    def series(self, fetches: Sequence[SeriesFetch], limits: FetchLimits) -> tuple[Labels, ...]:
        """Return the label sets that any of *fetches* selects."""

    def label_names(self, fetches: Sequence[SeriesFetch], limits: FetchLimits) -> list[str]:
        """Return the label names of those series."""

    def label_values(
        self, name: str, fetches: Sequence[SeriesFetch], limits: FetchLimits
    ) -> list[str]:
        """Return the values of label *name* in those series."""

    def metadata(self, metric: str, limits: FetchLimits) -> tuple[MetricMetadata, ...]:
        """Return what is known of *metric*, or of all where it is `""`."""


class PrometheusApi:
    """The read half of the API. Queries run in threads, a bounded number at a time."""

    def __init__(
        self, engine: PromqlEngine, catalog: Catalog, options: QueryOptions, clock: Clock
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._clock = clock
        self._limits = FetchLimits(
            max_samples=options.max_samples,
            max_series=options.max_series,
            timeout_ms=options.timeout,
        )
        # Threads of their own, so that heavy queries keep no other work of the process waiting.
        self._threads = ThreadPoolExecutor(options.max_concurrent, thread_name_prefix="query")

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/v1/query", self.query, methods=_READ),
            Route("/api/v1/query_range", self.query_range, methods=_READ),
            Route("/api/v1/series", self.series, methods=_READ),
            Route("/api/v1/labels", self.labels, methods=_READ),
            Route("/api/v1/label/{name}/values", self.label_values, methods=["GET"]),
            Route("/api/v1/metadata", self.metadata, methods=["GET"]),
        ]

    async def query(self, request: Request) -> Response:
        """Answer an instant query."""
        given = await Parameters.of(request)
        text = given.required("query")
        time_ms = given.time_ms("time", self._clock.now_ms())
        timeout_ms = given.timeout_ms()
        return await self._evaluate(
            lambda: self._engine.instant_query(text, time_ms, timeout_ms=timeout_ms)
        )

    async def query_range(self, request: Request) -> Response:
        """Answer a range query."""
        given = await Parameters.of(request)
        text, grid = given.required("query"), given.grid()
        timeout_ms = given.timeout_ms()
        return await self._evaluate(
            lambda: self._engine.range_query(text, grid, timeout_ms=timeout_ms)
        )

    async def series(self, request: Request) -> Response:
        """Answer with the label sets that the selectors in `match[]` select."""
        given = await Parameters.of(request)
        if not given.all("match[]"):
            raise InvalidInputError("no match[] parameter provided")
        fetches = self._fetches(given)
        found = await self._run(lambda: self._catalog.series(fetches, self._limits))
        return _listed([dict(labels) for labels in found], given.limit())

    async def labels(self, request: Request) -> Response:
        """Answer with label names."""
        given = await Parameters.of(request)
        fetches = self._fetches(given)
        return _listed(
            await self._run(lambda: self._catalog.label_names(fetches, self._limits)),
            given.limit(),
        )

    async def label_values(self, request: Request) -> Response:
        """Answer with the values of one label."""
        given = await Parameters.of(request)
        name = _unescape(request.path_params["name"])
        fetches = self._fetches(given)
        return _listed(
            await self._run(lambda: self._catalog.label_values(name, fetches, self._limits)),
            given.limit(),
        )

    async def metadata(self, request: Request) -> Response:
        """Answer with type, help and unit of metrics."""
        given = await Parameters.of(request)
        metric = given.text("metric")
        found = await self._run(lambda: self._catalog.metadata(metric, self._limits))
        limit = given.limit() or len(found)
        return success(
            {
                known.name: [{"type": known.type, "unit": known.unit, "help": known.help}]
                for known in found[:limit]
            }
        )

    async def _evaluate(self, ask: Callable[[], QueryResult]) -> Response:
        result = await self._run(ask)
        return success_stream(encode(result), result.warnings, result.infos)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _fetches(self, given: Parameters) -> tuple[SeriesFetch, ...]:
        start_ms = given.time_ms("start", _ALL_TIME_MS[0])
        end_ms = given.time_ms("end", _ALL_TIME_MS[1])
        if end_ms < start_ms:
            raise InvalidInputError("end timestamp must not be before start time")
        # No selector selects everything.
        selectors = [parse_matchers(text) for text in given.all("match[]")] or [()]
        return tuple(SeriesFetch(matchers, start_ms, end_ms) for matchers in selectors)


def _listed(found: Sequence[Any], limit: int) -> Response:
    if limit and len(found) > limit:
        return success(found[:limit], ["results truncated due to limit"])
    return success(found)


def _unescape(name: str) -> str:
    """Read a label name in a path: `U__` begins Prometheus' escaping of UTF-8 names."""
    if not name.startswith("U__"):
        return name
    out, rest = [], name.removeprefix("U__")
    while rest:
        plain, _, rest = rest.partition("_")
        out.append(plain)
        if rest.startswith("_"):
            out.append("_")
            rest = rest[1:]
        elif rest:
            code, _, rest = rest.partition("_")
            try:
                out.append(chr(int(code, 16)))
                out[-1].encode()  # half of a surrogate pair is no character
            except (ValueError, OverflowError) as error:
                raise InvalidInputError(f'invalid label name: "{name}"') from error
    return "".join(out)

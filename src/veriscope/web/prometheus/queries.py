"""Queries, and what an editor asks about them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query import ParseError, QueryTimeoutError, RollupUse
from veriscope.query.promql import PromqlEngine, QueryResult, encode
from veriscope.query.promql.format import pretty
from veriscope.query.promql.tree import to_tree
from veriscope.query.promql.truncation import truncate
from veriscope.signals import InvalidInputError
from veriscope.web.answers import envelope, success
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import READ, Asking, bad_parameter, parse_query
from veriscope.web.threads import Turn


class QueryApi:
    """`query`, `query_range`, `format_query` and `parse_query`."""

    def __init__(self, engine: PromqlEngine, asking: Asking) -> None:
        self._engine = engine
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route("/api/v1/query", self.query, methods=READ),
            Route("/api/v1/query_range", self.query_range, methods=READ),
            Route("/api/v1/format_query", self.format_query, methods=READ),
            Route("/api/v1/parse_query", self.parse_query, methods=READ),
        ]

    async def query(self, request: Request) -> Response:
        """Answer an instant query."""
        given = await Parameters.of(request)
        text = given.required("query")
        time_ms = given.time_ms("time", self._asking.clock.now_ms())
        manner = _Manner(given)
        return await self._evaluate(
            request,
            manner,
            lambda turn: self._engine.instant_query(text, time_ms, **manner.arguments(turn)),
        )

    async def query_range(self, request: Request) -> Response:
        """Answer a range query."""
        given = await Parameters.of(request)
        text, grid = given.required("query"), given.grid()
        manner, rollups = _Manner(given), _rollups(given)
        return await self._evaluate(
            request,
            manner,
            lambda turn: self._engine.range_query(
                text, grid, rollups=rollups, **manner.arguments(turn)
            ),
        )

    async def format_query(self, request: Request) -> Response:
        """Answer with the query laid out over as many lines as it needs."""
        given = await Parameters.of(request)
        return success(pretty(parse_query("query", given.required("query"))))

    async def parse_query(self, request: Request) -> Response:
        """Answer with the query's tree."""
        given = await Parameters.of(request)
        return success(to_tree(parse_query("query", given.required("query"))))

    async def _evaluate(
        self, request: Request, manner: "_Manner", ask: Callable[[Turn], QueryResult]
    ) -> Response:
        def evaluate(turn: Turn) -> Response:
            try:
                result = truncate(ask(turn), manner.limit)
            except ParseError as error:
                raise bad_parameter("query", error) from error
            data: Iterable[bytes] = encode(result)
            if manner.stats:
                written = _stats(result, turn.waited_s, per_step=manner.stats == "all")
                data = _with_member(data, b'"stats":' + msgspec.json.encode(written))
            chunks = envelope(data, result.warnings, result.infos)
            return self._asking.written(request, turn, chunks)

        return await self._asking.answer(request, evaluate, manner.timeout_ms)


class _Manner:
    """How a query is to be answered."""

    def __init__(self, given: Parameters) -> None:
        self.limit = given.limit()
        self.stats = given.text("stats")
        self.timeout_ms = given.duration_ms("timeout")
        if self.timeout_ms is not None and self.timeout_ms <= 0:
            raise QueryTimeoutError(timeout_ms=self.timeout_ms)
        lookback_ms = given.duration_ms("lookback_delta")
        # As in Prometheus, one that is not positive stands for the default.
        self._lookback_ms = lookback_ms if lookback_ms and lookback_ms > 0 else None
        self._cache = not given.flag("nocache")

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return what the engine is told beside the query."""
        return {
            "timeout_ms": turn.left_ms,
            "lookback_ms": self._lookback_ms,
            "cancel": turn.cancel,
            "stats": bool(self.stats),
            "cache": self._cache,
        }


def _rollups(given: Parameters) -> RollupUse | None:
    """Return when roll-ups may stand in for samples, None where the options are to say."""
    if not (value := given.text("rollups")):
        return None
    try:
        return RollupUse(value)
    except ValueError as error:
        raise InvalidInputError(
            f'invalid parameter "rollups": {value!r} is not one of {", ".join(RollupUse)}'
        ) from error


def _stats(result: QueryResult, waited_s: float, *, per_step: bool) -> dict[str, Any]:
    """Return what the query took, in Prometheus' keys; times are in seconds."""
    stats = result.stats
    samples: dict[str, Any] = {
        "totalQueryableSamples": stats.samples,
        "peakSamples": stats.peak_samples,
    }
    if per_step and stats.samples_per_step is not None:
        times_s = (result.grid.times_ms() / 1000).tolist()
        pairs = zip(times_s, stats.samples_per_step.tolist(), strict=True)
        samples = {"totalQueryableSamplesPerStep": list(pairs), **samples}
    inner_s = stats.seconds - stats.preparation_seconds - stats.sorting_seconds
    return {
        "timings": {
            "evalTotalTime": stats.seconds,
            "resultSortTime": stats.sorting_seconds,
            "queryPreparationTime": stats.preparation_seconds,
            "innerEvalTime": max(0.0, inner_s),
            "execQueueTime": waited_s,
            "execTotalTime": waited_s + stats.seconds,
        },
        "samples": samples,
    }


def _with_member(chunks: Iterable[bytes], member: bytes) -> Iterator[bytes]:
    """Yield the JSON object in *chunks* with one *member* more at its end."""
    held = b""
    for chunk in chunks:
        if held:
            yield held
        held = chunk
    yield from chain((held[:-1], b",", member, b"}"))

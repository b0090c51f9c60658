"""`query_exemplars`: the observations that stand for the series of a query."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query.promql.floats import format_float
from veriscope.query.promql.walk import selectors
from veriscope.signals import FetchLimits, InvalidInputError, SeriesFetch
from veriscope.signals.exemplars import Exemplar, ExemplarSeries
from veriscope.web.answers import nothing
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import ALL_TIME_MS, READ, Asking, parse_query
from veriscope.web.threads import Turn


class Exemplars(Protocol):
    """Knows exemplars. Calls block."""

    def exemplars(
        self, fetches: Sequence[SeriesFetch], limits: FetchLimits
    ) -> Sequence[ExemplarSeries]:
        """Return the exemplars that any of *fetches* selects, by series."""


class ExemplarApi:
    """`query_exemplars`."""

    def __init__(self, exemplars: Exemplars, asking: Asking) -> None:
        self._exemplars = exemplars
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [Route("/api/v1/query_exemplars", self.query_exemplars, methods=READ)]

    async def query_exemplars(self, request: Request) -> Response:
        """Answer with the exemplars of every series that a selector of the query selects."""
        given = await Parameters.of(request)
        start_ms = given.time_ms("start", ALL_TIME_MS[0])
        end_ms = given.time_ms("end", ALL_TIME_MS[1])
        if end_ms < start_ms:
            raise InvalidInputError("end timestamp must not be before start timestamp")
        expr = parse_query("query", given.required("query"))
        fetches = [SeriesFetch(matchers, start_ms, end_ms) for matchers in selectors(expr)]
        if not fetches:
            return nothing()

        def ask(turn: Turn) -> Response:
            found = self._exemplars.exemplars(fetches, self._asking.limits(turn))
            data = [
                {
                    "seriesLabels": dict(series.labels),
                    "exemplars": list(map(_document, series.exemplars)),
                }
                for series in found
            ]
            return self._asking.success(request, turn, msgspec.json.encode(data))

        return await self._asking.answer(request, ask)


def _document(exemplar: Exemplar) -> dict[str, Any]:
    return {
        "labels": dict(exemplar.labels),
        "value": format_float(exemplar.value),
        "timestamp": exemplar.time_ms / 1000,
    }

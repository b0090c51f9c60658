"""Links to graphs as Prometheus spells them, which rules put into their alerts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice, takewhile
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from veriscope.signals import Duration, InvalidInputError

_MOST_PANELS: Final = 50
_TABLE_TAB: Final = "1"


def graph_routes() -> Sequence[Route]:
    """Return the route `/graph`, which leads on to the page that explores metrics."""
    return [Route("/graph", _graph, methods=["GET", "HEAD"])]


async def _graph(request: Request) -> Response:
    return RedirectResponse(f"explore?{explore_query(request.query_params)}", 302)


def explore_query(given: Mapping[str, str]) -> str:
    """
    Return the query string of the explore page for Prometheus' `g0.expr`, `g0.tab`, ….

    Range and end are those of the first panel; what cannot be read is left to the page.
    """
    numbers = takewhile(lambda number: f"g{number}.expr" in given, count())
    pairs = [("q", given[f"g{number}.expr"]) for number in islice(numbers, _MOST_PANELS)]
    pairs += _range(given.get("g0.range_input", ""), given.get("g0.end_input", ""))
    if given.get("g0.tab") in (_TABLE_TAB, "table"):
        pairs.append(("tab", "table"))
    return urlencode(pairs)


def _range(span: str, end: str) -> list[tuple[str, str]]:
    try:
        length = Duration.parse(span or "1h")
        if not end:
            return [("range", span)] if span else []
        last = datetime.fromisoformat(end).replace(tzinfo=UTC)
        first = last - timedelta(milliseconds=length)
    except (InvalidInputError, ValueError, OverflowError):
        return []
    return [("from", _spelled(first)), ("to", _spelled(last))]


def _spelled(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

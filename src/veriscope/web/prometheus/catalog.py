"""Which series, labels and metrics there are."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.signals import FetchLimits, InvalidInputError, Labels, MetricMetadata, SeriesFetch
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import READ, TRUNCATED, Asking, series_fetches
from veriscope.web.threads import Turn


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


class CatalogApi:
    """`series`, `labels`, `label/NAME/values` and `metadata`."""

    def __init__(self, catalog: Catalog, asking: Asking) -> None:
        self._catalog = catalog
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route("/api/v1/series", self.series, methods=READ),
            Route("/api/v1/labels", self.labels, methods=READ),
            Route("/api/v1/label/{name}/values", self.label_values, methods=["GET"]),
            Route("/api/v1/metadata", self.metadata, methods=["GET"]),
        ]

    async def series(self, request: Request) -> Response:
        """Answer with the label sets that the selectors in `match[]` select."""
        given = await Parameters.of(request)
        if not given.all("match[]"):
            raise InvalidInputError("no match[] parameter provided")
        fetches = series_fetches(given)
        return await self._listed(
            request,
            given,
            lambda limits: self._catalog.series(fetches, limits) if fetches else (),
            dict,
        )

    async def labels(self, request: Request) -> Response:
        """Answer with label names."""
        given = await Parameters.of(request)
        fetches = series_fetches(given)
        return await self._listed(
            request,
            given,
            lambda limits: self._catalog.label_names(fetches, limits) if fetches else [],
        )

    async def label_values(self, request: Request) -> Response:
        """Answer with the values of one label."""
        given = await Parameters.of(request)
        name = _label_name(request)
        fetches = series_fetches(given)
        return await self._listed(
            request,
            given,
            lambda limits: self._catalog.label_values(name, fetches, limits) if fetches else [],
        )

    async def metadata(self, request: Request) -> Response:
        """Answer with type, help and unit of metrics."""
        given = await Parameters.of(request)
        metric = given.text("metric")
        limit = given.bound("limit")
        given.bound("limit_per_metric")  # one is known of each metric, and zero stands for all

        def ask(turn: Turn) -> Response:
            found = self._catalog.metadata(metric, self._asking.limits(turn))
            data = {
                known.name: [{"type": known.type, "unit": known.unit, "help": known.help}]
                for known in found[:limit]
            }
            return self._asking.success(request, turn, msgspec.json.encode(data))

        return await self._asking.answer(request, ask)

    async def _listed(
        self,
        request: Request,
        given: Parameters,
        find: Callable[[FetchLimits], Sequence[Any]],
        shown: Callable[[Any], Any] | None = None,
    ) -> Response:
        limit = given.limit()

        def ask(turn: Turn) -> Response:
            found = find(self._asking.limits(turn))
            warnings = [TRUNCATED] if limit and len(found) > limit else []
            kept = found[:limit] if limit else found
            items = kept if shown is None else list(map(shown, kept))
            return self._asking.success(request, turn, msgspec.json.encode(items), warnings)

        return await self._asking.answer(request, ask)


def _label_name(request: Request) -> str:
    """Return the label in the path; raises `InvalidInputError` where it is not UTF-8."""
    try:
        unquote(request.scope.get("raw_path", b"").decode("latin-1"), errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"invalid label name: {error}") from error
    return unescape(request.path_params["name"])


def unescape(name: str) -> str:
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

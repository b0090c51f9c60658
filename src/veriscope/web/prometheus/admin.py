"""`admin/tsdb/*`: deleting series, and copies of the store."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.signals import InvalidInputError, SeriesFetch
from veriscope.web.answers import nothing, success, unavailable
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import Asking, series_fetches
from veriscope.web.threads import Turn

_METHODS: Final = ("POST", "PUT")
_DISABLED: Final = "admin APIs disabled; set server.enable_admin_api in the configuration"


class SeriesAdmin(Protocol):
    """Changes what a store holds. Calls block."""

    def delete_series(self, fetches: Sequence[SeriesFetch]) -> None:
        """Delete the samples that *fetches* select; the next query no longer finds them."""

    def clean_tombstones(self) -> None:
        """Give the space of deleted samples back."""

    def snapshot(self) -> str:
        """Copy the store as it is, and return the copy's name."""


class AdminApi:
    """`admin/tsdb/*`, where *admin* is given; refused otherwise."""

    def __init__(self, admin: SeriesAdmin | None, asking: Asking) -> None:
        self._admin = admin
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        paths: list[tuple[str, Callable[[Request], object]]] = [
            ("delete_series", self.delete_series),
            ("clean_tombstones", self.clean_tombstones),
            ("snapshot", self.snapshot),
        ]
        return [
            Route(f"/api/v1/admin/tsdb/{name}", serve, methods=_METHODS) for name, serve in paths
        ]

    async def delete_series(self, request: Request) -> Response:
        """Delete the series that `match[]` selects, or their samples between `start` and `end`."""
        if self._admin is None:
            return unavailable(_DISABLED)
        given = await Parameters.of(request)
        if not given.all("match[]"):
            raise InvalidInputError("no match[] parameter provided")
        if not (fetches := series_fetches(given)):
            raise InvalidInputError("end timestamp must not be before start time")
        return await self._change(request, lambda admin: admin.delete_series(fetches))

    async def clean_tombstones(self, request: Request) -> Response:
        """Give the space of deleted samples back."""
        return await self._change(request, lambda admin: admin.clean_tombstones())

    async def snapshot(self, request: Request) -> Response:
        """Copy the store and answer with the copy's name."""
        if self._admin is None:
            return unavailable(_DISABLED)
        admin = self._admin
        # The copy holds whatever is acknowledged, so there is nothing that could be skipped.
        (await Parameters.of(request)).flag("skip_head")
        return await self._asking.answer(request, lambda _: success({"name": admin.snapshot()}))

    async def _change(self, request: Request, change: Callable[[SeriesAdmin], None]) -> Response:
        if self._admin is None:
            return unavailable(_DISABLED)
        admin = self._admin

        def ask(_: Turn) -> Response:
            change(admin)
            return nothing()

        return await self._asking.answer(request, ask)

"""`/-/reload`, and how reading the configuration went."""

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.signals import VeriscopeError
from veriscope.web.answers import plain, success
from veriscope.web.prometheus import rfc3339
from veriscope.web.veriscope.own_pages import refuse_strangers


class Configuration(Protocol):
    """What can be read again while the server runs."""

    @property
    def error(self) -> str:
        """Why it could not be read the last time; empty where it could."""

    @property
    def loaded_ms(self) -> int:
        """When what is in use was read, in Unix milliseconds."""

    async def reload(self) -> None:
        """Read all files again; raises a `VeriscopeError`, having changed nothing."""


class ReloadApi:
    """`/-/reload` as Prometheus and Alertmanager have it, and `/api/veriscope/v1/configuration`."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/-/reload", self.reload, methods=["POST", "PUT"]),
            Route("/api/veriscope/v1/configuration", self.state, methods=["GET"]),
        ]

    async def reload(self, request: Request) -> Response:
        """Read all files again, or answer 500 and what is wrong with them."""
        if refusal := refuse_strangers(request):
            return refusal
        try:
            await self._configuration.reload()
        except VeriscopeError as error:
            return plain(500, f"failed to reload config: {error}")
        return Response()

    async def state(self, _: Request) -> Response:
        """Answer when what is in use was read, and what was wrong with the files since."""
        found = self._configuration
        return success(
            {
                "loaded_at": rfc3339(found.loaded_ms),
                "success": not found.error,
                "error": found.error,
            }
        )

"""Answers where the API has nothing, in its own form."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from veriscope.web.alertmanager.refusals import RefusedError

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Nowhere:
    """Takes what none of *known* does: 404, or 405 where one does by another method."""

    def __init__(self, known: Sequence[Route]) -> None:
        self._known = known

    def routes(self, prefix: str) -> Sequence[Route]:
        """Return the route of everything else below *prefix*."""
        return [Route(f"{prefix}/{{path:path}}", self.answer, methods=_METHODS)]

    async def answer(self, request: Request) -> Response:
        """Answer that there is nothing here, or which methods are answered."""
        methods = sorted(
            {
                method
                for route in self._known
                if route.matches(request.scope)[0] is Match.PARTIAL
                for method in route.methods or ()
                if method != "HEAD"
            }
        )
        path = request.url.path
        if not methods:
            return RefusedError(404, f"path {path} was not found", 404).response()
        allowed = ",".join(methods)
        answer = RefusedError(
            405, f"method {request.method} is not allowed, but [{allowed}] are", 405
        ).response()
        answer.headers["Allow"] = allowed
        return answer

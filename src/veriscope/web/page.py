"""Serves the built page that came with the package."""

import mimetypes
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from veriscope.web.answers import not_found, plain

_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
# The build puts a hash of its content into each asset's name, so a name never changes meaning.
_FOR_EVER: Final = "public, max-age=31536000, immutable"


_READING: Final = frozenset({"GET", "HEAD"})
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Page:
    """
    The page: its files are read once, and every path that is not one of them is the page.

    Paths of the API that do not exist are answered 404, methods that a path does not know 405.
    """

    def __init__(self) -> None:
        root = resources.files("veriscope.web").joinpath("static")
        self._files = {f"/{path}": content for path, content in _walk(root, "")}

    def routes(self) -> list[Route]:
        """Return the route of everything that no other route takes."""
        return [Route("/{path:path}", self.file, methods=_METHODS)]

    async def file(self, request: Request) -> Response:
        """Answer with a file of the build, or with the page itself."""
        path = request.url.path
        if known := _methods_of(request):
            return _not_allowed(request.method, known)
        if path.startswith(("/api/", "/v1/", "/-/")):
            return not_found(path)
        if request.method not in _READING:
            return _not_allowed(request.method, _READING)
        if (content := self._files.get(path)) is not None and path != "/index.html":
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            caching = _FOR_EVER if path.startswith("/assets/") else "no-cache"
            return Response(content, headers={"Cache-Control": caching}, media_type=kind)
        if path.startswith("/assets/") or "/index.html" not in self._files:
            return not_found(path)
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": _POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(self._files["/index.html"], headers=headers, media_type="text/html")


def _methods_of(request: Request) -> frozenset[str]:
    """Return the methods by which other routes know the request's path; none does by its own."""
    found: frozenset[str] = frozenset()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is Match.PARTIAL:
            found |= frozenset(route.methods or ())
    return found


def _not_allowed(method: str, known: frozenset[str]) -> Response:
    allowed = ", ".join(sorted(known))
    answer = plain(405, f"{method} is not answered here; use {allowed}")
    answer.headers["Allow"] = allowed
    return answer


def _walk(folder: resources.abc.Traversable, prefix: str) -> list[tuple[str, bytes]]:
    if not folder.is_dir():
        return []
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((f"{prefix}{entry.name}", entry.read_bytes()))
    return found

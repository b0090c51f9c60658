"""Serves the built page that came with the package."""

import mimetypes
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.web.answers import not_found

_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
# The build puts a hash of its content into each asset's name, so a name never changes meaning.
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class Page:
    """The page: its files are read once, and every path that is not one of them is the page."""

    def __init__(self) -> None:
        root = resources.files("veriscope.web").joinpath("static")
        self._files = {f"/{path}": content for path, content in _walk(root, "")}

    def routes(self) -> list[Route]:
        """Return the route of everything that no other route takes."""
        return [Route("/{path:path}", self.file)]

    async def file(self, request: Request) -> Response:
        """Answer with a file of the build, or with the page itself."""
        path = request.url.path
        if path.startswith(("/api/", "/v1/", "/-/")):
            return not_found(path)
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

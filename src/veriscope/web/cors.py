"""Which pages of other origins may ask: cross-origin resource sharing."""

from typing import Final

import re2
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Questions, remote write, and OTLP from a page that is observed.
_PATHS: Final = ("/api/", "/v1/")
_ALLOWED: Final = {
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, Origin",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Expose-Headers": "Date",
}


class CrossOrigin:
    """
    Lets pages read answers whose origin the whole of the regular expression *origins* matches.

    None may where it is empty. `OPTIONS` is answered 204, as a browser asks it without a token.
    Source: Prometheus, util/httputil/cors.go, which lets every page.
    """

    def __init__(self, app: ASGIApp, origins: str) -> None:
        self._app = app
        self._origins = re2.compile(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what a browser asks beforehand, or pass the request on."""
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin", "")
        if not origin and scope["method"] != "OPTIONS":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and origin:
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if self._origins.fullmatch(origin):
                    headers.update(_ALLOWED)
                    headers["Access-Control-Allow-Origin"] = origin
            await send(message)

        if scope["method"] == "OPTIONS":
            await answer({"type": "http.response.start", "status": 204, "headers": []})
            await answer({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, answer)

"""What every request passes: the token, the count of requests, and what a stop makes of it."""

import asyncio
import base64
import binascii
import re
import secrets
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from veriscope.signals import Secret

# Probes of an orchestrator carry no token, and these say nothing but yes or no.
_OPEN: Final = frozenset({"/-/healthy", "/-/ready"})
# The picture of a notification: whoever was sent its id, 128 random bits, may look at it.
_PICTURE: Final = re.compile(r"/api/veriscope/v1/evidence/[0-9a-f]{32}/graph\.png")


class TokenGate:
    """
    Lets requests pass that carry the token: as a bearer token, or as the password of basic auth.

    Basic auth is what a browser can ask its user for.
    """

    def __init__(self, app: ASGIApp, token: Secret) -> None:
        self._app = app
        self._token = token.reveal().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or pass the request on."""
        if scope["type"] == "http" and not _is_open(scope):
            given = credentials(Headers(scope=scope).get("authorization", ""))
            if not secrets.compare_digest(given, self._token):
                denied = Response(
                    "a token is needed: send it as a bearer token, or as the password\n",
                    401,
                    {"WWW-Authenticate": 'Basic realm="Veriscope", charset="UTF-8"'},
                    "text/plain",
                )
                await denied(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    if path in _OPEN:
        return True
    return scope["method"] in {"GET", "HEAD"} and _PICTURE.fullmatch(path) is not None


def credentials(header: str) -> bytes:
    """Return the token in an `Authorization` header; empty where there is none."""
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip().encode()
        case "basic":
            try:
                return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
            except binascii.Error:
                return b""
    return b""


class RequestMetrics:
    """Counts and times requests by route and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "veriscope_http_requests_total",
            "HTTP requests answered.",
            ["handler", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "veriscope_http_request_duration_seconds",
            "Time from a request's head to the last byte of its answer.",
            ["handler"],
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )

        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = scope.get("route")
            requests, seconds = self._of(getattr(route, "path", "unmatched"), status)
            requests.inc()
            seconds.observe(perf_counter() - started)

    def _of(self, handler: str, status: int) -> tuple[Counter, Histogram]:
        """Return the two series of a route and status; looking them up costs more than counting."""
        key = handler, status
        if (found := self._children.get(key)) is None:
            found = self._requests.labels(handler, status), self._seconds.labels(handler)
            self._children[key] = found
        return found


class StopNotice:
    """Answers 503 where the server stops before a request is answered, and logs nothing of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; only a stop cancels it."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except asyncio.CancelledError:
            if scope["type"] != "http" or started:
                raise
            notice = Response("the server stops; ask again\n", 503, {"Connection": "close"})
            await notice(scope, receive, send)

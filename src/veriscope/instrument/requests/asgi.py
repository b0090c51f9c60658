"""Middleware that watches an ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry

from veriscope.instrument.requests.exchange import Exchange, Recorder, open_span
from veriscope.instrument.requests.stats import RequestStats

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiMiddleware:
    """
    Measures each HTTP request of *app*: metrics, response times, and a span where tracing is on.

    A request lasts until the last byte of its body was handed to the server. An exception counts
    as a 500 and is raised again, a client that leaves as a 499. WebSockets and lifespan pass
    through untouched. The route is what *route_of* says of the scope, else the template of
    Starlette's or FastAPI's route, else the path; see `MAX_ROUTES`.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        registry: CollectorRegistry | None = None,
        stats: RequestStats | None = None,
        route_of: Callable[[Scope], str | None] | None = None,
    ) -> None:
        self._app = app
        self._recorder = Recorder(registry, stats, route_of, _starlette_route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _AsgiExchange(self._recorder, scope, receive, send)
        span = exchange.span = open_span("of_scope", scope)
        if span is not None:
            span.enter()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.end(error, cancelled=isinstance(error, asyncio.CancelledError))
            raise
        else:
            exchange.end()
        finally:
            if span is not None:
                span.leave()


class _AsgiExchange(Exchange):
    """An exchange that sees the messages pass."""

    __slots__ = ("_receive", "_send")

    def __init__(self, recorder: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(recorder, scope, scope["method"], scope["path"])
        self._receive = receive
        self._send = send
        for name, value in scope.get("headers", ()):
            if name == b"content-length":
                if value.isdigit():
                    self.declared_bytes = int(value)
                break

    async def receive(self) -> Message:
        """Hand a message of the client to the application."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.received_bytes += len(message.get("body", b""))
        elif message["type"] == "http.disconnect":
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        """Hand a message of the application to the client."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            await self._send(message)
            return
        try:
            await self._send(message)
        except OSError:  # the servers' word for a client that has gone
            self.gone = True
            raise
        if kind == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete()
        elif kind == "http.response.pathsend":  # the server itself sends a whole file
            self.complete()


def _starlette_route(scope: Scope) -> str | None:
    """Return the template that Starlette or FastAPI matched, with those of its mounts."""
    route = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(path, str):
        return None
    if not hasattr(route, "methods"):  # a mount, whose own path is in `root_path` by now
        return path
    mounted = str(scope.get("root_path", ""))
    outside = str(scope.get("app_root_path", mounted))
    return mounted.removeprefix(outside) + path

"""The HTTP side that both services share: refusals, bodies with a bound, start and stop."""

import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import FrameType
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from examples.faults import Faults
from veriscope.signals import UnavailableError

Handler = Callable[[Request], Awaitable[Response]]
_log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """A request that is answered with *status* and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def read_body(request: Request, most_bytes: int) -> bytes:
    """Return the body of *request*; raises `RefusedError` past *most_bytes*."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise RefusedError(413, f"a request may have {most_bytes:,} bytes")
    return bytes(body)


def create_app(
    handlers: Iterable[tuple[str, Handler, str]],
    faults: Faults,
    health: ASGIApp,
    refusals: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]],
    lifespan: Callable[[Starlette], Any] | None = None,
) -> Starlette:
    """
    Return an application of *handlers* (path, handler, method) and what both services have.

    That is `/health`, `/metrics` and the switches of *faults*; *refusals* answer exceptions.
    """
    return Starlette(
        routes=[
            *(Route(path, handler, methods=[method]) for path, handler, method in handlers),
            faults.route(),
            Route("/health", health),
            Route("/metrics", health),
        ],
        exception_handlers=refusals,
        lifespan=lifespan,
    )


async def serve(app: ASGIApp, name: str, address: tuple[str, int]) -> None:
    """Serve until a signal; raises `UnavailableError` where *address* cannot be had."""
    try:
        listening = socket.create_server(address)
    except OSError as error:
        host, port = address
        # Not `error.strerror`, to which `create_server` adds the address again. A name that is not
        # known has a negative number, of another table.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise UnavailableError(
            f"cannot listen on {host}:{port}: {reason}; choose another address with --listen"
        ) from error
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=5, lifespan="on"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # Once it has stopped, uvicorn raises the signal again for whoever was there before it;
        # that must not end the process, which still has to send what it has recorded.
        signal.signal(number, _note)
    host, port = listening.getsockname()[:2]
    print(f"{name} is at http://{host}:{port}", flush=True)  # noqa: T201 - its one line
    await uvicorn.Server(config).serve(sockets=[listening])


def _note(number: int, _frame: FrameType | None) -> None:
    _log.info("stopped", signal=signal.Signals(number).name)

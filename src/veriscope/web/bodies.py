"""Reads the bodies of requests, and says how long they may take to arrive."""

import asyncio
from collections.abc import Callable
from email.message import Message as Header
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from veriscope.signals import LimitExceededError
from veriscope.web.answers import plain

# As much of a body that is too large is read, so that its client lives to read the answer.
_DISCARDED_BYTES: Final = 64 << 20
_ANNOUNCING: Final = (b"content-length", b"transfer-encoding")


def media_type(request: Request) -> str:
    """Return the type of the body without its parameters; what is not said is any octets."""
    header = Header()
    header["Content-Type"] = request.headers.get("content-type") or "application/octet-stream"
    return header.get_content_type()


async def read_body(request: Request, check_size: Callable[[int], None]) -> bytes:
    """Return the body; *check_size* raises `LimitExceededError` where it has got too large."""
    body, size = bytearray(), 0
    too_large: LimitExceededError | None = None
    async for chunk in request.stream():
        size += len(chunk)
        try:
            check_size(size)
        except LimitExceededError as error:
            # A client that is still sending would see a broken connection, not the reason.
            too_large = too_large or error
            body.clear()
            if size > _DISCARDED_BYTES:
                break
        else:
            body += chunk
    if too_large is not None:
        raise too_large
    return bytes(body)


class BodyDeadline:
    """
    Answers 408 where a request's body is not whole after *seconds*, and ends its connection.

    To what reads the body the client is gone then.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + self._seconds
        whole = late = started = False

        async def receive_in_time() -> Message:
            nonlocal whole, late
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                late = True
                return {"type": "http.disconnect"}
            whole = not message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            nonlocal started
            if late and not started:
                return
            started = True
            await send(message)

        await self._app(scope, receive_in_time, answer)
        if late and not started:
            text = (
                f"the body was not whole after {self._seconds:g} seconds; send less at a time, or"
                " raise server.read_timeout"
            )
            refusal = plain(408, text)
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)


def _has_body(scope: Scope) -> bool:
    """Tell whether a request announces a body."""
    return any(name in _ANNOUNCING for name, _ in scope["headers"])

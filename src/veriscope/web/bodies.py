"""Reads the bodies of push requests."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from veriscope.signals import LimitExceededError

# As much of a body that is too large is read, so that its client lives to read the answer.
_DISCARDED_BYTES: Final = 64 << 20


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

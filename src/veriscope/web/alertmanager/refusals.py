"""Refusals in the forms of Alertmanager's API."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from veriscope.signals import (
    InvalidInputError,
    LimitExceededError,
    OverloadedError,
    UnavailableError,
    VeriscopeError,
)

Serve: TypeAlias = Callable[[Request], Awaitable[Response]]

_JSON: Final = "application/json"
REQUIRED: Final = 602
"""The code of something that is missing."""
TOO_FEW: Final = 612
"""The code of a list that is too short."""
ILL_FORMED: Final = 601
"""The code of a text that is not in the form it must have."""
_STATUSES: Final[tuple[tuple[type[VeriscopeError], int], ...]] = (
    (LimitExceededError, 413),
    (InvalidInputError, 400),
    (OverloadedError, 503),
    (UnavailableError, 503),
    (VeriscopeError, 500),
)


class RefusedError(Exception):
    """
    A request is not done; `response` says why.

    What the API's description forbids has a code of its own and is an object; what is wrong in
    itself is a text alone.
    """

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: object = message if code is None else {"code": code, "message": message}

    def response(self) -> Response:
        """Return the answer."""
        return json(self.body, self.status)


def misdescribed(message: str, code: int) -> RefusedError:
    """Return the refusal of what is not as the API's description has it."""
    return RefusedError(422, message, code)


def json(body: object, status: int = 200) -> Response:
    """Answer with *body* as JSON."""
    return Response(msgspec.json.encode(body) + b"\n", status, None, _JSON)


def refusing(serve: Serve) -> Serve:
    """Return *serve* with its errors answered as Alertmanager does."""

    @wraps(serve)
    async def served(request: Request) -> Response:
        try:
            return await serve(request)
        except RefusedError as refused:
            return refused.response()
        except VeriscopeError as error:
            status = next(status for kind, status in _STATUSES if isinstance(error, kind))
            return json(str(error), status)

    return served

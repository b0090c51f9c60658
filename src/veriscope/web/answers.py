"""Answers in the form of Prometheus' API: an envelope with `status`, `data` or an error."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

from veriscope.query import ExecutionError, QueryTimeoutError, QueryTooLargeError
from veriscope.signals import (
    InvalidInputError,
    LimitExceededError,
    OverloadedError,
    TimedOutError,
    UnavailableError,
    VeriscopeError,
)
from veriscope.signals.cancel import WorkCancelledError

_JSON: Final = "application/json"

# Most specific first: (type of error, HTTP status, Prometheus' errorType).
_STATUSES: Final[tuple[tuple[type[VeriscopeError], int, str], ...]] = (
    (WorkCancelledError, 499, "canceled"),
    (QueryTimeoutError, 503, "timeout"),
    (TimedOutError, 503, "timeout"),
    (QueryTooLargeError, 422, "execution"),
    (LimitExceededError, 422, "execution"),
    (ExecutionError, 422, "execution"),
    (InvalidInputError, 400, "bad_data"),
    (OverloadedError, 503, "unavailable"),
    (UnavailableError, 500, "internal"),
    (VeriscopeError, 500, "internal"),
)


def success(data: Any, warnings: Sequence[str] = ()) -> Response:
    """Answer with *data*, anything that msgspec can write as JSON."""
    envelope: dict[str, Any] = {"status": "success", "data": data}
    if warnings:
        envelope["warnings"] = list(warnings)
    return Response(msgspec.json.encode(envelope), media_type=_JSON)


def nothing() -> Response:
    """Answer that it is done, where there is nothing to say."""
    return Response(status_code=204)


def envelope(
    data: Iterable[bytes], warnings: Sequence[str] = (), infos: Sequence[str] = ()
) -> Iterator[bytes]:
    """Yield an answer whose *data* is written as JSON already, piece by piece."""
    yield b'{"status":"success","data":'
    yield from data
    for name, notes in (("warnings", warnings), ("infos", infos)):
        if notes:
            yield b',"%s":%s' % (name.encode(), msgspec.json.encode(list(notes)))
    yield b"}"


def failure(error: VeriscopeError) -> Response:
    """Answer with *error* as Prometheus would: `errorType`, reason and HTTP status."""
    status, kind = next((code, kind) for cls, code, kind in _STATUSES if isinstance(error, cls))
    return _failure(status, kind, str(error), error)


def not_found(path: str) -> Response:
    """Answer that the API has no *path*."""
    return _failure(404, "not_found", f"there is nothing at {path}", None)


def unavailable(text: str) -> Response:
    """Answer that this server does not offer what was asked, and why."""
    return _failure(503, "unavailable", text, None)


def internal() -> Response:
    """Answer that the server has a fault, which its log tells."""
    return _failure(500, "internal", "the server has a fault; its log says which", None)


def plain(status: int, text: str, *, retry_after_s: int | None = None) -> Response:
    """Answer a push door's client in words."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Response(text + "\n", status, headers, "text/plain; charset=utf-8")


def _failure(status: int, kind: str, text: str, error: VeriscopeError | None) -> Response:
    envelope = {"status": "error", "errorType": kind, "error": text}
    headers = (
        {"Retry-After": str(error.retry_after_s)} if isinstance(error, OverloadedError) else {}
    )
    return Response(msgspec.json.encode(envelope), status, headers, _JSON)

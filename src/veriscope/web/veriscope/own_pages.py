"""Keeps pages of other sites from doing something in the name of who looks at them."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from veriscope.signals import InvalidInputError
from veriscope.web.answers import plain
from veriscope.web.bodies import media_type

_OWN: Final = frozenset({"same-origin", "none"})
_JSON: Final = "application/json"


def refuse_strangers(request: Request) -> Response | None:
    """
    Return the refusal of what another site's page sends, None where it is none.

    For what needs no body: a browser sends that without asking us first. Programs say nothing of
    where they come from, and are let through.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = request.headers.get("origin")
        own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    else:
        own = site in _OWN
    return None if own else plain(403, "pages of other origins may not do this")


def require_json(request: Request) -> None:
    """Raise `InvalidInputError` unless the body is said to be JSON, for which a browser asks."""
    if (given := media_type(request)) != _JSON:
        raise InvalidInputError(
            f"the body is {given!r}; send JSON, with the header `Content-Type: {_JSON}`"
        )

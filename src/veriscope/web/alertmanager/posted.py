"""Reads the JSON that clients of Alertmanager's API post."""

from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from veriscope.signals import LimitExceededError
from veriscope.web.alertmanager.refusals import REQUIRED, RefusedError, misdescribed
from veriscope.web.bodies import media_type, read_body

T = TypeVar("T")
_MAX_BODY_BYTES: Final = 32 << 20
_BAD_REQUEST: Final = 400
_UNSUPPORTED: Final = 415
_JSON: Final = "application/json"


async def read_posted(request: Request, name: str, decoder: msgspec.json.Decoder[T]) -> T:
    """
    Return the request's body as *decoder* reads it; *name* is what refusals call it.

    Only JSON is taken: a browser asks us first before it lets another site's page send that.
    """
    given = media_type(request)
    if given != _JSON:
        raise RefusedError(
            _UNSUPPORTED,
            f'unsupported media type "{given}", only [{_JSON}] are allowed',
            _UNSUPPORTED,
        )
    if not (body := await read_body(request, _check_size)):
        raise misdescribed(f"{name} in body is required", REQUIRED)
    try:
        return decoder.decode(body)
    except RecursionError as error:  # in a part that nobody asks for
        raise unreadable(name, ValueError("it is nested too deeply")) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(name, error) from error


def unreadable(name: str, error: Exception) -> RefusedError:
    """Return the refusal of a body whose parts cannot be read."""
    return RefusedError(
        _BAD_REQUEST, f'parsing {name} body from "" failed, because {error}', _BAD_REQUEST
    )


def _check_size(size: int) -> None:
    if size > _MAX_BODY_BYTES:
        raise LimitExceededError(
            f"the body has more than {_MAX_BODY_BYTES:,} bytes; send it in several requests"
        )

"""`silences` and `silence/ID`: what people do not want to hear of for a while."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.alert.alerting import Alerting
from veriscope.alert.silences import Silence, SilenceState, UnknownSilenceError
from veriscope.signals import Clock, InvalidInputError, Matcher, MatchOp
from veriscope.web.alertmanager.filters import parse_filters
from veriscope.web.alertmanager.posted import read_posted, unreadable
from veriscope.web.alertmanager.refusals import (
    ILL_FORMED,
    REQUIRED,
    TOO_FEW,
    RefusedError,
    json,
    misdescribed,
    refusing,
)
from veriscope.web.alertmanager.times import parse_moment, spell
from veriscope.web.parameters import Parameters

_OPS: Final = {
    (False, True): MatchOp.EQUAL,
    (False, False): MatchOp.NOT_EQUAL,
    (True, True): MatchOp.REGEX,
    (True, False): MatchOp.NOT_REGEX,
}


class _Matcher(msgspec.Struct, rename="camel", kw_only=True):
    is_regex: bool | None = None
    name: str | None = None
    value: str | None = None
    is_equal: bool | None = None


class _Body(msgspec.Struct, rename="camel", kw_only=True):
    """A silence as clients post it, in the order in which what is missing is told."""

    comment: str | None = None
    created_by: str | None = None
    ends_at: str | None = None
    matchers: list[_Matcher] | None = None
    starts_at: str | None = None
    id: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Body | None)
_REQUIRED: Final = {
    "comment": "comment",
    "created_by": "createdBy",
    "ends_at": "endsAt",
    "matchers": "matchers",
    "starts_at": "startsAt",
}
_REQUIRED_OF_MATCHER: Final = {"is_regex": "isRegex", "name": "name", "value": "value"}


class SilencesApi:
    """`silences` and `silence/ID`."""

    def __init__(self, alerting: Alerting, clock: Clock) -> None:
        self._alerting = alerting
        self._clock = clock

    def routes(self, prefix: str) -> Sequence[Route]:
        """Return the routes below *prefix*."""
        one = f"{prefix}/silence/{{silence_id}}"
        return [
            Route(f"{prefix}/silences", refusing(self.every), methods=["GET"]),
            Route(f"{prefix}/silences", refusing(self.post), methods=["POST"]),
            Route(one, refusing(self.read), methods=["GET"]),
            Route(one, refusing(self.expire), methods=["DELETE"]),
        ]

    async def every(self, request: Request) -> Response:
        """Answer with the silences that have each `filter` among their matchers."""
        given = await Parameters.of(request)
        now_ms = self._clock.now_ms()
        found = self._alerting.silences.all(parse_filters(given))
        return json([_shown(silence, now_ms) for silence in found])

    async def read(self, request: Request) -> Response:
        """Answer with one silence, or 404 and nothing."""
        silence = self._alerting.silences.get(_silence_id(request))
        if silence is None:
            return Response(status_code=404)
        return json(_shown(silence, self._clock.now_ms()))

    async def post(self, request: Request) -> Response:
        """Make a silence, or change the one with its id, and answer with the id it has now."""
        body = await read_posted(request, "silence", _DECODER) or _Body()
        _check_description(body)
        silence = _read(body)
        if silence.starts_at_ms >= silence.ends_at_ms:
            raise InvalidInputError("Failed to create silence: start time must be before end time")
        if silence.ends_at_ms < self._clock.now_ms():
            raise InvalidInputError("Failed to create silence: end time can't be in the past")
        try:
            silence_id = await self._alerting.silences.set(silence)
        except UnknownSilenceError as error:
            raise RefusedError(404, "silence not found") from error
        except InvalidInputError as error:
            raise RefusedError(400, f"silence invalid: {error}") from error
        return json({"silenceID": silence_id})

    async def expire(self, request: Request) -> Response:
        """End a silence now; one that has ended stays as it is."""
        silences, silence_id = self._alerting.silences, _silence_id(request)
        if (silence := silences.get(silence_id)) is None:
            raise RefusedError(500, "silence not found")
        if silence.state(self._clock.now_ms()) is not SilenceState.EXPIRED:
            await silences.expire(silence_id)
        return Response()


def _silence_id(request: Request) -> str:
    given = str(request.path_params["silence_id"])
    try:
        return str(uuid.UUID(given))
    except ValueError as error:
        raise misdescribed(
            f'silenceID in path must be of type uuid: "{given}"', ILL_FORMED
        ) from error


def _check_description(body: _Body) -> None:
    """Refuse a silence in which something is missing."""
    for key, name in _REQUIRED.items():
        if getattr(body, key) is None:
            raise misdescribed(f"{name} in body is required", REQUIRED)
    if not body.matchers:
        raise misdescribed("matchers in body should have at least 1 items", TOO_FEW)
    for place, matcher in enumerate(body.matchers):
        for key, name in _REQUIRED_OF_MATCHER.items():
            if getattr(matcher, key) is None:
                raise misdescribed(f"matchers.{place}.{name} in body is required", REQUIRED)


def _read(body: _Body) -> Silence:
    try:
        return Silence(
            matchers=tuple(
                Matcher(
                    each.name or "",
                    _OPS[bool(each.is_regex), each.is_equal is not False],
                    each.value or "",
                )
                for each in body.matchers or ()
            ),
            starts_at_ms=parse_moment(body.starts_at or "") or 0,
            ends_at_ms=parse_moment(body.ends_at or "") or 0,
            created_by=body.created_by or "",
            comment=body.comment or "",
            id=body.id or "",
        )
    except InvalidInputError as error:
        raise unreadable("silence", error) from error


def _shown(silence: Silence, now_ms: int) -> dict[str, Any]:
    """Return the silence in the words and in the order of Alertmanager's API."""
    return {
        "id": silence.id,
        "status": {"state": silence.state(now_ms)},
        "updatedAt": spell(silence.updated_at_ms),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": spell(silence.ends_at_ms),
        "matchers": [_shown_matcher(matcher) for matcher in silence.matchers],
        "startsAt": spell(silence.starts_at_ms),
    }


def _shown_matcher(matcher: Matcher) -> dict[str, Any]:
    return {
        "isEqual": matcher.op in (MatchOp.EQUAL, MatchOp.REGEX),
        "isRegex": matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX),
        "name": matcher.name,
        "value": matcher.value,
    }

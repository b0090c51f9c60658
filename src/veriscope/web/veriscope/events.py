"""Events: what happened at a moment, as deployments and people report it."""

import asyncio
import math
from collections.abc import Sequence
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query import QueryOptions
from veriscope.signals import (
    Clock,
    FetchLimits,
    InvalidInputError,
    LimitExceededError,
    to_labels,
)
from veriscope.signals.events import Event
from veriscope.web.answers import success
from veriscope.web.bodies import read_body
from veriscope.web.parameters import Parameters, parse_time
from veriscope.web.prometheus import rfc3339
from veriscope.web.veriscope.own_pages import require_json

_PATH: Final = "/api/veriscope/v1/events"
_MAX_BODY_BYTES: Final = 4 << 20
_MAX_EVENTS: Final = 1_000
_DAY_MS: Final = 86_400_000
_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 10_000


class PostedEvent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An event as it is sent; an unknown key is an error that names it."""

    kind: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$")]
    title: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\r\n]*$")]
    time: str | float | None = None
    text: Annotated[str, Meta(max_length=16_384)] = ""
    url: Annotated[str, Meta(max_length=2_048, pattern=r"^(https?://[^\s]+)?$")] = ""
    labels: Annotated[dict[str, Annotated[str, Meta(max_length=1_024)]], Meta(max_length=50)] = {}
    id: Annotated[str, Meta(max_length=200)] = ""


class Events(Protocol):
    """Where events rest; `veriscope.store.EventStore` is one. Calls block."""

    def add(self, events: Sequence[Event]) -> None:
        """Write *events*; durable on return, and stored once for each id."""

    def find(
        self,
        start_ms: int,
        end_ms: int,
        *,
        kinds: Sequence[str],
        limit: int,
        limits: FetchLimits,
    ) -> Sequence[Event]:
        """Return the events between two times, of all kinds where none is named, newest first."""


class EventsApi:
    """`/api/veriscope/v1/events`: take events, and list them."""

    def __init__(self, events: Events, options: QueryOptions, clock: Clock) -> None:
        self._events = events
        self._limits = FetchLimits(timeout_ms=options.timeout)
        self._clock = clock

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route(_PATH, self.every, methods=["GET"]),
            Route(_PATH, self.post, methods=["POST"]),
        ]

    async def every(self, request: Request) -> Response:
        """Answer with the events of a time range, newest first; the last day's by default."""
        given = await Parameters.of(request)
        end_ms = given.time_ms("end", self._clock.now_ms())
        start_ms = given.time_ms("start", end_ms - _DAY_MS)
        limit = given.limit() or _DEFAULT_LIMIT
        if limit > _MAX_LIMIT:
            raise InvalidInputError(f'invalid parameter "limit": at most {_MAX_LIMIT:,}')
        found = await asyncio.to_thread(
            self._events.find,
            start_ms,
            end_ms,
            kinds=tuple(given.all("kind")),
            limit=limit,
            limits=self._limits,
        )
        return success([shown(event) for event in found])

    async def post(self, request: Request) -> Response:
        """Store one event or a list of them, all or none, and answer how many."""
        require_json(request)
        posted = _decode(await read_body(request, _check_size))
        events = [self._event(each) for each in posted]
        await asyncio.to_thread(self._events.add, events)
        return success({"stored": len(events)})

    def _event(self, posted: PostedEvent) -> Event:
        return Event(
            time_ms=self._clock.now_ms() if posted.time is None else _time_ms(posted.time),
            kind=posted.kind,
            title=posted.title,
            text=posted.text,
            url=posted.url,
            labels=to_labels(posted.labels),
            id=posted.id,
        )


def shown(event: Event) -> dict[str, Any]:
    """Return *event* as the API shows it."""
    return {
        "time": rfc3339(event.time_ms),
        "kind": event.kind,
        "title": event.title,
        "text": event.text,
        "url": event.url,
        "labels": dict(event.labels),
        "id": event.id,
    }


def _time_ms(given: str | float) -> int:
    """Return Unix milliseconds of RFC 3339 or of Unix seconds."""
    if isinstance(given, str):
        return parse_time("time", given)
    if not math.isfinite(given):
        raise InvalidInputError('invalid parameter "time": it is not a finite number')
    return parse_time("time", repr(given))


def _decode(body: bytes) -> list[PostedEvent]:
    one = not body.lstrip().startswith(b"[")
    try:
        posted = (
            [msgspec.json.decode(body, type=PostedEvent)]
            if one
            else msgspec.json.decode(body, type=list[PostedEvent])
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"the events were not understood: {error}") from error
    if len(posted) > _MAX_EVENTS:
        raise LimitExceededError(
            f"{len(posted):,} events in one request, {_MAX_EVENTS:,} allowed; send them in several"
        )
    return posted


def _check_size(size: int) -> None:
    if size > _MAX_BODY_BYTES:
        raise LimitExceededError(
            f"the body has more than {_MAX_BODY_BYTES:,} bytes; send the events in several requests"
        )

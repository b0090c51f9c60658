"""Dashboards: what the page shows beside its own views, kept as documents."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.signals import Clock, InvalidInputError, LimitExceededError
from veriscope.web.answers import not_found, success

_KIND: Final = "dashboard"
_PATH: Final = "/api/veriscope/v1/dashboards"
_MAX_BODY_BYTES: Final = 256 << 10
_MAX_DASHBOARDS: Final = 500

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Uid = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Cells = Annotated[int, Meta(ge=0, le=10_000)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An unknown key is an error that names it."""


class Target(_Strict):
    """A PromQL expression, and what its lines are called (labels as `{{label}}`)."""

    expr: Annotated[str, Meta(min_length=1, max_length=10_000)]
    legend: Annotated[str, Meta(max_length=200)] = ""


class Threshold(_Strict):
    """From *value* on, what is shown takes *color*."""

    value: float
    color: Literal["good", "warning", "critical"]


class GridPos(_Strict):
    """Where a panel stands on a grid of 24 columns; rows are 30 pixels high."""

    x: Annotated[int, Meta(ge=0, le=23)]
    y: Cells
    w: Annotated[int, Meta(ge=1, le=24)]
    h: Annotated[int, Meta(ge=1, le=100)]


class Panel(_Strict):
    """One view. Without a unit the names of metrics decide; *text* is for panels of type `text`."""

    title: Annotated[str, Meta(max_length=200)] = ""
    type: Literal["timeseries", "stat", "gauge", "bar", "table", "text"] = "timeseries"
    targets: Annotated[list[Target], Meta(max_length=20)] = []
    unit: Literal[
        "",
        "bytes",
        "bytes/s",
        "celsius",
        "count",
        "number",
        "per second",
        "percent",
        "ratio",
        "seconds",
        "watts",
    ] = ""
    min: float | None = None
    max: float | None = None
    thresholds: Annotated[list[Threshold], Meta(max_length=20)] = []
    text: Annotated[str, Meta(max_length=10_000)] = ""
    gridPos: GridPos | None = None  # noqa: N815 - Grafana's key


class Draft(_Strict):
    """What a client sends; *uid* may be left out, as the address names it."""

    title: Name
    uid: Uid | None = None
    tags: Annotated[list[Name], Meta(max_length=50)] = []
    source: Literal["api", "library"] = "api"
    panels: Annotated[list[Panel], Meta(max_length=100)] = []
    # Sent back by a client that read the dashboard before; the server sets both anew.
    created_at: str | None = None
    updated_at: str | None = None


class Documents(Protocol):
    """Where dashboards rest; `veriscope.store.StateStore` is one."""

    def put(self, kind: str, key: str, body: bytes) -> None:
        """Write a document."""

    def get(self, kind: str, key: str) -> bytes | None:
        """Return a document, or None."""

    def all(self, kind: str) -> dict[str, bytes]:
        """Return every document of *kind* by key."""

    def count(self, kind: str) -> int:
        """Return how many documents of *kind* there are."""

    def delete(self, kind: str, key: str) -> None:
        """Remove a document."""


class DashboardApi:
    """`/api/veriscope/v1/dashboards`: list, read, write and delete dashboards."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        # Reading, judging and writing are one step, or two clients could pass the limit together.
        self._writing = asyncio.Lock()

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        one = f"{_PATH}/{{uid}}"
        return [
            Route(_PATH, self.every, methods=["GET"]),
            Route(one, self.read, methods=["GET"]),
            Route(one, self.write, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
        ]

    async def every(self, _: Request) -> Response:
        """Answer with every dashboard's title, tags and times, by title."""
        documents = await asyncio.to_thread(self._documents.all, _KIND)
        drafts = [msgspec.json.decode(body, type=Draft) for body in documents.values()]
        drafts.sort(key=lambda draft: (draft.title.casefold(), draft.uid or ""))
        return success([_summary(draft) for draft in drafts])

    async def read(self, request: Request) -> Response:
        """Answer with the dashboard, or 404."""
        body = await asyncio.to_thread(self._documents.get, _KIND, request.path_params["uid"])
        if body is None:
            return not_found(request.url.path)
        return success(msgspec.Raw(body))

    async def write(self, request: Request) -> Response:
        """Keep the dashboard under the uid of the address, in place of the former one."""
        uid = _checked_uid(request.path_params["uid"])
        draft = _decode(await _body(request))
        if draft.uid not in (None, uid):
            raise InvalidInputError(
                f"the dashboard's uid is {draft.uid!r} and the address says {uid!r};"
                " send it to its own address, or leave uid out"
            )
        async with self._writing:
            former = await asyncio.to_thread(self._documents.get, _KIND, uid)
            if former is None:
                await self._check_room()
            draft.uid = uid
            draft.updated_at = self._now()
            draft.created_at = (
                msgspec.json.decode(former, type=Draft).created_at if former else draft.updated_at
            )
            body = msgspec.json.encode(draft)
            await asyncio.to_thread(self._documents.put, _KIND, uid, body)
        return success(msgspec.Raw(body))

    async def delete(self, request: Request) -> Response:
        """Remove the dashboard, or answer 404."""
        uid = request.path_params["uid"]
        async with self._writing:
            if await asyncio.to_thread(self._documents.get, _KIND, uid) is None:
                return not_found(request.url.path)
            await asyncio.to_thread(self._documents.delete, _KIND, uid)
        return success({"uid": uid})

    async def _check_room(self) -> None:
        kept = await asyncio.to_thread(self._documents.count, _KIND)
        if kept >= _MAX_DASHBOARDS:
            raise LimitExceededError(
                f"there are {kept} dashboards, the most that are kept; delete one"
            )

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).isoformat(
            timespec="milliseconds"
        )


def _summary(draft: Draft) -> dict[str, object]:
    return {
        "uid": draft.uid,
        "title": draft.title,
        "tags": draft.tags,
        "source": draft.source,
        "panels": len(draft.panels),
        "created_at": draft.created_at,
        "updated_at": draft.updated_at,
    }


def _checked_uid(uid: str) -> str:
    try:
        return msgspec.convert(uid, Uid)
    except msgspec.ValidationError as error:
        raise InvalidInputError(
            f"uid {uid[:80]!r} will not do; use 1 to 64 letters, digits, '_' and '-'"
        ) from error


def _decode(body: bytes) -> Draft:
    try:
        return msgspec.json.decode(body, type=Draft)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"the dashboard was not understood: {error}") from error


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise LimitExceededError(
                f"a dashboard has at most {_MAX_BODY_BYTES} bytes; make it smaller"
            )
    return bytes(body)

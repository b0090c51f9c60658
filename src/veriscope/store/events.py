"""Events: what happened at a moment, written by id and found by time."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pyarrow as pa

from veriscope.signals import FetchLimits, InvalidInputError, to_labels
from veriscope.signals.events import Event
from veriscope.store.engine import Engine
from veriscope.store.resources import settings_of
from veriscope.store.select import LAST_MS

_FIND: Final = """
SELECT
    id, toUnixTimestamp64Milli(time) AS time_ms, toString(kind) AS kind, title, text, url,
    CAST(labels, 'Map(String, String)') AS labels
FROM events FINAL
WHERE time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND (empty({kinds:Array(String)}) OR kind IN {kinds:Array(String)})
ORDER BY time DESC, id
LIMIT {limit:UInt32}"""
_COLUMNS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("time", pa.timestamp("ms", tz="UTC")),
        ("kind", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("url", pa.string()),
        ("labels", pa.map_(pa.string(), pa.string())),
    ]
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class EventStore:
    """Writes and reads events. Safe to use from many threads; calls block."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, events: Sequence[Event]) -> None:
        """
        Write *events*; durable on return. What is sent again under one id replaces the former.

        An event without an id gets one that follows from its content, so that it too is stored
        once. Raises `InvalidInputError` for a time that is not between 1970 and 2100.
        """
        if not events:
            return
        rows = [_to_row(event) for event in events]
        self._engine.insert_arrow("events", pa.Table.from_pylist(rows, _COLUMNS))

    def find(
        self,
        start_ms: int,
        end_ms: int,
        *,
        kinds: Sequence[str] = (),
        limit: int = 100,
        limits: FetchLimits,
    ) -> list[Event]:
        """
        Return the events of `[start_ms, end_ms]`, Unix milliseconds, newest first.

        Those of *kinds* alone where there are any, and not more than *limit*. Raises as
        `SeriesReader` does.
        """
        bound = {
            "start": min(max(start_ms, 0), LAST_MS),
            "end": min(max(end_ms, 0), LAST_MS),
            "kinds": list(kinds),
            "limit": limit,
        }
        rows = self._engine.query(_FIND, bound, settings_of(limits), limits.cancel)
        return [_to_event(row) for row in rows.to_pylist(maps_as_pydicts="strict")]


def _to_row(event: Event) -> dict[str, Any]:
    if not 0 <= event.time_ms < LAST_MS:
        raise InvalidInputError(
            f"event {event.title!r}: time {event.time_ms} is not between 1970 and 2100;"
            " send Unix milliseconds"
        )
    return {
        "id": event.id or hashlib.sha256(msgspec.json.encode(event)).hexdigest()[:32],
        "time": _EPOCH + timedelta(milliseconds=event.time_ms),
        "kind": event.kind,
        "title": event.title,
        "text": event.text,
        "url": event.url,
        "labels": event.labels,
    }


def _to_event(row: dict[str, Any]) -> Event:
    return Event(**{**row, "labels": to_labels(row["labels"])})

"""Events over HTTP."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest

from veriscope.query import QueryOptions
from veriscope.signals import ManualClock
from veriscope.store import Store
from veriscope.web import EventsApi
from veriscope.web.app import Api

PATH = "/api/veriscope/v1/events"
NOW_MS = 1_767_323_045_000  # 2026-01-02T03:04:05Z
DEPLOY = {"kind": "deploy", "title": "chat 1.2.3"}


@pytest.fixture
def parts(store: Store) -> Sequence[Api]:
    """Serve events of a store."""
    return [EventsApi(store.events, QueryOptions(), ManualClock(NOW_MS))]


async def post(web: Any, body: Any) -> tuple[int, Any]:
    """Post *body* and return status and answer."""
    async with web.post(PATH, json=body) as answer:
        return answer.status, await answer.json()


async def found(web: Any, query: str = "") -> list[Any]:
    """Return the events that *query* finds."""
    async with web.get(PATH + query) as answer:
        assert answer.status == 200
        return list((await answer.json())["data"])


async def test_an_event_comes_back_whole(web: Any) -> None:
    """With every key that was sent."""
    event = {
        **DEPLOY,
        "time": "2026-01-02T01:00:00.500Z",
        "text": "by hand",
        "url": "https://ci.example/1",
        "labels": {"service": "chat"},
        "id": "1",
    }
    assert await post(web, event) == (200, {"status": "success", "data": {"stored": 1}})
    assert await found(web) == [event]


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ({}, "2026-01-02T03:04:05.000Z"),
        ({"time": 1_767_323_000.25}, "2026-01-02T03:03:20.250Z"),
        ({"time": 1_767_323_000}, "2026-01-02T03:03:20.000Z"),
        ({"time": "2026-01-02T04:03:20+01:00"}, "2026-01-02T03:03:20.000Z"),
    ],
    ids=["now", "float", "whole", "zone"],
)
async def test_a_time_is_unix_seconds_or_rfc_3339(web: Any, given: Any, time: str) -> None:
    """Without one it happened now."""
    await post(web, {**DEPLOY, **given})
    [event] = await found(web)
    assert event["time"] == time


async def test_a_list_is_stored_whole_or_not_at_all(web: Any) -> None:
    """One that is wrong keeps the others out, and is named."""
    status, answer = await post(web, [{**DEPLOY, "id": "1"}, {"kind": "deploy"}])
    assert (status, answer["errorType"]) == (400, "bad_data")
    assert "`title`" in answer["error"]
    assert "$[1]" in answer["error"]
    assert await found(web) == []
    assert (await post(web, [{**DEPLOY, "id": "1"}, {**DEPLOY, "id": "2"}]))[0] == 200
    assert {event["id"] for event in await found(web)} == {"1", "2"}


async def test_what_is_sent_again_is_stored_once(web: Any) -> None:
    """Under its id, the last one; without an id, by its content."""
    for title in ("first", "second"):
        await post(web, {**DEPLOY, "id": "1", "title": title})
        await post(web, {"kind": "restart", "title": "again"})
    assert sorted(event["title"] for event in await found(web)) == ["again", "second"]


async def test_events_are_found_by_time_kind_and_number(web: Any) -> None:
    """The newest first; the last day's where nothing is said."""
    at = NOW_MS // 1000
    hours = {"now": 0, "hour": 1, "old": 25}
    events = [
        {"kind": "restart" if name == "hour" else "deploy", "title": name, "time": at - 3600 * ago}
        for name, ago in hours.items()
    ]
    await post(web, events)

    async def titles(query: str) -> list[str]:
        return [event["title"] for event in await found(web, query)]

    assert await titles("") == ["now", "hour"]
    assert await titles(f"?start={at - 90_000}") == ["now", "hour", "old"]
    assert await titles(f"?start={at - 90_000}&end={at - 3600}") == ["hour", "old"]
    assert await titles(f"?start={at - 90_000}&kind=deploy") == ["now", "old"]
    assert await titles(f"?start={at - 90_000}&kind=deploy&kind=restart&limit=2") == ["now", "hour"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "two words"}, "$.kind"),
        ({"title": ""}, "$.title"),
        ({"title": "two\nlines"}, "$.title"),
        ({"url": "javascript:alert(1)"}, "$.url"),
        ({"labels": {"a": 1}}, "$.labels"),
        ({"titel": "x"}, "titel"),
        ({"time": "yesterday"}, "time"),
        ({"time": -5}, "1970"),
        ({"time": 1_767_323_045_000}, "time"),
    ],
    ids=["kind", "title", "lines", "url", "label", "key", "time", "before", "milliseconds"],
)
async def test_what_is_wrong_is_named(web: Any, changes: Any, reason: str) -> None:
    """And nothing is stored."""
    status, answer = await post(web, {**DEPLOY, **changes})
    assert status == 400
    assert reason in answer["error"]


async def test_limits(web: Any) -> None:
    """Of events in a request, of its body, and of an answer."""
    status, answer = await post(web, [DEPLOY] * 1_001)
    assert (status, answer["error"][:12]) == (422, "1,001 events")
    headers = {"Content-Type": "application/json"}
    async with web.post(PATH, data=BytesIO(b" " * ((4 << 20) + 1)), headers=headers) as too_large:
        assert too_large.status == 422
    async with web.get(f"{PATH}?limit=10001") as answered:
        assert answered.status == 400


async def test_only_json_is_taken(web: Any) -> None:
    """What a page of another site can send without asking first is refused."""
    headers = {"Content-Type": "text/plain"}
    async with web.post(PATH, data=b'{"kind": "a", "title": "b"}', headers=headers) as answer:
        assert answer.status == 400
        assert "Content-Type: application/json" in (await answer.json())["error"]
    assert await found(web) == []

"""Alertmanager's API: silences. What it answers was asked of Alertmanager 0.25."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.web.alerting_fakes import FakeAlerting
from veriscope.signals import SystemClock
from veriscope.web.alertmanager import AlertmanagerApi
from veriscope.web.app import Api

SILENCES = "/api/v2/silences"
SILENCE = "/api/v2/silence"
MATCHER = {"name": "alertname", "value": "Down", "isRegex": False}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def parts() -> Sequence[Api]:
    """Serve Alertmanager's API."""
    alerting: Any = FakeAlerting()
    return [
        AlertmanagerApi(
            alerting, clock=SystemClock(), registry=CollectorRegistry(), version="1.2.3"
        )
    ]


def at(hours: float) -> str:
    """Spell the time in *hours* from now."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def silence(**changes: Any) -> dict[str, Any]:
    """Return a silence of the next hour; what is changed to `...` is left out."""
    whole = {
        "matchers": [MATCHER],
        "startsAt": at(0),
        "endsAt": at(1),
        "createdBy": "me",
        "comment": "planned",
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not ...}


async def post(web: Any, body: Any) -> tuple[int, Any]:
    """Post *body* and return status and answer."""
    async with web.post(SILENCES, json=body) as answer:
        return answer.status, await answer.json()


async def made(web: Any, **changes: Any) -> str:
    """Make a silence and return its id."""
    status, answer = await post(web, silence(**changes))
    assert status == 200, answer
    return str(answer["silenceID"])


async def get(web: Any, path: str) -> Any:
    """Return what *path* is answered with."""
    async with web.get(path) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_a_silence_is_made_and_shown(web: Any) -> None:
    """In Alertmanager's words; a start that has passed is now."""
    silence_id = await made(web, startsAt=at(-2), endsAt="2999-01-02T03:04:05.678901Z")
    shown = await get(web, f"{SILENCE}/{silence_id}")
    assert await get(web, SILENCES) == [shown]
    assert shown == {
        "id": silence_id,
        "status": {"state": "active"},
        "updatedAt": shown["startsAt"],
        "comment": "planned",
        "createdBy": "me",
        "endsAt": "2999-01-02T03:04:05.678Z",
        "matchers": [{"isEqual": True, **MATCHER}],
        "startsAt": shown["startsAt"],
    }


@pytest.mark.parametrize("is_regex", [True, False])
@pytest.mark.parametrize("is_equal", [True, False])
async def test_every_operator(web: Any, *, is_regex: bool, is_equal: bool) -> None:
    """Whether a matcher is an expression and whether it denies comes back as it was sent."""
    matcher = {"name": "a", "value": "b", "isRegex": is_regex, "isEqual": is_equal}
    silence_id = await made(web, matchers=[matcher])
    assert (await get(web, f"{SILENCE}/{silence_id}"))["matchers"] == [matcher]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"comment": ...}, 602, "comment in body is required"),
        ({"createdBy": ..., "endsAt": ...}, 602, "createdBy in body is required"),
        ({"endsAt": ...}, 602, "endsAt in body is required"),
        ({"matchers": ...}, 602, "matchers in body is required"),
        ({"startsAt": ...}, 602, "startsAt in body is required"),
        ({"matchers": []}, 612, "matchers in body should have at least 1 items"),
        (
            {"matchers": [MATCHER, {"name": "a", "isRegex": False}]},
            602,
            "matchers.1.value in body is required",
        ),
        (
            {"matchers": [{"name": "a", "value": "b"}]},
            602,
            "matchers.0.isRegex in body is required",
        ),
    ],
)
async def test_what_is_missing_is_named(
    web: Any, changes: dict[str, Any], code: int, message: str
) -> None:
    """As the API's description has it."""
    expected = {"code": code, "message": message}
    assert await post(web, silence(**changes)) == (422, expected)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"endsAt": at(-1)}, "Failed to create silence: start time must be before end time"),
        (
            {"startsAt": at(-2), "endsAt": at(-1)},
            "Failed to create silence: end time can't be in the past",
        ),
        ({"matchers": [{**MATCHER, "value": ""}]}, "empty string"),
        ({"matchers": [{**MATCHER, "isRegex": True, "value": "("}]}, "regular expression"),
        ({"matchers": [{**MATCHER, "name": ""}]}, "label"),
    ],
    ids=["times", "past", "all", "regex", "name"],
)
async def test_what_cannot_be_is_refused(web: Any, changes: dict[str, Any], fault: str) -> None:
    """400, and the reason as a text."""
    status, answer = await post(web, silence(**changes))
    assert status == 400
    assert fault in answer
    assert await get(web, SILENCES) == []


async def test_only_the_end_of_an_active_one_changes(web: Any) -> None:
    """Other matchers end it and make another."""
    silence_id = await made(web)
    shown = await get(web, f"{SILENCE}/{silence_id}")
    assert await made(web, id=silence_id, startsAt=shown["startsAt"], endsAt=at(9)) == silence_id
    other = await made(web, id=silence_id, matchers=[{**MATCHER, "value": "Slow"}])
    assert other != silence_id
    states = [(each["id"], each["status"]["state"]) for each in await get(web, SILENCES)]
    assert states == [(other, "active"), (silence_id, "expired")]


async def test_a_deleted_silence_has_expired(web: Any) -> None:
    """It can still be read, and deleted again."""
    silence_id = await made(web)
    for _ in range(2):
        async with web.session.delete(f"{web.base}{SILENCE}/{silence_id}") as answer:
            assert (answer.status, await answer.text()) == (200, "")
    assert (await get(web, f"{SILENCE}/{silence_id}"))["status"] == {"state": "expired"}


async def test_a_silence_that_is_not_there(web: Any) -> None:
    """Each method answers it as Alertmanager's does."""
    assert await post(web, silence(id=UNKNOWN)) == (404, "silence not found")
    async with web.get(f"{SILENCE}/{UNKNOWN}") as answer:
        assert (answer.status, await answer.text()) == (404, "")
    async with web.session.delete(f"{web.base}{SILENCE}/{UNKNOWN}") as answer:
        assert (answer.status, await answer.json()) == (500, "silence not found")
    async with web.get(f"{SILENCE}/nope") as answer:
        assert answer.status == 422
        message = (await answer.json())["message"]
        assert message == 'silenceID in path must be of type uuid: "nope"'


async def test_a_filter_is_one_of_the_matchers(web: Any) -> None:
    """What it says of labels is not looked at."""
    silence_id = await made(web, matchers=[{**MATCHER, "isEqual": False}])
    await made(web)
    found = await get(web, f"{SILENCES}?filter=alertname!%3DDown")
    assert [each["id"] for each in found] == [silence_id]
    assert await get(web, f"{SILENCES}?filter=alertname%3D~Down") == []
    async with web.get(f"{SILENCES}?filter=x") as answer:
        assert answer.status == 400


async def test_only_json_is_taken(web: Any) -> None:
    """A page of another site cannot send that without asking first."""
    async with web.post(SILENCES, data=b"{}", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415
    assert await get(web, SILENCES) == []


@pytest.mark.parametrize("body", [b"[]", b"x", b'{"startsAt": 5}', b"\xff"])
async def test_what_cannot_be_read_is_refused(web: Any, body: bytes) -> None:
    """With the reason."""
    headers = {"Content-Type": "application/json"}
    async with web.post(SILENCES, data=body, headers=headers) as answer:
        assert answer.status == 400
        message = (await answer.json())["message"]
        assert message.startswith('parsing silence body from "" failed, because ')

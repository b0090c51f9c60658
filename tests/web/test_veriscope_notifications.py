"""How telling people goes, over HTTP."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.web.alerting_fakes import FakeAlerting, integration, letter
from veriscope.alert.dispatch.views import ReceiverView
from veriscope.web import NotificationsApi
from veriscope.web.app import Api

V1 = "/api/veriscope/v1"


@pytest.fixture
def alerting() -> FakeAlerting:
    """Return an alerting with two dead letters."""
    found = FakeAlerting()
    found.letters = [letter("2"), letter("1")]
    return found


@pytest.fixture
def parts(alerting: Any) -> Sequence[Api]:
    """Serve it."""
    return [NotificationsApi(alerting)]


async def data(web: Any, path: str) -> Any:
    """Return the data of *path*."""
    async with web.get(V1 + path) as answer:
        assert answer.status == 200
        return (await answer.json())["data"]


async def test_receivers_and_how_they_do(web: Any, alerting: FakeAlerting) -> None:
    """Each integration; what has not happened has no time."""
    failing = integration(
        "slack", failed=1, consecutive_failures=3, last_error="it said 500", last_error_ms=1_000
    )
    alerting.found_receivers = [
        ReceiverView("team", (integration("webhook", sent=2, last_success_ms=2_000), failing))
    ]
    [receiver] = await data(web, "/notifications")
    assert receiver["name"] == "team"
    webhook, slack = receiver["integrations"]
    assert (webhook["integration"], webhook["sent"]) == ("webhook", 2)
    assert webhook["last_success_at"] == "1970-01-01T00:00:02.000Z"
    assert webhook["last_error_at"] is None
    assert (slack["consecutive_failures"], slack["last_error"]) == (3, "it said 500")


async def test_dead_letters_are_listed_without_their_alerts(web: Any) -> None:
    """In the order of alerting; one alone shows what was to be sent."""
    letters = await data(web, "/dead-letters")
    assert [each["id"] for each in letters] == ["2", "1"]
    assert letters[0]["group_labels"] == {"alertname": "Down"}
    assert (letters[0]["alerts"], letters[0]["status"]) == (1, "firing")
    assert (letters[0]["reason"], letters[0]["detail"]) == ("clientError", "it said 400")
    one = await data(web, "/dead-letters/1")
    assert one["payload"]["alerts"][0]["labels"] == {"alertname": "Down"}
    assert one.items() > letters[1].items()


async def test_a_dead_letter_is_sent_again(web: Any, alerting: FakeAlerting) -> None:
    """By its id; 404 where there is none."""
    async with web.post(f"{V1}/dead-letters/1/retry") as answer:
        assert (await answer.json())["data"] == {"delivered": True}
    async with web.post(f"{V1}/dead-letters/9/retry") as answer:
        assert answer.status == 404
    assert alerting.retried == ["1"]


async def test_a_dead_letter_is_forgotten(web: Any) -> None:
    """The others stay."""
    for expected in (200, 404):
        async with web.session.delete(f"{web.base}{V1}/dead-letters/1") as answer:
            assert answer.status == expected
    assert [each["id"] for each in await data(web, "/dead-letters")] == ["2"]
    async with web.get(f"{V1}/dead-letters/1") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
    ids=["origin", "null", "cross", "site", "own", "typed"],
)
async def test_pages_of_other_sites_send_nothing(
    web: Any, alerting: FakeAlerting, headers: dict[str, str], status: int
) -> None:
    """A browser would send this without asking first."""
    async with web.post(f"{V1}/dead-letters/1/retry", headers=headers) as answer:
        assert answer.status == status
    assert bool(alerting.retried) is (status == 200)

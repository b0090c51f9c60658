"""Incidents over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.web.alerting_fakes import Documents
from veriscope.alert.alerting import Alerting
from veriscope.alert.config import AlertingConfig
from veriscope.alert.group import Alert, AlertGroup
from veriscope.signals import ManualClock, to_labels
from veriscope.signals.alerts import PostedAlert
from veriscope.signals.evidence import Evidence
from veriscope.web import IncidentsApi
from veriscope.web.app import Api

PATH = "/api/veriscope/v1/incidents"
MINUTE_MS = 60_000


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands at the start of 1970's second day."""
    return ManualClock(86_400_000)


@pytest.fixture
async def alerting(clock: ManualClock) -> AsyncIterator[Alerting]:
    """Return alerting that tells nobody, with a journal that writes."""
    made = Alerting(AlertingConfig(), state=Documents(), clock=clock, registry=CollectorRegistry())
    await made.load()
    writing = asyncio.create_task(made._journal.run(asyncio.Event()))
    yield made
    writing.cancel()


@pytest.fixture
def parts(alerting: Alerting, clock: ManualClock) -> Sequence[Api]:
    """Serve it."""
    return [IncidentsApi(alerting, clock)]


async def fire(alerting: Alerting, name: str, **labels: str) -> None:
    """Have an alert begin."""
    posted = PostedAlert(
        to_labels({"alertname": name, **labels}), to_labels({"summary": "so slow"})
    )
    await alerting.put([posted])


async def data(web: Any, path: str) -> Any:
    """Return the data of *path*."""
    async with web.get(PATH + path) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["data"]


async def act(web: Any, path: str, **body: Any) -> tuple[int, Any]:
    """Do something; return the status and the answer."""
    async with web.post(PATH + path, json=body) as answer:
        return answer.status, await answer.json()


async def test_one_is_shown_whole(web: Any, alerting: Alerting) -> None:
    """What it is, its alerts, its timeline; the list leaves out the latter two."""
    await fire(alerting, "Slow", service="chat", severity="warning")
    labels = {"alertname": "Slow", "service": "chat", "severity": "warning"}
    summary = {
        "id": "INC-1",
        "title": "Slow: so slow",
        "severity": "warning",
        "state": "open",
        "isFlapping": False,
        "openedAt": "1970-01-02T00:00:00.000Z",
        "acknowledgedAt": None,
        "acknowledgedBy": "",
        "resolvedAt": None,
        "resolvedBy": "",
        "assignee": "",
        "alertCount": 1,
        "firingCount": 1,
        "timeToAcknowledgeS": None,
        "timeToResolveS": None,
        "labels": labels,
        "receivers": [],
    }
    assert await data(web, "") == [summary]
    whole = await data(web, "/INC-1")
    (alert,) = whole["alerts"]
    assert whole == {
        **summary,
        "alerts": [
            {
                "fingerprint": alert["fingerprint"],
                "labels": labels,
                "annotations": {"summary": "so slow"},
                "startsAt": "1970-01-02T00:00:00.000Z",
                "endsAt": None,
                "generatorURL": "",
                "isFlapping": False,
            }
        ],
        "timeline": [
            {
                "at": "1970-01-02T00:00:00.000Z",
                "kind": "opened",
                "by": "",
                "text": "Slow: so slow",
            }
        ],
        "timelineLeftOut": 0,
        "evidenceIds": [],
    }
    assert [each["id"] for each in await data(web, f"?fingerprint={alert['fingerprint']}")] == [
        "INC-1"
    ]


async def test_what_was_seen_is_named(web: Any, alerting: Alerting) -> None:
    """By its id, once though two alerts have it."""
    await fire(alerting, "Slow", service="chat")
    await fire(alerting, "Errors", service="chat")
    members = alerting.incidents.get("INC-1").members.values()
    group = AlertGroup("team", tuple(Alert(each.labels, (), 0) for each in members), ())
    kept = alerting.evidence.keep(group, Evidence(0))
    assert (await data(web, "/INC-1"))["evidenceIds"] == [kept.id]


async def test_lists_are_chosen_by_state_and_time(
    web: Any, alerting: Alerting, clock: ManualClock
) -> None:
    """The newest first, as many as are asked for."""
    for number in range(4):
        await fire(alerting, "Slow", service=f"s{number}")
        clock.advance(ms=MINUTE_MS)
    await act(web, "/INC-2/acknowledge", by="ann")
    await act(web, "/INC-3/resolve", by="ann")

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in await data(web, query)]

    assert await ids("") == ["INC-4", "INC-3", "INC-2", "INC-1"]
    assert await ids("?state=open") == ["INC-4", "INC-1"]
    assert await ids("?state=acknowledged&state=resolved") == ["INC-3", "INC-2"]
    assert await ids("?limit=1") == ["INC-4"]
    assert await ids(f"?start={86_400 + 60}&end={86_400 + 120}") == ["INC-3", "INC-2"]


async def test_people_act(web: Any, alerting: Alerting, clock: ManualClock) -> None:
    """Each action answers with the incident as it is then."""
    await fire(alerting, "Slow", service="chat")
    clock.advance(ms=MINUTE_MS)
    for action, body in (
        ("acknowledge", {"by": "ann", "text": "looking"}),
        ("assign", {"by": "ann", "to": "ben"}),
        ("comment", {"by": "ben", "text": "found"}),
        ("resolve", {"by": "ben"}),
        ("reopen", {"by": "ann"}),
    ):
        status, answer = await act(web, f"/INC-1/{action}", **body)
        assert status == 200, answer
    incident = answer["data"]
    assert (incident["state"], incident["assignee"], incident["timeToAcknowledgeS"]) == (
        "open",
        "ben",
        60,
    )
    assert [entry["kind"] for entry in incident["timeline"]] == [
        *("opened", "acknowledged", "assigned"),
        *("comment", "resolved", "reopened"),
    ]


async def test_figures_are_of_the_time_that_is_asked_for(
    web: Any, alerting: Alerting, clock: ManualClock
) -> None:
    """By default the last thirty days."""
    await fire(alerting, "Slow", service="a", severity="warning")
    clock.advance(ms=2 * MINUTE_MS)
    await act(web, "/INC-1/acknowledge", by="ann")
    figures = await data(web, "/figures")
    assert (figures["count"], figures["meanTimeToAcknowledgeS"]) == (1, 120)
    assert figures["meanTimeToResolveS"] is None
    assert [(each["severity"], each["count"]) for each in figures["bySeverity"]] == [("warning", 1)]
    assert [each["alertname"] for each in figures["byAlertname"]] == ["Slow"]
    clock.advance(ms=31 * 86_400_000)
    assert (await data(web, "/figures"))["count"] == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "fault"),
    [
        ("/INC-9/comment", {"by": "ann", "text": "x"}, 404, "there is nothing at"),
        ("/INC-1/explode", {"by": "ann"}, 404, "there is nothing at"),
        ("/INC-1/comment", {"text": "x"}, 400, "missing required field `by`"),
        ("/INC-1/comment", {"by": "ann", "txt": "x"}, 400, "unknown field `txt`"),
        ("/INC-1/comment", {"by": "ann"}, 400, "`text` is empty"),
        ("/INC-1/reopen", {"by": "ann"}, 400, "INC-1 is not resolved"),
        ("/INC-1/comment", {"by": "ann", "text": "x" * 300_000}, 422, "say less"),
    ],
    ids=range(7),
)
async def test_bad_requests_say_what_is_wrong(  # noqa: PLR0917 - one of each
    web: Any, alerting: Alerting, path: str, body: Any, status: int, fault: str
) -> None:
    """And change nothing."""
    await fire(alerting, "Slow", service="chat")
    found, answer = await act(web, path, **body)
    assert found == status
    assert fault in answer["error"]
    assert len(alerting.incidents.get("INC-1").timeline) == 1


async def test_a_list_of_what_does_not_exist_is_refused(web: Any) -> None:
    """An unknown state, a limit past all bounds; an unknown incident is not found."""
    for query, status in (("?state=asleep", 400), ("?limit=10001", 400), ("/INC-1", 404)):
        async with web.get(PATH + query) as answer:
            assert answer.status == status


async def test_other_pages_cannot_act(web: Any, alerting: Alerting) -> None:
    """A form of a foreign page sends no JSON."""
    await fire(alerting, "Slow", service="chat")
    async with web.post(f"{PATH}/INC-1/resolve", data=b'{"by": "x"}') as answer:
        assert answer.status == 400

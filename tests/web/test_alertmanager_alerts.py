"""Alertmanager's API: alerts and groups. What it answers was asked of Alertmanager 0.25."""

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.web.alerting_fakes import FakeAlerting, view
from veriscope.alert.dispatch.views import AlertState, GroupView, ReceiverView
from veriscope.signals import SystemClock
from veriscope.signals.alerts import PostedAlert
from veriscope.web.alertmanager import AlertmanagerApi
from veriscope.web.app import Api

ALERTS = "/api/v2/alerts"


@pytest.fixture
def alerting() -> FakeAlerting:
    """Return an alerting without alerts."""
    return FakeAlerting()


@pytest.fixture
def parts(alerting: Any) -> Sequence[Api]:
    """Serve Alertmanager's API."""
    return [
        AlertmanagerApi(
            alerting, clock=SystemClock(), registry=CollectorRegistry(), version="1.2.3"
        )
    ]


async def post(web: Any, body: Any) -> tuple[int, Any]:
    """Post *body* and return status and answer; None where that is empty."""
    headers = {"Content-Type": "application/json"}
    async with web.post(ALERTS, data=BytesIO(json.dumps(body).encode()), headers=headers) as answer:
        text = await answer.text()
        return answer.status, await answer.json() if text else None


async def get(web: Any, path: str) -> tuple[int, Any]:
    """Return status and answer of *path*."""
    async with web.get(path) as answer:
        return answer.status, await answer.json()


async def test_a_posted_alert_is_handed_on_whole(web: Any, alerting: FakeAlerting) -> None:
    """Labels without empty values, annotations, times in milliseconds, where it came from."""
    body = {
        "labels": {"alertname": "Down", "empty": ""},
        "annotations": {"summary": "it is down"},
        "startsAt": "2026-01-02T03:04:05.123456789+01:00",
        "endsAt": "2046-01-02T03:04:05Z",
        "generatorURL": "http://x/graph?g0.expr=up+%3D%3D+0",
        "unknown": 1,
    }
    assert await post(web, [body]) == (200, None)
    assert alerting.posted == [
        PostedAlert(
            (("alertname", "Down"),),
            (("summary", "it is down"),),
            1_767_319_445_123,
            2_398_475_045_000,
            "http://x/graph?g0.expr=up+%3D%3D+0",
        )
    ]


@pytest.mark.parametrize("never", [None, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"])
async def test_a_time_of_never_is_not_given(web: Any, alerting: FakeAlerting, never: Any) -> None:
    """Go programs send such a time where they have none."""
    body = {"labels": {"a": "b"}, "startsAt": never, "endsAt": never}
    assert await post(web, [body]) == (200, None)
    assert alerting.posted == [PostedAlert((("a", "b"),))]


@pytest.mark.parametrize("nothing", [[], None])
async def test_no_alerts_are_taken(web: Any, alerting: FakeAlerting, nothing: Any) -> None:
    """An empty list, or none, is no error."""
    assert await post(web, nothing) == (200, None)
    assert not alerting.posted


@pytest.mark.parametrize(
    ("alert", "status", "fault"),
    [
        ({"labels": {}}, 400, "at least one label pair required"),
        ({"labels": {"a": ""}}, 400, "at least one label pair required"),
        ({"labels": {"": "a"}}, 400, 'invalid label set: invalid name ""'),
        (
            {"labels": {"a": "b"}, "annotations": {"": "x"}},
            400,
            'invalid annotations: invalid name ""',
        ),
        (
            {
                "labels": {"a": "b"},
                "startsAt": "2026-01-01T00:00:01Z",
                "endsAt": "2026-01-01T00:00:00Z",
            },
            400,
            "start time must be before end time",
        ),
        # Nobody says when it ends, so it would do so before it began.
        (
            {"labels": {"a": "b"}, "startsAt": "2999-01-01T00:00:00Z"},
            400,
            "start time must be before end time",
        ),
        ({}, 422, {"code": 602, "message": "0.labels in body is required"}),
        (
            {"labels": {"a": "b"}, "generatorURL": "not a url"},
            422,
            {"code": 601, "message": '0.generatorURL in body must be of type uri: "not a url"'},
        ),
    ],
    ids=["empty", "values", "name", "annotation", "times", "future", "labels", "uri"],
)
async def test_what_is_wrong_is_said(
    web: Any, alerting: FakeAlerting, alert: Any, status: int, fault: Any
) -> None:
    """In the words, the form and with the status of Alertmanager."""
    assert await post(web, [alert]) == (status, fault)
    assert not alerting.posted


@pytest.mark.parametrize(
    "body",
    [{}, [1], [{"labels": {"a": 1}}], [{"labels": {"a": "b"}, "startsAt": "yesterday"}]],
    ids=["object", "number", "label", "time"],
)
async def test_what_cannot_be_read_is_refused(web: Any, alerting: FakeAlerting, body: Any) -> None:
    """With the reason; nothing of the request is taken."""
    status, answer = await post(web, body)
    assert (status, answer["code"]) == (400, 400)
    assert answer["message"].startswith('parsing alerts body from "" failed, because ')
    assert not alerting.posted


async def test_valid_alerts_of_a_mixed_batch_are_taken(web: Any, alerting: FakeAlerting) -> None:
    """The others are named, in their order."""
    body = [{"labels": {"": "1"}}, {"labels": {"alertname": "Down"}}, {"labels": {}}]
    status, answer = await post(web, body)
    assert status == 400
    assert answer == 'invalid label set: invalid name ""; at least one label pair required'
    assert [alert.labels for alert in alerting.posted] == [(("alertname", "Down"),)]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_only_json_is_taken(web: Any, alerting: FakeAlerting, kind: str | None) -> None:
    """What a page of another site can send without asking first is refused."""
    headers = {} if kind is None else {"Content-Type": kind}
    body = b'[{"labels": {"a": "b"}}]'
    async with web.post(ALERTS, data=body, headers=headers) as answer:
        assert answer.status == 415
        assert (await answer.json())["code"] == 415
    assert not alerting.posted


async def test_a_body_is_needed(web: Any) -> None:
    """An empty one is not a list without alerts."""
    async with web.post(ALERTS, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 422
        assert await answer.json() == {"code": 602, "message": "alerts in body is required"}


async def test_limits_of_an_alert(web: Any, alerting: FakeAlerting) -> None:
    """One that is too large is refused; those beside it are not."""
    many = {"labels": {f"l{number}": "x" for number in range(201)}}
    long = {"labels": {"a": "b"}, "annotations": {"text": "x" * 65_536}}
    status, answer = await post(web, [many, {"labels": {"a": "b"}}, long])
    assert status == 400
    assert "201 labels and annotations, 200 allowed" in answer
    assert "65,542 bytes of labels and annotations, 65,536 allowed" in answer
    assert len(alerting.posted) == 1


async def test_limits_of_a_request(web: Any, alerting: FakeAlerting) -> None:
    """More alerts than are taken at once, or a larger body, are answered 413."""
    status, answer = await post(web, [{"labels": {"a": "b"}}] * 50_001)
    assert (status, answer[:33]) == (413, "50,001 alerts in one request, 50,")
    headers = {"Content-Type": "application/json"}
    async with web.post(
        ALERTS, data=BytesIO(b" " * ((32 << 20) + 1)), headers=headers
    ) as too_large:
        assert too_large.status == 413
    assert not alerting.posted


async def test_too_many_alerts_can_be_sent_again(web: Any, alerting: FakeAlerting) -> None:
    """The sender is told, so that it keeps them."""
    alerting.full = True
    assert (await post(web, [{"labels": {"a": "b"}}]))[0] == 503


async def test_an_alert_is_shown_as_alertmanager_shows_it(web: Any, alerting: FakeAlerting) -> None:
    """The same keys and spellings; `mutedBy` is that of later versions."""
    alerting.views = [view(["team", "page"], silenced_by=["5"], alertname="Down")]
    assert await get(web, ALERTS) == (
        200,
        [
            {
                "annotations": {"summary": "s"},
                "endsAt": "2027-01-15T08:00:00.500Z",
                "fingerprint": alerting.views[0].alert.fingerprint,
                "receivers": [{"name": "team"}, {"name": "page"}],
                "startsAt": "1970-01-01T00:00:01.000Z",
                "status": {
                    "inhibitedBy": [],
                    "mutedBy": [],
                    "silencedBy": ["5"],
                    "state": "suppressed",
                },
                "updatedAt": "1970-01-01T00:00:02.000Z",
                "generatorURL": "http://x/graph",
                "labels": {"alertname": "Down"},
            }
        ],
    )


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "active silenced inhibited unprocessed"),
        ("?active=false", "silenced inhibited unprocessed"),
        ("?active=", "active silenced inhibited unprocessed"),
        ("?active=perhaps", "silenced inhibited unprocessed"),
        ("?silenced=false", "active inhibited unprocessed"),
        ("?inhibited=0", "active silenced unprocessed"),
        ("?unprocessed=no", "active silenced inhibited"),
        ("?filter=alertname%3Dactive", "active"),
        ("?filter=alertname!%3Dactive&filter=alertname%3D~.*bited", "inhibited"),
        ("?receiver=pag.", "inhibited"),
        ("?receiver=pag", ""),
    ],
)  # fmt: skip
async def test_parameters_narrow(web: Any, alerting: FakeAlerting, query: str, names: str) -> None:
    """By state, by matchers, by the receiver's whole name."""
    alerting.views = [
        view(alertname="active"),
        view(silenced_by=["1"], alertname="silenced"),
        view(["page"], inhibited_by=["1"], alertname="inhibited"),
        view(state=AlertState.UNPROCESSED, alertname="unprocessed"),
    ]
    _, alerts = await get(web, ALERTS + query)
    assert [alert["labels"]["alertname"] for alert in alerts] == names.split()


@pytest.mark.parametrize("path", [ALERTS, f"{ALERTS}/groups"])
@pytest.mark.parametrize("query", ["filter=bad", "filter=a%3D~(", "receiver=(", "filter="])
async def test_parameters_that_cannot_be_read(web: Any, path: str, query: str) -> None:
    """400, and the reason as a text."""
    status, answer = await get(web, f"{path}?{query}")
    assert status == 400
    assert isinstance(answer, str)


async def test_groups_show_what_is_left_of_them(web: Any, alerting: FakeAlerting) -> None:
    """In their order; one of which nothing is left is not shown."""
    down, slow = view(alertname="Down"), view(silenced_by=["1"], alertname="Slow")
    alerting.found_groups = [
        GroupView('{}:{job="a"}', (("job", "a"),), "team", (down, slow)),
        GroupView('{}:{job="b"}', (("job", "b"),), "page", (slow,)),
    ]
    _, groups = await get(web, f"{ALERTS}/groups?silenced=false")
    [group] = groups
    assert group["labels"] == {"job": "a"}
    assert group["receiver"] == {"name": "team"}
    assert [alert["labels"]["alertname"] for alert in group["alerts"]] == ["Down"]
    _, groups = await get(web, f"{ALERTS}/groups?receiver=page")
    assert [group["receiver"]["name"] for group in groups] == ["page"]


async def test_status_and_receivers(web: Any, alerting: FakeAlerting) -> None:
    """Without a cluster, as one server alone; the version is that of the API."""
    alerting.found_receivers = [ReceiverView("team", ()), ReceiverView("page", ())]
    assert await get(web, "/api/v2/receivers") == (200, [{"name": "team"}, {"name": "page"}])
    _, status = await get(web, "/api/v2/status")
    assert status["cluster"] == {"peers": [], "status": "disabled"}
    assert status["versionInfo"]["version"] == "0.25.0"
    assert status["versionInfo"]["applicationVersion"] == "1.2.3"
    assert isinstance(status["config"]["original"], str)


async def test_the_api_is_under_a_prefix_too(web: Any, alerting: FakeAlerting) -> None:
    """For clients that are given Alertmanager's address."""
    alerting.views = [view(alertname="Down")]
    assert await get(web, f"/alertmanager{ALERTS}") == await get(web, ALERTS)


@pytest.mark.parametrize("prefix", ["/api/v2", "/alertmanager/api/v2"])
async def test_what_is_not_there(web: Any, prefix: str) -> None:
    """404, or 405 with the methods that are answered, in the API's own form."""
    path = f"{prefix}/alert"
    expected = {"code": 404, "message": f"path {path} was not found"}
    assert await get(web, path) == (404, expected)
    async with web.session.put(f"{web.base}{prefix}/alerts") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,POST"
        message = (await answer.json())["message"]
        assert message == "method PUT is not allowed, but [GET,POST] are"

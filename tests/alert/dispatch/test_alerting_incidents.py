"""Incidents of the alerts that are told of."""

from typing import Any

import pytest

from veriscope.alert.group import AlertGroup
from veriscope.alert.incidents import IncidentState
from veriscope.alert.notify import Outcome, Reason
from veriscope.signals import InvalidInputError
from veriscope.signals.evidence import Evidence

ROUTE = """
global: {resolve_timeout: 5m}
route: {receiver: team, group_by: [job], group_wait: 0s, group_interval: 1m}
receivers: [{name: team}]
inhibit_rules:
  - {source_matchers: [alertname="Down"], target_matchers: [alertname="Slow"], equal: [job]}
"""
EVERYTHING = ROUTE.replace("group_by: [job], ", "")


def titles(office: Any) -> list[str]:
    """Return what the incidents are called, the oldest first."""
    return [each.title for each in reversed(office.alerting.incidents.all())]


async def test_alerts_of_a_group_are_one_incident(office: Any) -> None:
    """Which ends when they do: by a post, or since nothing is heard of them."""
    await office.open(ROUTE)
    await office.post("A", job="a")
    await office.pass_time(600, 60)
    await office.post("A", job="a")
    await office.post("B", job="a")
    await office.post("C", job="c")
    assert titles(office) == ["A", "A", "C"]  # the first had timed out, and settled
    await office.post("A", job="a", ends_s=0)
    await office.pass_time(310, 10)
    incident = office.alerting.incidents.get("INC-2")
    assert not incident.firing
    await office.pass_time(310, 10)
    assert incident.state is IncidentState.RESOLVED
    assert incident.receivers == ("team",)


async def test_one_group_of_everything_is_no_incident(office: Any) -> None:
    """What is told in one message need not belong together."""
    await office.open(EVERYTHING)
    await office.post("A", job="a")
    await office.post("C", job="c")
    assert titles(office) == ["A", "C"]


async def test_what_nobody_hears_of_waits(office: Any) -> None:
    """An inhibited alert joins once it is not any more; a watchdog never does."""
    await office.open(ROUTE)
    await office.post("Down", job="a")
    await office.post("Slow", job="a")
    await office.post("Watchdog", severity="none")
    (incident,) = office.alerting.incidents.all()
    assert incident.alert_count == 1
    await office.post("Down", job="a", ends_s=0)
    await office.pass_time(6)
    assert incident.alert_count == 2
    assert len(incident.firing) == 1


async def test_it_survives_a_kill(office: Any) -> None:
    """With what people did, and who fires."""
    await office.open(ROUTE)
    await office.post("A", job="a")
    await office.alerting.acknowledge("INC-1", "ann", "looking")
    assert await office.alerting.durable()
    before = office.alerting.incidents.get("INC-1")
    await office.kill()
    await office.open(ROUTE)
    assert office.alerting.incidents.get("INC-1") == before
    await office.post("A", job="a")
    assert len(office.alerting.incidents.all()) == 1


async def test_an_alert_from_before_there_were_incidents_gets_one(office: Any) -> None:
    """At the start whatever fires is in one."""
    await office.open(ROUTE)
    await office.post("A", job="a")
    await office.kill()
    del office.state.kinds["incident"]
    await office.open(ROUTE)
    assert titles(office) == ["A"]


async def test_services_hear_that_somebody_has_taken_it(office: Any) -> None:
    """Each that understands it, once for each group; what failed stands in the timeline."""
    heard: list[AlertGroup] = []

    def acknowledge(group: AlertGroup) -> Outcome:
        heard.append(group)
        if len(heard) > 1:
            return Outcome.retry(Reason.SERVER_ERROR, "HTTP 500")
        return Outcome.delivered()

    office.person.acknowledge = acknowledge
    await office.open(ROUTE)
    await office.post("A", job="a", instance="i")
    await office.post("B", job="b", instance="i")
    await office.settle()
    incident = await office.alerting.acknowledge("INC-1", "ann")
    assert [group.key for group in heard] == ['{}:{job="a"}', '{}:{job="b"}']
    assert [entry.text for entry in incident.timeline if entry.kind == "told"] == [
        "person of team told",
        "person of team could not be told: HTTP 500",
    ]


async def test_a_refused_deed_tells_nobody(office: Any) -> None:
    """Who gives no name acknowledges nothing."""
    heard: list[AlertGroup] = []
    office.person.acknowledge = heard.append
    await office.open(ROUTE)
    await office.post("A", job="a")
    with pytest.raises(InvalidInputError, match="`by` is empty"):
        await office.alerting.acknowledge("INC-1", "")
    assert not heard


async def test_a_notification_says_that_an_alert_flaps(office: Any) -> None:
    """Before the hints that were found at the onset; others are told of as ever."""

    async def gather(_: AlertGroup, _within_s: float) -> Evidence:
        return Evidence(0, hints=("fired before",))

    await office.open(ROUTE, gather=gather)
    for _ in range(3):
        await office.post("A", job="a")
        await office.pass_time(70)
        await office.post("A", job="a", ends_s=0)
        await office.pass_time(70)
    await office.post("B", job="b")
    await office.settle()
    hints = [each.group.evidence.hints for each in office.person.told if each.firing]
    assert hints == [
        ("fired before",),
        ("fired before",),
        ("A flaps: it begins and ends again and again", "fired before"),
        ("fired before",),
    ]

"""Evidence comes along, and never holds anything up."""

import asyncio
from typing import Any

import pytest

from veriscope.alert import AlertGroup
from veriscope.alert.dispatch import evidence
from veriscope.alert.notify import Outcome
from veriscope.signals.evidence import Evidence

NOW = """
global: {resolve_timeout: 1h}
route: {receiver: team, group_by: [job], group_wait: 0s, group_interval: 1m}
receivers: [{name: team}]
"""


def names(group: AlertGroup) -> list[str]:
    """Return what the alerts are called."""
    return [dict(alert.labels)["alertname"] for alert in group.alerts]


async def test_it_comes_with_the_notification(office: Any) -> None:
    """What was gathered is in what is sent; an alert that joins is gathered for, alone."""
    calls: list[AlertGroup] = []

    async def gather(group: AlertGroup, _: float) -> Evidence:
        calls.append(group)
        return Evidence(gathered_ms=len(calls))

    await office.open(NOW, gather=gather)
    await office.post("A", job="a")
    await office.settle()
    assert office.person.told[0].group.evidence == Evidence(gathered_ms=1)
    await office.pass_time(120)
    await office.post("B", job="a")
    await office.pass_time(60)
    assert [each.group.evidence for each in office.person.told[1:]] == [Evidence(gathered_ms=2)]
    assert [names(group) for group in calls] == [["A"], ["B"]]


async def test_it_is_gathered_while_the_group_waits(office: Any) -> None:
    """Two seconds before the flush, with the alerts that are there by then."""
    calls: list[tuple[float, int]] = []

    async def gather(group: AlertGroup, _: float) -> None:
        calls.append((office.clock.monotonic_s(), len(group.alerts)))

    await office.open(NOW.replace("group_wait: 0s", "group_wait: 30s"), gather=gather)
    await office.post("A", job="a")
    await office.pass_time(10)
    await office.post("B", job="a")
    await office.pass_time(20)
    assert calls == [(28.0, 2)]
    assert len(office.person.told) == 1


async def test_it_may_take_as_long_as_a_flush_waits(office: Any) -> None:
    """Nine tenths of 2 s where the group waits that long anyway; else of half a second more."""
    limits: dict[str, float] = {}

    async def gather(group: AlertGroup, within_s: float) -> None:
        limits.setdefault(dict(group.group_labels)["job"], round(within_s, 3))

    for wait_s in (0, 1, 30):
        await office.open(NOW.replace("group_wait: 0s", f"group_wait: {wait_s}s"), gather=gather)
        await office.post("A", job=str(wait_s))
        await office.pass_time(wait_s)
        await office.settle()
        await office.kill()
    assert limits == {"0": 0.45, "1": 1.35, "30": 1.8}


async def test_who_joins_meanwhile_belongs_to_it(office: Any) -> None:
    """An alert that comes between the gathering and the flush is not gathered for apart."""
    calls: list[list[str]] = []

    async def gather(group: AlertGroup, _: float) -> Evidence:
        calls.append(names(group))
        return Evidence(gathered_ms=1)

    await office.open(
        NOW.replace("group_wait: 0s", "group_wait: 30s, repeat_interval: 1m"), gather=gather
    )
    await office.post("A", job="a")
    await office.pass_time(29)
    await office.post("B", job="a")
    await office.pass_time(1)
    await office.post("C", job="b")
    await office.pass_time(180)
    assert calls == [["A"], ["C"]]
    assert {each.group.evidence for each in office.person.told} == {Evidence(gathered_ms=1)}


async def test_a_new_start_is_gathered_for_again(office: Any) -> None:
    """An alert that ended and began anew has other causes; its end carries the links only."""
    calls: list[AlertGroup] = []

    async def gather(group: AlertGroup, _: float) -> Evidence:
        calls.append(group)
        return Evidence(len(calls), view_url="v", runbook_url="r", hints=("h",))

    await office.open(NOW, gather=gather)
    for ends_s in (None, -1, None):
        await office.post("A", job="a", ends_s=ends_s)
        await office.pass_time(60)
    assert office.person.heard == [
        ("firing", ("A",), ()),
        ("resolved", (), ("A",)),
        ("firing", ("A",), ()),
    ]
    links = Evidence(1, view_url="v", runbook_url="r")
    assert office.person.told[1].group.evidence == links
    assert [each.group.evidence.gathered_ms for each in office.person.told] == [1, 1, 2]


async def test_a_repeat_has_it_over_a_restart(office: Any) -> None:
    """What was gathered at the onset is stored before it is told, and comes with the picture."""
    calls: list[AlertGroup] = []

    async def gather(group: AlertGroup, _: float) -> Evidence:
        calls.append(group)
        return Evidence(office.clock.now_ms(), graph_png=b"\x89PNG", hints=("h",))

    text = NOW.replace("group_interval: 1m", "group_interval: 1m, repeat_interval: 30m")
    await office.open(text, gather=gather)

    def stored(_: AlertGroup) -> Outcome:
        assert list(office.state.kinds["evidence"]) == list(office.state.kinds["evidence_graph"])
        return Outcome.delivered()

    office.person.always = stored
    await office.post("A", job="a")
    await office.settle()
    assert await office.alerting._journal.durable(30)  # that it was told, too
    await office.kill()
    await office.open(text, gather=gather)
    await office.pass_time(1_900, 10)
    first, again = (each.group.evidence for each in office.person.told)
    assert again == first
    assert again.graph_png == b"\x89PNG"
    assert len(calls) == 1


async def test_a_failure_is_done_without(office: Any) -> None:
    """What cannot be gathered is left out, and counted."""

    async def gather(_: AlertGroup, _within_s: float) -> None:
        raise OSError("no")

    await office.open(NOW, gather=gather)
    await office.post("A", job="a")
    await office.settle()
    assert office.person.told[0].group.evidence is None
    assert office.metric("veriscope_alert_evidence_missed_total", reason="failed") == 1


async def test_slowness_is_not_waited_for(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit the notification goes without."""
    monkeypatch.setattr(evidence, "LIMIT_S", 0.01)

    async def gather(_: AlertGroup, _within_s: float) -> None:
        await asyncio.Event().wait()

    await office.open(NOW, gather=gather)
    await office.post("A", job="a")
    await office.settle()
    assert office.person.heard == [("firing", ("A",), ())]
    assert office.metric("veriscope_alert_evidence_missed_total", reason="late") == 1


async def test_many_groups_do_not_queue_for_it(office: Any) -> None:
    """A fifth group at the same time goes at once."""
    gathered = asyncio.Event()

    async def gather(_: AlertGroup, _within_s: float) -> None:
        await gathered.wait()

    alerting = await office.open(NOW, gather=gather)
    for number in range(6):
        await office.post("A", job=str(number))
    alerting.step()
    await office.until(lambda: len(office.person.told) == 2)
    gathered.set()
    await office.settle()
    assert len(office.person.told) == 6
    assert office.metric("veriscope_alert_evidence_missed_total", reason="busy") == 2

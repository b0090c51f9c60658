"""Evidence comes along, and never holds anything up."""

import asyncio
from typing import Any

import pytest

from veriscope.alert import AlertGroup
from veriscope.alert.dispatch import evidence
from veriscope.signals.evidence import Evidence

NOW = """
global: {resolve_timeout: 1h}
route: {receiver: team, group_by: [job], group_wait: 0s, group_interval: 1m}
receivers: [{name: team}]
"""


async def test_it_comes_with_the_notification(office: Any) -> None:
    """What was gathered for the group is in what is sent; a repeat gathers nothing anew."""
    calls: list[AlertGroup] = []

    async def gather(group: AlertGroup) -> Evidence:
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
    assert [len(group.alerts) for group in calls] == [1, 2]


async def test_it_is_gathered_while_the_group_waits(office: Any) -> None:
    """Two seconds before the flush, with the alerts that are there by then."""
    calls: list[tuple[float, int]] = []

    async def gather(group: AlertGroup) -> None:
        calls.append((office.clock.monotonic_s(), len(group.alerts)))

    await office.open(NOW.replace("group_wait: 0s", "group_wait: 30s"), gather=gather)
    await office.post("A", job="a")
    await office.pass_time(10)
    await office.post("B", job="a")
    await office.pass_time(20)
    assert calls == [(28.0, 2)]
    assert len(office.person.told) == 1


async def test_a_failure_is_done_without(office: Any) -> None:
    """What cannot be gathered is left out, and counted."""

    async def gather(_: AlertGroup) -> None:
        raise OSError("no")

    await office.open(NOW, gather=gather)
    await office.post("A", job="a")
    await office.settle()
    assert office.person.told[0].group.evidence is None
    assert office.metric("veriscope_alert_evidence_missed_total", reason="failed") == 1


async def test_slowness_is_not_waited_for(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit the notification goes without."""
    monkeypatch.setattr(evidence, "LIMIT_S", 0.01)

    async def gather(_: AlertGroup) -> None:
        await asyncio.Event().wait()

    await office.open(NOW, gather=gather)
    await office.post("A", job="a")
    await office.settle()
    assert office.person.heard == [("firing", ("A",), ())]
    assert office.metric("veriscope_alert_evidence_missed_total", reason="late") == 1


async def test_many_groups_do_not_queue_for_it(office: Any) -> None:
    """A fifth group at the same time goes at once."""
    gathered = asyncio.Event()

    async def gather(_: AlertGroup) -> None:
        await gathered.wait()

    alerting = await office.open(NOW, gather=gather)
    for number in range(6):
        await office.post("A", job=str(number))
    alerting.step()
    await office.until(lambda: len(office.person.told) == 2)
    gathered.set()
    await office.settle()
    assert len(office.person.told) == 6

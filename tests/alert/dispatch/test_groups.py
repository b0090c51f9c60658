"""When a group is told of: Alertmanager's timing, on clocks that stand still."""

from typing import Any

import pytest

TWO = """
route:
  receiver: all
  group_by: [job]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1h
  routes:
    - matchers: [severity="critical"]
      receiver: pager
      continue: true
      group_wait: 0s
    - matchers: [job="db"]
      receiver: dba
receivers: [{name: all}, {name: pager}, {name: dba}]
"""


async def test_a_group_waits_for_others(office: Any) -> None:
    """What comes within `group_wait` goes out together, in Alertmanager's order."""
    await office.open()
    await office.post("B", job="a", instance="2")
    await office.pass_time(20)
    await office.post("A", job="a", instance="1")
    await office.post("C", job="a")
    await office.pass_time(10)
    assert office.person.heard == [("firing", ("A", "B", "C"), ())]


async def test_changes_wait_for_the_interval(office: Any) -> None:
    """After the first notification the next comes `group_interval` later, if there is news."""
    await office.open()
    await office.post("A", job="a")
    await office.pass_time(30)
    await office.post("B", job="a")
    await office.pass_time(299)
    assert len(office.person.told) == 1
    await office.pass_time(1)
    assert office.person.heard[1:] == [("firing", ("A", "B"), ())]


async def test_an_alert_that_waited_long_goes_at_once(office: Any) -> None:
    """A group whose alert is older than `group_wait` does not wait."""
    alerting = await office.open()
    posted = office.posted("A", job="a", starts_s=-31)
    await alerting.put([posted])
    await office.settle()
    assert office.person.heard == [("firing", ("A",), ())]


async def test_nothing_new_is_repeated_after_the_repeat_interval(office: Any) -> None:
    """What still fires is said again at the first flush after `repeat_interval`."""
    await office.open()
    for _ in range(4 * 60 + 6):
        await office.post("A", job="a")
        await office.pass_time(60, step_s=10)
    assert len(office.person.told) == 2


async def test_each_route_has_its_groups(office: Any) -> None:
    """`continue` leads on to the next route; each has its own waiting time and key."""
    await office.open(TWO)
    await office.post("A", job="db", severity="critical")
    await office.settle()
    await office.pass_time(10)
    assert [(each.receiver, each.key) for each in office.person.told] == [
        ("pager", '{}/{severity="critical"}:{job="db"}'),
        ("dba", '{}/{job="db"}:{job="db"}'),
    ]


async def test_an_ended_alert_stays_until_it_was_told(office: Any) -> None:
    """While the receiver is down, the end of an alert waits."""
    await office.open()
    await office.post("A", job="a")
    await office.pass_time(30)
    office.person.always = office.failing()
    await office.post("A", job="a", ends_s=0)
    await office.pass_time(400)
    office.person.always = office.taking()
    await office.pass_time(300)
    assert office.person.heard[1:] == [("resolved", (), ("A",))]
    assert office.alerting.groups() == []


async def test_flapping_is_told_once_an_interval(office: Any) -> None:
    """An alert that comes and goes each second is told of at the pace of the group."""
    await office.open()
    for second in range(300):
        await office.post("A", job="a", ends_s=None if second % 2 else 0)
        await office.pass_time(1)
    await office.post("A", job="a", ends_s=0)
    await office.pass_time(330)
    assert office.person.heard == [("firing", ("A",), ()), ("resolved", (), ("A",))]


async def test_a_group_that_went_is_made_anew(office: Any) -> None:
    """When a group has long been empty, its next alert waits `group_wait` again."""
    await office.open()
    await office.post("A", job="a")
    await office.pass_time(30)
    await office.post("A", job="a", ends_s=0)
    await office.pass_time(331)
    await office.post("A", job="a")
    await office.pass_time(30)
    assert len(office.person.told) == 3


async def test_the_end_that_nobody_heard_begin_is_not_told(office: Any) -> None:
    """What begins and ends within `group_wait` is no news."""
    await office.open()
    await office.post("A", job="a")
    await office.post("A", job="a", ends_s=0)
    await office.pass_time(400)
    assert office.person.told == []


async def test_silence_goes_by_the_resolve_timeout(office: Any) -> None:
    """An alert without an end, not heard of again for `resolve_timeout`, has ended."""
    await office.open("global: {resolve_timeout: 1m}\n" + TWO)
    await office.post("A", job="a")
    await office.pass_time(69)
    assert len(office.person.told) == 1
    await office.pass_time(1)
    assert office.person.heard[1:] == [("resolved", (), ("A",))]


async def test_a_fault_with_one_group_stops_no_other(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in a flush is tried at the next one, and others are told meanwhile."""
    alerting = await office.open()
    flushes = alerting._flushes
    sift = flushes._suppression.sift

    def fail_for_a(route: Any, alerts: Any, now_ms: int) -> Any:
        if dict(alerts[0].labels)["job"] == "a":
            raise ValueError("bad")
        return sift(route, alerts, now_ms)

    monkeypatch.setattr(flushes._suppression, "sift", fail_for_a)
    await office.post("A", job="a")
    await office.post("B", job="b")
    await office.pass_time(30)
    assert office.person.heard == [("firing", ("B",), ())]
    monkeypatch.setattr(flushes._suppression, "sift", sift)
    await office.pass_time(300)
    assert office.person.heard[1:] == [("firing", ("A",), ())]

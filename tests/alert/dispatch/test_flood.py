"""Ten thousand alerts at once: bounded, and nothing lost."""

import tracemalloc
from typing import Any

import pytest

from veriscope.signals import to_labels
from veriscope.signals.alerts import PostedAlert

COUNT = 10_000
FLOOD = """
global: {{resolve_timeout: 1h}}
route:
  receiver: team
  group_by: [{group_by}]
  group_wait: 5s
  group_interval: 5m
receivers: [{{name: team}}]
"""


def flood(ends_at_ms: int | None = None) -> list[PostedAlert]:
    """Return alerts that differ in `instance`."""
    return [
        PostedAlert(
            to_labels({"alertname": "Down", "job": "node", "instance": f"host-{i:05}"}),
            to_labels({"summary": f"host-{i:05} is down"}),
            ends_at_ms=ends_at_ms,
        )
        for i in range(COUNT)
    ]


@pytest.mark.parametrize(("group_by", "groups"), [("job", 1), ("'...'", COUNT)])
async def test_all_are_told_once(office: Any, group_by: str, groups: int) -> None:
    """Each alert is told to have begun once, and to have ended once, in few bytes."""
    alerting = await office.open(FLOOD.format(group_by=group_by))
    tracemalloc.start()
    await alerting.put(flood())
    await office.pass_time(5, step_s=5)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(office.person.told) == groups
    firing = [a.fingerprint for each in office.person.told for a in each.group.firing]
    assert len(firing) == len(set(firing)) == COUNT
    assert size < 150_000_000
    office.person.told.clear()
    await alerting.put(flood(ends_at_ms=office.clock.now_ms()))
    await office.pass_time(301, step_s=301)
    assert sum(len(each.group.alerts) for each in office.person.told) == COUNT
    assert not any(each.firing for each in office.person.told)
    assert alerting.alerts() == []

"""Going over to other rules, and at which moments groups are evaluated."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.query.promql import QueryResult
from veriscope.rules import RuleLoop, RuleOptions, parse_rule_groups
from veriscope.rules.slots import Slots, next_slot
from veriscope.signals import Duration, SystemClock, to_labels
from veriscope.signals.alerts import PostedAlert

Query = Callable[[str, int], QueryResult]
A = "{alert: A, expr: '1'}"
B = "{alert: B, expr: '1', labels: {x: y}}"


def file(*groups: str) -> str:
    """Return a file whose groups have those rules, each evaluated 50 times a second."""
    lines = (f"{{name: g{i}, interval: 20ms, rules: [{g}]}}" for i, g in enumerate(groups))
    return f"groups: [{', '.join(lines)}]"


class Running:
    """A loop that runs, and what it sends."""

    def __init__(self, query: Query, recorded: Any) -> None:
        self.registry = CollectorRegistry()
        self.recorded = recorded
        self.sent: list[PostedAlert] = []
        self.stop = asyncio.Event()
        self.changed = asyncio.Event()
        self.loop = RuleLoop(
            parse_rule_groups(file(A, B), "r.yml"),
            RuleOptions(),
            interval=Duration(60_000),
            query_offset=Duration(0),
            query=query,
            record=self.record,
            send=self.send,
            external_labels={"region": "north", "x": "outside"},
            external_url="http://here",
            clock=SystemClock(),
            registry=self.registry,
        )

    async def record(self, batch: Any) -> None:
        """Keep what is recorded, which is something at each evaluation."""
        await self.recorded.record(batch)
        self.changed.set()

    async def until(self, found: Callable[[], object]) -> None:
        """Wait until something is so after an evaluation."""
        async with asyncio.timeout(20):
            while not found():
                self.changed.clear()
                await self.changed.wait()

    async def send(self, alerts: Sequence[PostedAlert]) -> None:
        """Keep the alerts."""
        self.sent += alerts

    async def reload(self, text: str, **labels: str) -> None:
        """Go over to another file."""
        await self.loop.reload(
            parse_rule_groups(text, "r.yml"),
            interval=Duration(60_000),
            query_offset=Duration(0),
            external_labels=labels or {"region": "north", "x": "outside"},
        )

    def begun(self, name: str) -> list[int]:
        """Return since when the alerts of that rule are active."""
        return [
            alert.active_at_ms
            for group in self.loop.states()
            for rule in group.rules
            if rule.rule.name == name
            for alert in rule.active
        ]

    def ends(self, name: str) -> list[PostedAlert]:
        """Return the alerts of that rule that were sent as ended."""
        now_ms = SystemClock().now_ms()
        return [
            alert
            for alert in self.sent
            if dict(alert.labels)["alertname"] == name and (alert.ends_at_ms or 0) <= now_ms
        ]


@pytest.fixture
async def running(query: Query, recorded: Any) -> AsyncIterator[Running]:
    """Return one whose alerts fire."""
    found = Running(query, recorded)
    task = asyncio.create_task(found.loop.run(found.stop))
    await found.until(lambda: found.begun("A") and found.begun("B"))
    yield found
    found.stop.set()
    await task


async def test_alerts_leave_with_the_labels_of_this_server(running: Running) -> None:
    """Where they have none of that name."""
    await running.until(lambda: len(running.sent) == 2)
    found = {dict(alert.labels)["alertname"]: alert for alert in running.sent}
    assert dict(found["A"].labels) == {"alertname": "A", "region": "north", "x": "outside"}
    assert dict(found["B"].labels) == {"alertname": "B", "region": "north", "x": "y"}
    assert found["A"].generator_url == "http://here/graph?g0.expr=1&g0.tab=1"


async def test_a_group_that_stays_does_not_notice(running: Running) -> None:
    """Its state is the same object; another's change is none of its business."""
    first, second = running.loop.states()
    begun = running.begun("B")
    await running.reload(file(A, f"{B}, {{alert: C, expr: '1'}}"))
    same, changed = running.loop.states()
    assert same is first
    assert changed is not second
    assert running.begun("B") == begun
    await running.until(lambda: running.begun("C"))


async def test_a_group_of_another_name_goes_on(running: Running) -> None:
    """Its rules are what they were, in whichever groups: nobody hears of an end."""
    since = running.begun("A"), running.begun("B")
    held = A.replace("}", ", for: 1h}")
    await running.reload(file(held, B).replace("g0", "other").replace("g1", "second"))
    assert running.begun("B") == since[1]
    assert not running.begun("A")  # another `for` is another rule
    await running.reload(file(f"{A}, {B}").replace("g0", "third"))
    assert running.begun("B") == since[1]
    evaluations = len(running.sent)
    await running.until(lambda: len(running.sent) > evaluations)
    assert not running.ends("B")


async def test_a_rule_that_is_no_more_ends(running: Running) -> None:
    """Its alerts are resolved, its series end, and its group is counted no more."""
    name = {"rule_group": "r.yml;g1"}
    assert running.registry.get_sample_value("veriscope_rule_group_rules", name) == 1
    await running.reload(file(A))
    assert running.registry.get_sample_value("veriscope_rule_group_rules", name) is None
    await running.until(lambda: running.ends("B"))
    labels = {"alertname": "B", "alertstate": "firing", "x": "y"}
    series = running.recorded.series[to_labels({"__name__": "ALERTS", **labels})]
    await running.until(lambda: math.isnan(list(series.values())[-1]))
    assert running.ends("A") == []


async def test_a_rule_that_moves_to_another_group_does_not_end(running: Running) -> None:
    """Its series go on there, and its alert, which would begin anew in Prometheus."""
    since = running.begun("B")
    await running.reload(file(f"{A}, {B}"))
    assert running.begun("B") == since
    labels = to_labels({"__name__": "ALERTS", "alertname": "B", "alertstate": "firing", "x": "y"})
    length = len(running.recorded.series[labels])
    await running.until(lambda: len(running.recorded.series[labels]) > length + 5)
    assert not any(map(math.isnan, running.recorded.series[labels].values()))


async def test_other_external_labels_change_what_is_sent(running: Running) -> None:
    """The alerts themselves go on."""
    begun = running.begun("A")
    await running.reload(file(A, B), region="south")
    assert running.begun("A") == begun
    await running.reload(file(f"{A}, {{alert: C, expr: '1'}}", B), region="south")
    await running.until(lambda: any(("region", "south") in alert.labels for alert in running.sent))


async def test_alerts_are_counted_by_state(running: Running) -> None:
    """Those that are pending or firing."""
    value = running.registry.get_sample_value
    assert value("veriscope_rule_alerts", {"state": "firing"}) == 2
    assert value("veriscope_rule_alerts", {"state": "pending"}) == 0
    labels = {"rule_group": "r.yml;g0"}
    assert value("veriscope_rule_group_interval_seconds", labels) == 0.02
    await running.until(lambda: value("veriscope_rule_group_iterations_total", labels))
    assert value("veriscope_rule_group_last_duration_seconds", labels)


# --- moments ----------------------------------------------------------------------------------


class TwoClocks:
    """A wall clock that can jump, and one that cannot."""

    def __init__(self) -> None:
        self.wall_ms = 1_000_000
        self.steady_ms = 0

    def now_ms(self) -> int:
        """Return the wall clock."""
        return self.wall_ms

    def monotonic_s(self) -> float:
        """Return the other."""
        return self.steady_ms / 1000

    def pass_by(self, s: float) -> None:
        """Let time pass."""
        self.wall_ms += round(s * 1000)
        self.steady_ms += round(s * 1000)


@pytest.fixture
def clock() -> TwoClocks:
    """Return one."""
    return TwoClocks()


def test_moments_are_an_interval_apart(clock: TwoClocks) -> None:
    """However long the evaluation took, and when the timer woke a little early."""
    slots = Slots("f;g", 60_000, clock)
    found = []
    for took_s, early_s in ((0, 0), (10, 0.02), (59, 0), (0, 0.5)):
        clock.pass_by(max(0.0, slots.wait_s() - early_s))
        slot_ms, missed = slots.take()
        found.append((slot_ms, missed))
        clock.pass_by(took_s)
    first = next_slot("f;g", 60_000, 1_000_000)
    assert found == [(first + i * 60_000, 0) for i in range(4)]


def test_what_an_evaluation_overlaps_is_missed(clock: TwoClocks) -> None:
    """The next one is for the latest moment that has passed, at once."""
    slots = Slots("f;g", 60_000, clock)
    clock.pass_by(slots.wait_s())
    first, _ = slots.take()
    clock.pass_by(200)
    assert slots.wait_s() == 0
    assert slots.take() == (first + 180_000, 2)


@pytest.mark.parametrize("jump_s", [3600, -3600, 20, -20])
def test_a_jump_of_the_clock_neither_hurries_nor_delays(clock: TwoClocks, jump_s: int) -> None:
    """The next moment comes within an interval, and none is missed."""
    slots = Slots("f;g", 60_000, clock)
    clock.pass_by(slots.wait_s())
    slots.take()
    clock.wall_ms += jump_s * 1000
    wait_s = slots.wait_s()
    assert wait_s <= 60
    clock.pass_by(wait_s)
    slot_ms, missed = slots.take()
    assert missed == 0
    assert 0 <= clock.wall_ms - slot_ms < 60_000

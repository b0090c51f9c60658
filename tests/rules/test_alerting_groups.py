"""Evaluating alerting rules: series, texts, failures, restarts and jumps of the clock."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from veriscope.query.promql import QueryResult
from veriscope.rules import Expander, GroupEvaluator, Rule, RuleHealth, parse_rule_groups
from veriscope.signals import (
    InvalidInputError,
    Labels,
    RaggedSamples,
    RawFetch,
    UnavailableError,
    VeriscopeError,
    to_labels,
)
from veriscope.signals.alerts import PostedAlert
from veriscope.templates.prometheus import RuleTemplates

Query = Callable[[str, int], QueryResult]
MINUTE = 60_000
HOUR = 60 * MINUTE


class TwoClocks:
    """A wall clock that can jump, and one that cannot."""

    def __init__(self) -> None:
        self.wall_ms = 100 * HOUR
        self.steady_ms = 0

    def now_ms(self) -> int:
        """Return the wall clock."""
        return self.wall_ms

    def monotonic_s(self) -> float:
        """Return the other."""
        return self.steady_ms / 1000

    def pass_by(self, ms: int) -> int:
        """Let time pass and return what the wall clock says."""
        self.wall_ms += ms
        self.steady_ms += ms
        return self.wall_ms


class World:
    """A group with what is around it."""

    def __init__(self, query: Query, recorded: Any) -> None:
        self.clock = TwoClocks()
        self.recorded = recorded
        self.sent: list[PostedAlert] = []
        self.failure: VeriscopeError | None = None
        self.record_failure: VeriscopeError | None = None
        self._query = query

    async def evaluate(self, rule: Rule, time_ms: int) -> QueryResult:
        """Answer, or fail."""
        if self.failure is not None:
            raise self.failure
        return await asyncio.to_thread(self._query, rule.expr, time_ms)

    async def record(self, batch: Any) -> None:
        """Store, or fail."""
        if self.record_failure is not None:
            raise self.record_failure
        await self.recorded.record(batch)

    async def send(self, alerts: Sequence[PostedAlert]) -> None:
        """Keep the alerts."""
        self.sent += alerts

    async def read_back(self, fetch: RawFetch) -> RaggedSamples:
        """Return what was recorded."""
        if self.failure is not None:
            raise self.failure
        return self.recorded.fetch(fetch, None)  # type: ignore[no-any-return]

    def group(self, text: str, **options: Any) -> GroupEvaluator:
        """Return the first group of the rule file *text*."""
        [group] = parse_rule_groups(text, "r.yml")
        return GroupEvaluator(
            group,
            interval_ms=MINUTE,
            evaluate=self.evaluate,
            record=self.record,
            clock=self.clock,
            expander=Expander(RuleTemplates({}, ""), self._query),
            send=self.send,
            external_url="http://here",
            **options,
        )

    def put(self, value: float, **labels: str) -> None:
        """Store a sample of `m` for now."""
        self.recorded.put(self.clock.now_ms(), value, __name__="m", **labels)

    async def go_on(self, group: GroupEvaluator, ms: int = MINUTE) -> int:
        """Let time pass and evaluate; return how many rules failed."""
        return await group.run_once(self.clock.pass_by(ms))


@pytest.fixture
def world(query: Query, recorded: Any) -> World:
    """Return one in which nothing was recorded."""
    return World(query, recorded)


def one(expr: str, rest: str = "") -> str:
    """Return a file with one alerting rule."""
    return f"groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'{rest}}}]}}]"


def alerts_series(state: str, **labels: str) -> Labels:
    """Return the labels of a series of `ALERTS`."""
    return to_labels({"__name__": "ALERTS", "alertname": "A", "alertstate": state, **labels})


async def test_alerts_are_series_too(world: World) -> None:
    """One for the state, which ends where the state does, and one for the begin."""
    group = world.group(one("m > 1", ", for: 1m"))
    world.put(2.0, i="x")
    assert await world.go_on(group) == 0
    assert await world.go_on(group) == 0
    world.put(0.0, i="x")
    assert await world.go_on(group) == 0
    first, second, third = (100 * HOUR + MINUTE * i for i in (1, 2, 3))
    pending = world.recorded.series[alerts_series("pending", i="x")]
    assert [*pending][:2] == [first, second]
    assert (pending[first], math.isnan(pending[second])) == (1.0, True)
    firing = world.recorded.series[alerts_series("firing", i="x")]
    assert (firing[second], math.isnan(firing[third])) == (1.0, True)
    since = to_labels({"__name__": "ALERTS_FOR_STATE", "alertname": "A", "i": "x"})
    begun = world.recorded.series[since]
    assert [begun[first], begun[second]] == [first / 1000] * 2
    assert math.isnan(begun[third])
    assert [(a.starts_at_ms, a.ends_at_ms) for a in world.sent] == [
        (second, second + 4 * MINUTE),
        (second, third),
    ]


async def test_the_rules_of_a_group_are_recorded_together(world: World) -> None:
    """In one batch, whose labels are the same object while the series stay the same."""
    rules = "{alert: A, expr: m}, {record: r, expr: m}, {record: s, expr: '1'}"
    group = world.group(f"groups: [{{name: g, rules: [{rules}]}}]")
    world.put(1.0, i="x")
    await world.go_on(group)
    await world.go_on(group)
    first, second = world.recorded.batches
    assert len(first.labels) == 4
    assert first.labels is second.labels


async def test_labels_and_annotations_are_filled_in(world: World) -> None:
    """Those of the group too; an empty label goes, an empty annotation stays."""
    text = """
groups:
- name: g
  labels: {team: "web-{{ $value }}", severity: none}
  rules:
  - alert: A
    expr: m
    labels: {severity: page, i: "", alertname: mine}
    annotations: {summary: "{{ .Value }} of {{ $labels.job }}", none: ""}
"""
    group = world.group(text)
    world.put(3.0, i="x", job="j")
    assert await world.go_on(group) == 0
    [alert] = group.state.rules[0].active
    assert dict(alert.labels) == {
        "alertname": "A", "job": "j", "severity": "page", "team": "web-3"
    }  # fmt: skip
    assert dict(alert.annotations) == {"summary": "3 of j", "none": ""}


async def test_a_text_that_fails_says_so_in_its_place(world: World) -> None:
    """The alert goes out all the same."""
    group = world.group(one("m", ', annotations: {summary: "{{ $value.nope }}"}'))
    world.put(1.0)
    assert await world.go_on(group) == 0
    [sent] = world.sent
    text = dict(sent.annotations)["summary"]
    assert text.startswith("<error expanding template: error executing template __alert_A: ")


async def test_a_text_may_ask_for_more(world: World) -> None:
    """At the time of the evaluation."""
    group = world.group(
        one("vector(1)", ', annotations: {summary: "{{ query `m` | first | value }}"}')
    )
    world.put(7.0)
    assert await world.go_on(group) == 0
    assert dict(world.sent[0].annotations) == {"summary": "7"}


async def test_a_rule_that_cannot_be_evaluated_keeps_its_alerts_and_sends_them(
    world: World,
) -> None:
    """A store that is away resolves nothing: the end moves on with each evaluation."""
    group = world.group(one("m"))
    world.put(1.0)
    await world.go_on(group)
    world.failure = UnavailableError("the store is away")
    for _ in range(4):
        assert await world.go_on(group) == 1
    state = group.state.rules[0]
    assert (state.health, state.error) == (RuleHealth.BAD, "the store is away")
    assert len(state.active) == 1
    ends = [alert.ends_at_ms for alert in world.sent]
    assert ends == [100 * HOUR + i * MINUTE for i in (5, 7, 9)]
    assert len({alert.starts_at_ms for alert in world.sent}) == 1


async def test_alerts_are_sent_also_where_they_cannot_be_recorded(world: World) -> None:
    """The rule is at fault for what was not recorded, and ends are marked later."""
    group = world.group(one("m"))
    world.put(1.0)
    world.record_failure = UnavailableError("the disk is full")
    assert await world.go_on(group) == 1
    assert len(world.sent) == 1
    world.record_failure = None
    assert await world.go_on(group) == 0


async def test_a_crash_is_the_rule_s_own_fault(world: World) -> None:
    """The others go on."""

    async def evaluate(rule: Rule, time_ms: int) -> QueryResult:
        if rule.alert == "B":
            raise ZeroDivisionError
        return await world.evaluate(rule, time_ms)

    [group] = parse_rule_groups(
        "groups: [{name: g, rules: [{alert: B, expr: '1'}, {alert: A, expr: '1'}]}]", "r.yml"
    )
    found = GroupEvaluator(
        group,
        interval_ms=MINUTE,
        evaluate=evaluate,
        record=world.record,
        clock=world.clock,
        expander=Expander(RuleTemplates({}, ""), lambda *_: pytest.fail("asked")),
    )
    assert await found.run_once(MINUTE) == 1
    bad, fine = found.state.rules
    assert "ZeroDivisionError" in bad.error
    assert (fine.health, len(fine.active)) == (RuleHealth.OK, 1)


async def test_an_offset_moves_what_is_asked_not_what_is_said(world: World) -> None:
    """Expressions and series lie in the past, alerts begin at the evaluation."""
    world.put(1.0)
    group = world.group(one("m"), query_offset_ms=30_000)
    assert await world.go_on(group, 30_000) == 0
    [alert] = group.state.rules[0].active
    assert alert.active_at_ms == 100 * HOUR + 30_000
    assert list(world.recorded.series[alerts_series("firing")]) == [100 * HOUR]


# --- jumps of the clock -----------------------------------------------------------------------


@pytest.mark.parametrize("jump_ms", [HOUR, -HOUR, 30_000, -30_000])
async def test_a_pending_alert_fires_after_its_time_whatever_the_clock_says(
    world: World, jump_ms: int
) -> None:
    """Neither an hour too early nor an hour too late."""
    group = world.group(one("vector(1)", ", for: 10m"))
    for _ in range(3):
        await world.go_on(group)
    world.clock.wall_ms += jump_ms
    fired_after = None
    for minute in range(3, 20):
        await world.go_on(group)
        if group.state.rules[0].alerting.state == "firing":  # type: ignore[union-attr]
            fired_after = minute
            break
    assert fired_after == 10


@pytest.mark.parametrize("jump_ms", [HOUR, -HOUR])
async def test_a_jump_of_the_clock_resolves_nothing(world: World, jump_ms: int) -> None:
    """For five minutes, in which data of the new time comes in, alerts stay and are sent on."""
    group = world.group(one("m"))
    world.put(1.0)
    await world.go_on(group)
    world.clock.wall_ms += jump_ms
    assert await world.go_on(group) == 1
    state = group.state.rules[0]
    spelled = "+1h" if jump_ms > 0 else "-1h"
    assert state.error.startswith(f"the wall clock has jumped by {spelled};")
    for _ in range(4):
        await world.go_on(group)
        assert len(state.active) == 1
    now_ms = world.clock.now_ms()
    assert (world.sent[-1].ends_at_ms or 0) > now_ms
    assert world.sent[-1].starts_at_ms == now_ms - 5 * MINUTE
    assert await world.go_on(group) == 0
    assert state.active == ()


# --- after a restart --------------------------------------------------------------------------

GRACE = ", for: 30m"


async def restarted(world: World, before: str, *, up_min: int, down_min: int, after: str) -> Any:
    """Run for some minutes, be away, and return the alert after two evaluations."""
    old = world.group(before)
    for _ in range(up_min + 1):
        await world.go_on(old)
    world.clock.pass_by((down_min - 1) * MINUTE)
    new = world.group(after, read_back=world.read_back)
    for _ in range(2):
        await world.go_on(new)
    [alert] = new.state.rules[0].active
    return alert


@pytest.mark.parametrize(
    ("hold", "up_min", "down_min", "expected"),
    [
        pytest.param("30m", 5, 10, ("pending", 5), id="was-pending"),
        pytest.param("30m", 25, 10, ("pending", 20), id="nearly-over"),
        pytest.param("30m", 31, 10, ("firing", 42), id="had-fired"),
        pytest.param("5m", 2, 10, ("pending", 1), id="short-pending"),
        pytest.param("5m", 6, 10, ("firing", 17), id="short-had-fired"),
        pytest.param("30m", 31, 80, ("pending", 1), id="too-long-away"),
    ],
)
async def test_what_was_before_a_restart_goes_on(
    world: World, hold: str, up_min: int, down_min: int, expected: tuple[str, int]
) -> None:
    """The time away does not count as pending; at least ten minutes are left of it."""
    text = one("vector(1)", f", for: {hold}")
    alert = await restarted(world, text, up_min=up_min, down_min=down_min, after=text)
    ago_ms = world.clock.now_ms() - alert.active_at_ms
    assert (str(alert.state), ago_ms / MINUTE) == expected


async def test_an_alert_that_ended_before_the_restart_begins_anew(world: World) -> None:
    """Its series has a marker of its end."""
    text = one("m > 1", GRACE)
    old = world.group(text)
    world.put(2.0)
    for _ in range(3):
        await world.go_on(old)
    world.put(0.0)
    await world.go_on(old)
    new = world.group(text, read_back=world.read_back)
    world.put(2.0)
    for _ in range(2):
        await world.go_on(new)
    [alert] = new.state.rules[0].active
    assert alert.active_at_ms == world.clock.now_ms() - MINUTE


async def test_a_store_that_is_away_at_the_restart_is_asked_again(world: World) -> None:
    """Until then nothing is written that would hide what is stored."""
    text = one("vector(1)", GRACE)
    old = world.group(text)
    for _ in range(32):
        await world.go_on(old)
    new = world.group(text, read_back=world.read_back)
    await world.go_on(new)
    world.failure = UnavailableError("away")
    for _ in range(3):
        assert await world.go_on(new) == 1
    world.failure = None
    assert await world.go_on(new) == 0
    [alert] = new.state.rules[0].active
    assert alert.state == "firing"


async def test_only_the_rule_whose_series_are_refused_fails(world: World) -> None:
    """What the others of the batch write is stored."""
    take = world.record

    async def record(batch: Any) -> None:
        if any(("__name__", "bad") in labels for labels in batch.labels):
            raise InvalidInputError("too many series")
        await take(batch)

    world.record = record  # type: ignore[method-assign]
    rules = "{record: bad, expr: '1'}, {record: fine, expr: '2'}"
    group = world.group(f"groups: [{{name: g, rules: [{rules}]}}]")
    assert await world.go_on(group) == 1
    bad, fine = group.state.rules
    assert (bad.error, fine.error) == ("too many series", "")
    assert (("__name__", "fine"),) in world.recorded.series

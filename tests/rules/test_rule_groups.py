"""Evaluating a group: what is recorded, what becomes stale, what fails."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from veriscope.query.promql import QueryResult, QueryStats, ResultKind
from veriscope.rules import (
    Expander,
    GroupEvaluator,
    Rule,
    RuleHealth,
    RuleLoop,
    RuleOptions,
    parse_rule_groups,
)
from veriscope.rules.dependencies import stages
from veriscope.rules.reads import Prepare
from veriscope.rules.slots import next_slot
from veriscope.signals import (
    Duration,
    Grid,
    HistogramPoints,
    LabelSets,
    ManualClock,
    Matrix,
    SystemClock,
    UnavailableError,
    to_labels,
)
from veriscope.signals.histograms import Buckets, Histograms, Runs
from veriscope.templates.prometheus import RuleTemplates

Query = Callable[[str, int], QueryResult]


def evaluator(
    text: str, query: Query, recorded: Any, prepare: Prepare | None = None
) -> GroupEvaluator:
    """Return the first group of the rule file *text*."""

    async def evaluate(rule: Rule, time_ms: int) -> QueryResult:
        return await asyncio.to_thread(query, rule.expr, time_ms)

    [group] = parse_rule_groups(text, "r.yml")
    return GroupEvaluator(
        group,
        interval_ms=60_000,
        evaluate=evaluate,
        record=recorded.record,
        clock=ManualClock(),
        expander=Expander(RuleTemplates({}, ""), query),
        prepare=prepare,
    )


async def test_what_is_read_is_prepared_once(query: Query, recorded: Any) -> None:
    """Before the first evaluation; a store that is away then is no failure of a rule."""
    asked: list[tuple[tuple[str, ...], int, int]] = []

    def prepare(metrics: Sequence[str], start_ms: int, end_ms: int) -> None:
        asked.append((tuple(metrics), start_ms, end_ms))
        raise UnavailableError("the store is away")

    text = (
        "groups: [{name: g, rules: ["
        "{record: r, expr: a + b}, {record: s, expr: 'max_over_time(c[5m])'}]}]"
    )
    group = evaluator(text, query, recorded, prepare)
    for _ in range(2):
        assert await group.run_once(3_600_000) == 0
    assert asked == [(("a", "b", "c"), 3_600_000 - 600_000, 3_600_000)]


async def test_a_rule_records_its_vector_with_its_labels(query: Query, recorded: Any) -> None:
    """The rule's labels win over the group's, which win over the vector's; empty ones go."""
    recorded.put(1_000, 2.0, __name__="m", job="a", zone="z")
    group = evaluator(
        """
groups:
- name: g
  labels: {team: web, job: group}
  rules: [{record: 'm:doubled', expr: m * 2, labels: {job: rule, zone: ''}}]
""",
        query,
        recorded,
    )
    assert await group.run_once(2_000) == 0
    name = to_labels({"__name__": "m:doubled", "job": "rule", "team": "web"})
    assert recorded.series[name] == {2_000: 4.0}
    assert group.state.rules[0].health is RuleHealth.OK


async def test_a_rule_sees_what_an_earlier_one_recorded(query: Query, recorded: Any) -> None:
    """In the same evaluation, at the same time."""
    group = evaluator(
        "groups: [{name: g, rules: [{record: a, expr: '20'}, {record: b, expr: a + 1}]}]",
        query,
        recorded,
    )
    assert await group.run_once(5_000) == 0
    assert recorded.series[(("__name__", "b"),)] == {5_000: 21.0}


async def test_a_series_that_is_not_there_any_more_becomes_stale(
    query: Query, recorded: Any
) -> None:
    """Once, at the evaluation that misses it first."""
    recorded.put(1_000, 1.0, __name__="m", i="x")
    recorded.put(1_000, 1.0, __name__="m", i="y")
    recorded.put(400_000, 1.0, __name__="m", i="y")
    group = evaluator("groups: [{name: g, rules: [{record: r, expr: m}]}]", query, recorded)
    for time_ms in (2_000, 401_000, 402_000):
        assert await group.run_once(time_ms) == 0
    ended = recorded.series[to_labels({"__name__": "r", "i": "x"})]
    assert list(ended) == [2_000, 401_000]
    assert math.isnan(ended[401_000])
    assert list(recorded.series[to_labels({"__name__": "r", "i": "y"})]) == [
        2_000,
        401_000,
        402_000,
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{record: r, expr: 'm + on() group_left() n'}", "duplicate series"),
        ("{record: r, expr: m, labels: {i: ''}}", "same labelset after applying rule labels"),
        ("{record: r, expr: 'm[5m]'}", "gives a matrix"),
    ],
)
async def test_a_rule_that_fails_records_nothing_and_stops_no_other(
    rule: str, message: str, query: Query, recorded: Any
) -> None:
    """Its health says why."""
    for i in ("x", "y"):
        recorded.put(1_000, 1.0, __name__="m", i=i)
        recorded.put(1_000, 1.0, __name__="n", i=i)
    text = f"groups: [{{name: g, rules: [{rule}, {{record: fine, expr: '1'}}]}}]"
    group = evaluator(text, query, recorded)
    assert await group.run_once(2_000) == 1
    bad, fine = group.state.rules
    assert bad.health is RuleHealth.BAD
    assert message in bad.error
    assert fine.health is RuleHealth.OK
    assert [name for name in recorded.series if name[0][1] == "r"] == []


async def test_a_rule_past_its_group_s_limit_fails(query: Query, recorded: Any) -> None:
    """And what it had recorded before is not marked stale: nothing is known of it."""
    recorded.put(1_000, 1.0, __name__="m", i="x")
    text = "groups: [{name: g, limit: 1, rules: [{record: r, expr: m}]}]"
    group = evaluator(text, query, recorded)
    assert await group.run_once(2_000) == 0
    recorded.put(2_500, 1.0, __name__="m", i="y")
    assert await group.run_once(3_000) == 1
    assert group.state.rules[0].error == "exceeded limit of 1 with 2 series"
    assert recorded.series[to_labels({"__name__": "r", "i": "x"})] == {2_000: 1.0}


async def test_label_sets_that_stay_are_the_same_object(query: Query, recorded: Any) -> None:
    """So that the store need not hash them again at each evaluation."""
    group = evaluator("groups: [{name: g, rules: [{record: r, expr: '1'}]}]", query, recorded)
    await group.run_once(1_000)
    await group.run_once(2_000)
    first, second = recorded.batches
    assert first.labels == second.labels


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([("a", "x"), ("b", "y")], [[0, 1]]),
        ([("a", "x"), ("b", "a")], [[0], [1]]),
        ([("a", "x"), ("b", "rate(a[5m])"), ("c", "b"), ("d", "x")], [[0], [1], [2, 3]]),
        ([("a", "x"), ("b", '{job="j"}')], [[0], [1]]),
        ([("a", "x"), ("b", '{__name__=~"a|c"}')], [[0], [1]]),
        ([("a", "x"), ("b", '{__name__!~"a.*", job="j"}')], [[0, 1]]),
        ([("a", "x"), ("b", "max_over_time(sum(a)[1h:1m])")], [[0], [1]]),
        ([("a", "x"), ("b", "topk(scalar(a), x)")], [[0], [1]]),
    ],
)
def test_rules_that_read_no_other_are_evaluated_at_once(
    rules: list[tuple[str, str]], expected: list[list[int]]
) -> None:
    """A rule that may read an earlier one begins a new stage."""
    lines = "\n".join(f"  - {{record: {name}, expr: '{expr}'}}" for name, expr in rules)
    [group] = parse_rule_groups(f"groups:\n- name: g\n  rules:\n{lines}\n", "r.yml")
    assert stages(group.rules) == expected


def test_a_group_has_its_own_moment_in_its_interval() -> None:
    """The same after a restart, and never in the past."""
    slots = {next_slot(f"f;{i}", 60_000, 1_000_000) for i in range(20)}
    assert len(slots) > 10
    assert all(1_000_000 <= slot < 1_060_000 for slot in slots)
    again = next_slot("f;1", 60_000, 1_000_000)
    assert next_slot("f;1", 60_000, again) == again
    assert next_slot("f;1", 60_000, again + 1) == again + 60_000


async def test_the_loop_evaluates_at_each_interval_and_counts(query: Query, recorded: Any) -> None:
    """At aligned times less the offset; it ends when it is told to."""
    groups = parse_rule_groups(
        "groups: [{name: g, interval: 50ms, query_offset: 1s, rules: [{record: r, expr: '7'}]}]",
        "r.yml",
    )
    registry = CollectorRegistry()
    stop, enough = asyncio.Event(), asyncio.Event()

    async def record(batch: Any) -> None:
        await recorded.record(batch)
        if len(recorded.batches) == 3:
            enough.set()

    loop = RuleLoop(
        groups,
        RuleOptions(),
        interval=Duration(60_000),
        query_offset=Duration(0),
        query=query,
        record=record,
        clock=SystemClock(),
        registry=registry,
    )
    running = asyncio.create_task(loop.run(stop))
    await asyncio.wait_for(enough.wait(), 20)
    stop.set()
    await running
    times = list(recorded.series[(("__name__", "r"),)])
    assert len({time_ms % 50 for time_ms in times}) == 1
    labels = {"rule_group": "r.yml;g"}
    counted = registry.get_sample_value("veriscope_rule_evaluations_total", labels)
    assert counted == len(times)
    assert loop.states()[0].rules[0].health is RuleHealth.OK


async def test_native_histograms_are_recorded_as_what_they_are(query: Query) -> None:
    """Beside the floats of the same vector, each in a batch of its own kind."""
    grid = Grid.instant(1_000)
    labels = LabelSets([(("i", "float"),), (("i", "native"),)])
    one = np.ones(1)
    buckets = Buckets(np.array([0, 1]), np.array([1], dtype=np.int32), 3 * one)
    histograms = Histograms(
        schema=np.zeros(1, dtype=np.int8),
        reset_hint=np.zeros(1, dtype=np.int8),
        count=3 * one,
        sum=5 * one,
        zero_threshold=0 * one,
        zero_count=0 * one,
        positive=buckets,
        negative=Buckets.none(1),
        bounds=Runs.none(1),
    )
    points = HistogramPoints(np.array([1]), np.array([0]), histograms)
    vector = Matrix(labels, grid, np.array([[2.0], [0.0]]), np.ones((2, 1), dtype=bool), points)
    batches: list[Any] = []

    async def evaluate(_rule: Rule, _time_ms: int) -> QueryResult:
        return QueryResult(ResultKind.VECTOR, grid, vector, (), (), QueryStats(0.0, 0))

    async def record(batch: Any) -> None:
        batches.append(batch)

    [group] = parse_rule_groups("groups: [{name: g, rules: [{record: r, expr: h}]}]", "r.yml")
    rule = GroupEvaluator(
        group,
        interval_ms=60_000,
        evaluate=evaluate,
        record=record,
        clock=ManualClock(),
        expander=Expander(RuleTemplates({}, ""), query),
    )
    assert await rule.run_once(1_000) == 0
    floats, native = batches
    assert [floats.labels[row] for row in floats.series] == [(("__name__", "r"), ("i", "float"))]
    assert floats.values.tolist() == [2.0]
    assert [native.labels[row] for row in native.series] == [(("__name__", "r"), ("i", "native"))]
    assert native.values.sum.tolist() == [5.0]
    assert native.timestamps_ms.tolist() == [1_000]

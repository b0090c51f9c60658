"""Rules on log records and spans: how they are written, and what they give."""

import re
from pathlib import Path

import numpy as np
import pytest

from veriscope.query import logs, traces
from veriscope.rules import Rule, parse_rule_groups
from veriscope.rules.conditions import parse_threshold
from veriscope.rules.searching import ConditionSearch
from veriscope.signals import FetchLimits, InvalidInputError, Labels, Matrix
from veriscope.signals.searches import Figure, Groups, Tally
from veriscope.signals.yaml_documents import DocumentError

NOON_MS = 1_700_000_000_000
LIMITS = FetchLimits(max_series=7)


def one_rule(text: str) -> Rule:
    """Return the rule that is written as *text*."""
    [group] = parse_rule_groups(f"groups:\n- name: g\n  rules:\n  - {text}\n", "r.yml")
    return group.rules[0]


def test_conditions_are_read_and_shown_in_one_line() -> None:
    """A search stands in place of an expression."""
    rule = one_rule(
        "{alert: Errors, logs: {query: 'level:error AND service:chat', window: 10m,"
        " by: [service, http.route], value: rate}, threshold: '> 0.5', for: 1m}"
    )
    assert rule.expr == ""
    assert rule.source == rule.logs
    assert rule.text == (
        "logs[10m] level:error AND service:chat | rate by (service, http.route) > 0.5"
    )
    recorded = one_rule("{record: spans:p95, traces: {query: '*', value: p95}}")
    assert recorded.text == "traces[5m] * | p95"
    plain = one_rule("{alert: Up, expr: up == 0}")
    assert (plain.source, plain.text) == (None, "up == 0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{alert: A, logs: {query: '*'}}", "r.yml:4: .*`threshold` must be set"),
        ("{alert: A, expr: up, threshold: '> 1'}", "r.yml:4: .*compare in `expr`"),
        ("{record: a, logs: {query: '*'}, threshold: '> 1'}", "`threshold` is for alerts"),
        ("{alert: A, expr: up, logs: {query: '*'}, threshold: '> 1'}", "remove the others"),
        ("{alert: A, threshold: '> 1'}", "`expr` must be set"),
        ("{alert: A, logs: {query: 'a AND'}, threshold: '> 1'}", "r.yml:4: .*1:6: .*too early"),
        ("{alert: A, logs: {query: '*', value: p95}, threshold: '> 1'}", "r.yml:4: .*'p95'"),
        ("{alert: A, logs: {query: '*', by: [body]}, threshold: '> 1'}", "too many values"),
        ("{alert: A, logs: {query: '*', by: [a.b, a_b]}, threshold: '> 1'}", "label 'a_b'"),
        ("{alert: A, logs: {query: '*', window: 0s}, threshold: '> 1'}", "write it as 5m"),
        ("{alert: A, logs: {query: '*', since: 5m}, threshold: '> 1'}", "unknown key `since`"),
        ("{alert: A, logs: {query: '*'}, threshold: '> 2s'}", "write it as '> 10'"),
        ("{alert: A, logs: {query: '*'}, threshold: '10'}", "write it as '> 10'"),
        ("{alert: A, traces: {query: '*', value: p95}, threshold: 'x'}", "write it as '> 2s'"),
        ("{alert: A, traces: {query: 'duration:>5'}, threshold: '> 1'}", "250ms"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_wrong_in_a_condition_is_said(text: str, message: str) -> None:
    """File, line, fault and cure."""
    with pytest.raises(DocumentError, match=message):
        one_rule(text)


@pytest.mark.parametrize(
    ("text", "value", "op", "number"),
    [
        ("> 10", "count", ">", 10.0),
        ("<=-1.5e3", "rate", "<=", -1500.0),
        ("> 250ms", "p99", ">", 0.25),
        (">= 1m30s", "mean", ">=", 90.0),
        ("> 2", "p95", ">", 2.0),
        ("> 5%", "error_rate", ">", 0.05),
        ("== 0.5", "error_rate", "==", 0.5),
    ],
)
def test_thresholds_have_the_units_of_their_figure(
    text: str, value: str, op: str, number: float
) -> None:
    """Latencies are seconds and take units, shares take percents."""
    threshold = parse_threshold(text, value)
    assert threshold.op == op
    assert threshold.number == pytest.approx(number)
    with pytest.raises(InvalidInputError, match="no comparison"):
        parse_threshold("> 5%", "count")


class Source:
    """Answers with what it was given, and keeps what it was asked."""

    def __init__(self, groups: dict[tuple[str, ...], float]) -> None:
        self.asked: list[Tally] = []
        self._groups = groups

    def tally(self, tally: Tally, limits: FetchLimits) -> Groups:
        """Keep *tally*."""
        assert limits is LIMITS
        self.asked.append(tally)
        return Groups(tuple(self._groups), np.array(list(self._groups.values())))


def found(rule: Rule, records: Source, spans: Source) -> dict[Labels, float]:
    """Return what the condition of *rule* gives at noon."""
    result = ConditionSearch(records, spans, LIMITS).search(rule, NOON_MS)
    assert isinstance(result.value, Matrix)
    assert result.grid.start_ms == NOON_MS
    return dict(zip(result.value.labels, result.value.values[:, 0].tolist(), strict=True))


def test_a_condition_gives_a_series_for_each_group_over_its_threshold() -> None:
    """Fields become labels, an absent field has none, and a rate is a second's."""
    records = Source({("chat", ""): 600.0, ("chat", "/v1"): 1_200.0, ("image", "/v1"): 60.0})
    rule = one_rule(
        "{alert: A, logs: {query: '*', window: 10m, by: [service, http.route], value: rate},"
        " threshold: '>= 1'}"
    )
    assert found(rule, records, Source({})) == {
        (("service", "chat"),): 1.0,
        (("http_route", "/v1"), ("service", "chat")): 2.0,
    }
    [tally] = records.asked
    assert tally.figure is Figure.COUNT
    assert (tally.search.start_ms, tally.search.end_ms) == (NOON_MS - 600_000, NOON_MS)


def test_absence_can_raise_an_alert() -> None:
    """A count without groups is there even where it is zero."""
    rule = one_rule("{alert: Silent, logs: {query: 'heartbeat'}, threshold: '< 1'}")
    assert found(rule, Source({(): 0.0}), Source({})) == {(): 0.0}
    assert found(rule, Source({(): 1.0}), Source({})) == {}


def test_a_recording_rule_has_every_value() -> None:
    """Without a threshold nothing is left out; spans are asked of their own source."""
    spans = Source({("a",): 0.25, ("b",): 0.0})
    rule = one_rule("{record: errors, traces: {query: '*', by: [service], value: error_rate}}")
    assert found(rule, Source({}), spans) == {(("service", "a"),): 0.25, (("service", "b"),): 0.0}
    assert spans.asked[0].figure is Figure.ERROR_RATE


def test_the_examples_of_the_documentation_are_read() -> None:
    """Every rule and search that the page shows is one."""
    page = (Path(__file__).parents[2] / "docs" / "log-search.md").read_text(encoding="utf-8")
    rules, searches = (
        re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("yaml", "text")
    )
    assert rules is not None
    assert searches is not None
    [group] = parse_rule_groups(rules[1], "page.yml")
    assert all(rule.source for rule in group.rules)
    for search in searches[1].splitlines():
        (traces if "duration" in search else logs).parse(search)

"""Objective files: what they are compiled to, and what is said of wrong ones."""

import shutil
import subprocess
from pathlib import Path

import pytest

from veriscope.query.promql import parse
from veriscope.rules import RuleGroup, parse_rule_groups
from veriscope.rules.slo import (
    as_rule_file,
    is_slo_document,
    load_objectives,
    load_slo_groups,
    parse_slo_groups,
)
from veriscope.signals.yaml_documents import DocumentError

SLOTH = """
version: "prometheus/v1"
service: inference
labels: {team: ml}
slos:
  - name: availability
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(answers_total{code=~"5.."}[{{.window}}]))
        total_query: sum(rate(answers_total[{{ .window }}]))
    alerting:
      name: InferenceErrors
      page_alert: {labels: {severity: critical}}
      ticket_alert: {labels: {severity: warning}}
"""
RAW = """
version: prometheus/v1
service: inference
slos:
- name: quality
  objective: 95
  sli: {raw: {error_ratio_query: '1 - avg_over_time(quality[{{.window}}])'}}
  alerting: {page_alert: {disable: true}, ticket_alert: {disable: true}}
"""
OPENSLO = """
apiVersion: openslo/v1
kind: Service
metadata: {name: inference}
spec: {description: Answers questions}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: good}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {type: Prometheus, spec: {query: 'answers_total{code!~"5.."}'}}}
    total: {metricSource: {type: Prometheus, spec: {query: answers_total}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability, labels: {team: [ml, web]}}
spec:
  service: inference
  indicatorRef: good
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
"""
THRESHOLD = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: latency}
spec:
  service: inference
  indicator: {spec: {thresholdMetric: {metricSource: {spec: {query: p99_seconds}}}}}
  timeWindow: [{duration: 1M, isRolling: true}]
  budgetingMethod: Timeslices
  objectives:
  - {displayName: Fast enough, op: lte, value: 0.5, targetPercent: 99, timeSliceTarget: 0.9,
     timeSliceWindow: 2m}
  - {op: lt, value: 2, targetPercent: 99.9, timeSliceTarget: 0.9}
"""
FORMATS = {"sloth": SLOTH, "raw": RAW, "openslo": OPENSLO, "threshold": THRESHOLD}


def expressions(groups: tuple[RuleGroup, ...]) -> dict[str, str]:
    """Return each recorded series' expression, on one line."""
    return {
        rule.record: " ".join(rule.expr.split())
        for group in groups
        for rule in group.rules
        if rule.record
    }


@pytest.mark.parametrize("text", FORMATS.values(), ids=FORMATS)
def test_what_is_compiled_is_a_rule_file(text: str) -> None:
    """It reads back as the same groups, and every expression is PromQL."""
    groups = parse_slo_groups(text, "slo.yml")
    again = parse_rule_groups(as_rule_file(groups), "slo.yml")
    assert again == groups
    assert all(parse(rule.expr) for group in groups for rule in group.rules)


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("text", FORMATS.values(), ids=FORMATS)
def test_promtool_accepts_what_is_compiled(text: str, tmp_path: Path) -> None:
    """Without a warning of duplicate rules."""
    path = tmp_path / "rules.yml"
    path.write_text(as_rule_file(parse_slo_groups(text, "slo.yml")))
    found = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_sloth_s_names_and_labels_are_kept() -> None:
    """So that dashboards made for Sloth go on working."""
    ratios, metadata, alerts = parse_slo_groups(SLOTH, "slo.yml")
    windows = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"]
    rates = [r for r in ratios.rules if r.record.startswith("slo:sli_error:ratio_rate")]
    assert [rule.record for rule in rates] == [f"slo:sli_error:ratio_rate{w}" for w in windows]
    identity = {
        "sloth_id": "inference-availability",
        "sloth_service": "inference",
        "sloth_slo": "availability",
    }
    for rule, window in zip(rates, windows, strict=True):
        assert rule.labels == {**identity, "team": "ml", "sloth_window": window}
    assert [rule.record for rule in metadata.rules] == [
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:time_period:days",
        "slo:current_burn_rate:ratio",
        "slo:period_burn_rate:ratio",
        "slo:period_error_budget_remaining:ratio",
        "sloth_slo_info",
    ]
    assert [(r.alert, r.labels["sloth_severity"], r.labels["severity"]) for r in alerts.rules] == [
        ("InferenceErrors", "page", "critical"),
        ("InferenceErrors", "ticket", "warning"),
    ]


def test_openslo_s_selectors_become_rates() -> None:
    """Of a counter, summed up; what is bad is what is not good."""
    found = expressions(parse_slo_groups(OPENSLO, "slo.yml"))
    total = "sum(rate(answers_total[5m]))"
    good = 'sum(rate(answers_total{code!~"5.."}[5m]))'
    assert found["slo:sli_error:ratio_rate5m"] == (
        f"((({total}) - ({good})) or 0 * ({total})) / (({total}) > 0)"
    )
    assert "slo:sli_error:ratio_rate4w" in found
    assert "veriscope_slo_info" in found


def test_slices_are_good_or_bad() -> None:
    """A threshold is looked at throughout each slice, at the slice's interval."""
    ratios, *_ = parse_slo_groups(THRESHOLD, "slo.yml")
    assert ratios.name == "slo-sli-inference-latency-fast-enough"
    assert ratios.interval == 120_000
    found = expressions((ratios,))
    assert found["slo:sli_error:slice"] == (
        "avg_over_time(((p99_seconds) > bool 0.5)[2m:]) > bool 0.1"
    )
    assert found["slo:sli_error:ratio_rate1h"].startswith("avg_over_time(slo:sli_error:slice{")


@pytest.mark.parametrize(
    ("query", "counter", "expected"),
    [
        ("sum(rate(x[5m]))", "true", "sum(rate(x[1h]))"),
        ("rate(x[5m])", "true", "sum(rate(x[1h]))"),
        ("x_total", "false", "sum(sum_over_time(x_total[1h]))"),
        ("sum by (zone) (x)", "true", "sum by (zone) (rate(x[1h]))"),
        ("sum(increase(x[{{.window}}]))", "true", "sum(increase(x[1h]))"),
        ("sum(rate(a[1m]) + rate(b[2m]))", "true", "sum(rate(a[1h]) + rate(b[1h]))"),
    ],
)
def test_a_query_takes_the_window(query: str, counter: str, expected: str) -> None:
    """Wherever it has a range, or would need one."""
    text = OPENSLO.replace("query: answers_total}", f"query: '{query}'}}").replace(
        "counter: true", f"counter: {counter}"
    )
    assert (
        f"(({expected}) > 0)"
        in expressions(parse_slo_groups(text, "f"))["slo:sli_error:ratio_rate1h"]
    )


def test_burn_rates_follow_the_period() -> None:
    """A share of the budget of 90 days is three times that of 30; never under 1."""
    for period, rates in (("90d", ("43.2", "18", "9", "3")), ("7d", ("3.36", "1.4", "1", "1"))):
        groups = parse_slo_groups(OPENSLO.replace("duration: 4w", f"duration: {period}"), "f")
        page, ticket = groups[-1].rules
        lines = [line for rule in (page, ticket) for line in rule.expr.splitlines() if ">" in line]
        found = [line.split("> (")[1].split(" *")[0] for line in lines]
        assert found == [rate for rate in rates for _ in ("short", "long")]


def test_objectives_name_what_is_recorded(tmp_path: Path) -> None:
    """Every series that a page reads is one that a rule writes."""
    for name, text in FORMATS.items():
        (tmp_path / f"{name}.yml").write_text(text.replace("service: inf", f"service: {name}-inf"))
    patterns = [str(tmp_path / "*.yml")]
    written = {rule.record for group in load_slo_groups(patterns) for rule in group.rules}
    objectives = load_objectives(patterns)
    assert len(objectives) == 5
    for objective in objectives:
        series = [series for _, series in objective.error_ratio]
        series += [objective.budget_remaining, objective.burn_rate, objective.period_burn_rate]
        assert set(series) <= written
    assert min(objective.budget for objective in objectives) == pytest.approx(0.001)


@pytest.mark.parametrize("text", FORMATS.values(), ids=FORMATS)
def test_objective_files_are_told_from_rule_files(text: str) -> None:
    """By the keys at their top."""
    assert is_slo_document(text)
    assert not is_slo_document(as_rule_file(parse_slo_groups(text, "f")))
    assert not is_slo_document("groups: [")


@pytest.mark.parametrize(
    ("text", "before", "after", "error"),
    [
        (SLOTH, "objective: 99.9", "objective: 100", "slo.yml:6: an objective of 100%"),
        (SLOTH, "[{{ .window }}]", "[5m]", "slo.yml:9: `total_query`: it has no {{.window}}"),
        (SLOTH, "sum(rate(answers_total[", "sum(rate(answers_total(", "slo.yml:9: `total_query`"),
        (SLOTH, "name: InferenceErrors", "labels: {}", "`alerting` needs a `name`"),
        (SLOTH, "events:\n", "plugin: {id: x}\n      events:\n", "plugins are programs"),
        (SLOTH, "labels: {team", "lables: {team", "slo.yml:4: unknown key `lables`"),
        (SLOTH, "prometheus/v1", "prometheus/v9", "slo.yml:2: neither OpenSLO v1"),
        (OPENSLO, "indicatorRef: good", "indicatorRef: bad", "there is no SLI 'bad'"),
        (OPENSLO, "isRolling: true", "isRolling: false", "slo.yml:22: only rolling windows"),
        (OPENSLO, "duration: 4w", "duration: 1d", "slo.yml:22: a window of 1d is too short"),
        (OPENSLO, "type: Prometheus", "type: Datadog", "`type: Datadog` is not supported"),
        (OPENSLO, "kind: Service", "kind: Pod", "slo.yml:2: neither OpenSLO v1"),
        (OPENSLO, "target: 0.999", "target: 0.999, targetPercent: 99", "give one"),
        (OPENSLO, "query: answers_total}", "query: 'max_over_time(x[1h:])'}", "subquery"),
        (THRESHOLD, "op: lt, ", "", "needs `op` and `value`"),
        (THRESHOLD, ", timeSliceTarget: 0.9}", "}", "needs `timeSliceTarget`"),
        (THRESHOLD, "timeSliceWindow: 2m", "timeSliceWindow: 1h", "must be at most 5m"),
    ],
)
def test_wrong_files_are_refused(text: str, before: str, after: str, error: str) -> None:
    """With the line, where one key is at fault, and the cure."""
    assert before in text
    with pytest.raises(DocumentError) as caught:
        parse_slo_groups(text.replace(before, after), "slo.yml")
    assert error in str(caught.value)


def test_an_objective_is_there_once(tmp_path: Path) -> None:
    """Two of one service and name would write the same series."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yml").write_text(SLOTH)
    with pytest.raises(DocumentError, match=r"b\.yml: .*'availability' already, in .*a\.yml"):
        load_slo_groups([str(tmp_path / "*.yml")])

"""Rule files are Prometheus'; what is wrong in one is said with its place."""

from pathlib import Path

import pytest

from veriscope.rules import load_rule_groups, parse_rule_groups
from veriscope.signals import Duration
from veriscope.signals.yaml_documents import DocumentError

_FILE = """
groups:
  - name: api
    interval: 30s
    query_offset: 5s
    limit: 10
    labels: {team: web, tier: 1}
    rules:
      - record: job:requests:rate5m
        expr: sum by (job) (rate(requests_total[5m]))
        labels:
          severity: 1
          urgent: yes
          note:
      - alert: Slow
        expr: job:latency > 1
        for: 10m
        keep_firing_for: 1h
        annotations: {summary: 'slow'}
  - name: constant
    rules:
      - {record: one, expr: 1}
"""


def test_a_file_is_read_key_for_key() -> None:
    """Label values are texts as written, and an expression may be a number."""
    api, constant = parse_rule_groups(_FILE, "rules.yml")
    assert (api.interval, api.query_offset, api.limit) == (Duration(30_000), Duration(5_000), 10)
    assert api.labels == {"team": "web", "tier": "1"}
    recording, alert = api.rules
    assert recording.labels == {"severity": "1", "urgent": "yes"}
    assert (alert.name, alert.for_, alert.keep_firing_for) == (
        "Slow",
        Duration(600_000),
        Duration(3_600_000),
    )
    assert constant.rules[0].expr == "1"
    assert (constant.interval, constant.file) == (None, "rules.yml")


def _with(rule: str) -> str:
    return f"groups:\n- name: g\n  rules:\n  - {rule}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_with("{record: a, alert: b, expr: '1'}"), r"r.yml:4: .*either `record` or `alert`"),
        (_with("{expr: '1'}"), r"r.yml:4: .*either `record` or `alert`"),
        (_with("{record: a}"), r"r.yml:4: .*`expr`"),
        (_with("{record: a, expr: ''}"), r"`expr` must be set"),
        (_with("{record: a, expr: '1', for: 5m}"), r"`for` is for alerts"),
        (_with("{record: a, expr: '1', annotations: {b: c}}"), r"`annotations` is for alerts"),
        (_with("{record: 'a{b=\"c\"}', expr: '1'}"), r"put labels into `labels`"),
        (_with("{record: a, expr: '1', labels: {__name__: b}}"), r"`__name__`"),
        (_with("{record: a, expr: 'sum('}"), r"r.yml: group 'g', rule 'a': .*parse error"),
        (_with("{record: a, expr: '1', fro: 5m}"), r"r.yml:4: unknown key `fro`"),
        ("groups: [{name: g}, {name: g}]", r"two groups are called 'g'"),
        ("groups: [{name: ''}]", r"needs a name"),
        ("groups: [{name: g, interval: 0s}]", r"interval"),
        ("groups: [{name: g, limit: -1}]", r"limit is -1"),
        ("groups: [{name: g, file: x}]", r"unknown key `file`"),
        ("group: []", r"r.yml:1: unknown key `group`"),
        ("groups: [", r"r.yml:1: not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    """File, line or rule, fault and cure."""
    with pytest.raises(DocumentError, match=message):
        parse_rule_groups(text, "r.yml")


def test_files_are_found_by_globs_each_once(tmp_path: Path) -> None:
    """A pattern may find nothing; a name without wildcards may not."""
    for name in ("b.yml", "a.yml"):
        (tmp_path / name).write_text(f"groups: [{{name: {name}}}]")
    patterns = [str(tmp_path / "*.yml"), str(tmp_path / "a.yml"), str(tmp_path / "none*.yml")]
    assert [group.name for group in load_rule_groups(patterns)] == ["a.yml", "b.yml"]
    with pytest.raises(DocumentError, match="there is no rule file"):
        load_rule_groups([str(tmp_path / "c.yml")])


def test_an_empty_file_has_no_groups() -> None:
    """As in Prometheus."""
    assert parse_rule_groups("", "r.yml") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("annotations: {s: '{{ nope }}'}", "annotation 's': .*function \"nope\" not defined"),
        ("labels: {l: '{{ $value'}", "label 'l': "),
    ],
)
def test_a_template_that_cannot_be_parsed_is_an_error(text: str, message: str) -> None:
    """It names file, group, rule and text; a recording rule's labels are no templates."""
    with pytest.raises(DocumentError, match=f"r.yml: group 'g', rule 'A', {message}"):
        parse_rule_groups(f"groups: [{{name: g, rules: [{{alert: A, expr: m, {text}}}]}}]", "r.yml")
    fine = "groups: [{name: g, rules: [{record: a, expr: m, labels: {l: '{{ nope }}'}}]}]"
    assert parse_rule_groups(fine, "r.yml")

"""Unit tests of rules: verdicts, which are those of promtool, and what is said of failures."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from veriscope.rules.unit_tests import FileResult, as_junit, as_text, run
from veriscope.signals import ManualClock

RULES = """
groups:
- name: first
  rules:
  - {record: 'job:errors:rate', expr: 'sum by (job) (rate(errors_total[5m]))'}
  - alert: Erring
    expr: job:errors:rate > 0.5
    for: 2m
    labels: {severity: page}
    annotations: {summary: '{{ $labels.job }} errs at {{ $value | humanize }}/s'}
- name: second
  interval: 10m
  rules:
  - {alert: Absent, expr: absent(up), labels: {severity: warn}}
  - alert: Erring
    expr: job:errors:rate > 5
    keep_firing_for: 5m
    annotations:
      hint: '{{ with query "up" }}{{ . | first | value }}{{ end }}'
      url: '{{ $externalURL }}{{ $externalLabels.tier }}'
"""
HEAD = "rule_files: ['r.yml']\n"
SERIES = """
  input_series:
  - {series: 'errors_total{job="a"}', values: 0+60x20}
  - {series: 'errors_total{job="b"}', values: '0+600x10 6000x10'}
  - {series: up, values: 1x20}
"""
TEST = f"{HEAD}tests:\n- interval: 1m{SERIES}"


def alert(at: str, name: str, *expected: str) -> str:
    """Return a test of alerts."""
    listed = "".join(f"\n    - {each}" for each in expected)
    return (
        f"  alert_rule_test:\n  - eval_time: {at}\n    alertname: {name}\n"
        f"    exp_alerts: {listed or '[]'}\n"
    )


def expr(text: str, at: str, *expected: str) -> str:
    """Return a test of an expression."""
    listed = "".join(f"\n    - {each}" for each in expected)
    return (
        f"  promql_expr_test:\n  - eval_time: {at}\n    expr: {text!r}\n"
        f"    exp_samples: {listed or '[]'}\n"
    )


def series(*lines: str) -> str:
    """Return the beginning of a test with these input series."""
    pairs = [line.split(": ") for line in lines]
    listed = "".join(f"\n  - {{series: {name}, values: {values}}}" for name, values in pairs)
    return f"tests:\n- interval: 1m\n  input_series: {listed or '[]'}\n"


A = "{exp_labels: {severity: page, job: a}, exp_annotations: {summary: a errs at 1/s}}"
B = "{exp_labels: {severity: page, job: b}, exp_annotations: {summary: b errs at 10/s}}"
B_TOO = "{exp_labels: {job: b}, exp_annotations: {hint: '1', url: ''}}"
ABSENT = "{exp_labels: {severity: warn}}"
LABELS = 'alertname="Erring", job="a", severity="page"'
STATE = f"""{{labels: 'ALERTS{{alertstate="pending", {LABELS}}}', value: 1}}"""
SINCE = f"""{{labels: 'ALERTS_FOR_STATE{{{LABELS}}}', value: 180}}"""
SAMPLE_AT_A_MINUTE = """{labels: 'errors_total{job="a"}', value: 240}"""
RATES = (
    """{labels: 'job:errors:rate{job="a"}', value: 1}""",
    """{labels: 'job:errors:rate{job="b"}', value: 10}""",
)
EXTERNAL = "  external_labels: {tier: gold}\n  external_url: http://x/\n"

PASSING = {
    "empty": "",
    "no-tests": HEAD,
    "no-rules": "tests: [{promql_expr_test: [{expr: '1 + 1', exp_samples: [{value: 2}]}]}]",
    "no-such-rules": "rule_files: [zz*.yml]\ntests: []",
    "both-groups": TEST + alert("8m", "Erring", A, B, B_TOO),
    "not-yet": TEST + alert("2m", "Erring"),
    "between": TEST + alert("8m59s", "Erring", B_TOO, B, A),
    "other-name": TEST + alert("8m", "Nothing"),
    "keeps-firing": TEST + alert("16m", "Erring", A, B_TOO),
    "kept-no-longer": TEST + alert("19m", "Erring", A),
    "absent": HEAD + series() + alert("0", "Absent", ABSENT),
    "recorded": TEST + expr("job:errors:rate", "6m", *RATES),
    "alerts-series": TEST + expr('ALERTS{job="a"}', "4m", STATE),
    "for-state": TEST + expr('ALERTS_FOR_STATE{job="a"}', "8m", SINCE),
    "scalar": TEST + expr("scalar(up) + 1", "1m", "{value: 2}"),
    "empty-label": TEST + expr("up", "1m", "{labels: 'up{x=\"\"}', value: 1}"),
    "nothing": TEST + expr("down", "1m"),
    "external": TEST + EXTERNAL + alert("8m", "Erring", A, B, B_TOO.replace("''", "http://x/gold")),
    "subquery-step": (
        f"evaluation_interval: 30s\n{TEST}"
        + expr("count_over_time(up[310s:])", "10m", "{value: 11}")
    ),
    "evaluated-before": (
        TEST.replace("1m", "15s") + expr('errors_total{job="a"}', "1m40s", SAMPLE_AT_A_MINUTE)
    ),
    "stale": series("m: 3 stale") + expr("m", "1m"),
    "lookback": series("m: 3 _") + expr("m", "4m", "{labels: m, value: 3}"),
    "accumulated": (
        series("m: 0.1+0.1x10") + expr("m", "10m", "{labels: m, value: 1.0999999999999999}")
    ),
    "infinite": series() + expr("1 / vector(0)", "0", "{value: .inf}"),
    "hexadecimal": series() + expr("vector(16)", "0", "{value: 0x10}"),
    "twice-last": series("m: 1 2", "m: 4 5") + expr("m", "1m", "{labels: m, value: 5}"),
    "ordered": (
        f"group_eval_order: [first, second]\n{TEST}"
        + alert("3m", "Erring", B.replace("10", "6"), B_TOO)
    ),
    "other-order": (
        f"group_eval_order: [second, first]\n{TEST}" + alert("3m", "Erring", B.replace("10", "6"))
    ),
    "glob": TEST.replace("r.yml", "?.yml") + alert("8m", "Erring", A, B, B_TOO),
}
FAILING = {
    "missing": TEST + alert("8m", "Erring", A, B),
    "surplus": TEST + alert("8m", "Erring", A, A, B, B_TOO),
    "label": TEST + alert("8m", "Erring", A.replace("page", "pager"), B, B_TOO),
    "annotation": TEST + alert("8m", "Erring", A.replace("1/s", "2/s"), B, B_TOO),
    "no-annotation": TEST
    + alert("8m", "Erring", "{exp_labels: {severity: page, job: a}}", B, B_TOO),
    "empty-label": TEST + alert("8m", "Erring", A.replace("job: a", "job: a, tier: ''"), B, B_TOO),
    "pending": TEST + alert("4m", "Erring", A, B.replace("10", "8"), B_TOO),
    "value": TEST + expr("up", "1m", "{labels: up, value: 2}"),
    "last-bit": series("m: 0.1+0.1x10") + expr("m", "10m", "{labels: m, value: 1.1}"),
    "nan": series() + expr("vector(NaN)", "0", "{value: .nan}"),
    "name": TEST + expr("up", "1m", "{labels: '{}', value: 1}"),
    "string": TEST + expr('"x"', "1m", "{value: 1}"),
    "range": TEST + expr("up[5m]", "1m", "{value: 1}"),
    "bad-labels": TEST + expr("up", "1m", "{labels: 'up{', value: 1}"),
    "bad-expr": TEST + expr("up{", "1m"),
    "bad-series": "tests: [{interval: 1m, input_series: [{series: 'm{', values: 1}]}]",
    "bad-values": "tests: [{interval: 1m, input_series: [{series: m, values: 1 two}]}]",
    "bad-yaml": "tests: [",
    "unknown-key": f"{HEAD}testz: []",
    "no-alertname": f"{HEAD}tests: [{{interval: 1m, alert_rule_test: [{{eval_time: 1m}}]}}]",
    "order-twice": f"{HEAD}group_eval_order: [a, a]",
    "negative": "tests: [{interval: 1m, promql_expr_test: [{expr: '1', eval_time: -1m}]}]",
    "bad-rules": TEST.replace("r.yml", "bad-rules.rules") + alert("1m", "X"),
    "bad-template": TEST.replace("r.yml", "bad-template.rules") + alert("1m", "X"),
    "twice-recorded": (
        TEST.replace("series: up,", "series: 'job:errors:rate{job=\"a\"}',") + alert("1m", "X")
    ),
    "ambiguous": TEST.replace("r.yml", "ambiguous.rules") + alert("1m", "X"),
}
AMBIGUOUS = """groups:
- name: g
  rules:
  - {record: x, expr: 'label_replace(errors_total, "job", "x", "", "")'}
"""
BAD_TEMPLATE = """groups:
- name: g
  rules:
  - {alert: X, expr: up, annotations: {a: '{{ nosuch }}'}}
"""
FILES = {
    "r.yml": RULES,
    "bad-rules.rules": "groups: [{name: g, rules: [{record: x, expr: 'up{'}]}]",
    "bad-template.rules": BAD_TEMPLATE,
    "ambiguous.rules": AMBIGUOUS,
}
CASES = [("ok", name, text) for name, text in PASSING.items()]
CASES += [("failed", name, text) for name, text in FAILING.items()]
IDS = [f"{verdict}-{name}" for verdict, name, _ in CASES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the rules."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def result_of(text: str, folder: Path, names: str = "") -> FileResult:
    """Run the tests *text*."""
    path = folder / "test.yaml"
    path.write_text(text)
    return run(str(path), clock=ManualClock(), names=re.compile(names))


@pytest.mark.parametrize(("verdict", "name", "text"), CASES, ids=IDS)
def test_verdicts(verdict: str, name: str, text: str, folder: Path) -> None:
    """A file passes where all is as expected, and fails where anything is not."""
    del name
    result = result_of(text, folder)
    assert result.ok == (verdict == "ok"), "\n".join(as_text(result))


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(("verdict", "name", "text"), CASES, ids=IDS)
def test_promtool_says_the_same(verdict: str, name: str, text: str, folder: Path) -> None:
    """The same files pass and fail there."""
    del name
    path = folder / "test.yaml"
    path.write_text(text)
    found = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert found.returncode == (verdict != "ok"), found.stdout + found.stderr


def lines(text: str, folder: Path) -> str:
    """Return the report of a failing file, less its first line."""
    return "\n".join(list(as_text(result_of(text, folder)))[1:])


def test_a_failure_tells_expected_from_found(folder: Path) -> None:
    """Only what differs is shown."""
    text = TEST + alert("8m", "Erring", A.replace("1/s", "2/s"), B, A.replace("job: a", "job: c"))
    assert lines(text, folder) == (
        "  test 1\n"
        "    alert Erring at 8m\n"
        '        {alertname="Erring", job="a", severity="page"}\n'
        '      -     summary: "a errs at 2/s"\n'
        '      +     summary: "a errs at 1/s"\n'
        '      - {alertname="Erring", job="c", severity="page"}  summary: "a errs at 1/s"\n'
        '      + {alertname="Erring", job="b"}  hint: "1", url: ""'
    )


def test_a_failure_says_what_is_pending(folder: Path) -> None:
    """It tells an alert that is late from one that will never come."""
    text = TEST + alert("4m", "Erring", A, B.replace("10", "8"), B_TOO)
    assert lines(text, folder) == (
        "  test 1\n"
        "    alert Erring at 4m\n"
        '      - {alertname="Erring", job="a", severity="page"}  summary: "a errs at 1/s"\n'
        '        pending since 3m: {alertname="Erring", job="a", severity="page"}'
    )


def test_a_wrong_file_names_its_line(folder: Path) -> None:
    """As every file that is read."""
    assert "test.yaml:4: '1 two': " in result_of(series("m: 1 two"), folder).error


def test_fuzzy_comparison_forgives_the_last_bit(folder: Path) -> None:
    """And no more than that."""
    near = "fuzzy_compare: true\n" + FAILING["last-bit"]
    assert result_of(near, folder).ok
    assert not result_of(near.replace("value: 1.1", "value: 1.1000000001"), folder).ok


def test_a_test_may_start_at_any_time(folder: Path) -> None:
    """Given in seconds or as RFC 3339; what is asked counts from there."""
    for start in ("1609459200", "2021-01-01T00:00:00Z", "2021-01-01T01:00:00+01:00"):
        text = (
            f"tests:\n- start_timestamp: {start}\n  input_series: [{{series: m, values: 1 2}}]\n"
            + expr("timestamp(m) + year()", "1m", f"{{value: {1609459260 + 2021}}}")
        )
        assert result_of(text, folder).ok


def test_native_histograms_are_compared(folder: Path) -> None:
    """Whole, empty buckets left out."""
    doubled = "{labels: '{}', histogram: '{{schema:1 count:6 sum:8 buckets:[2 4 0]}}'}"
    text = series("m: '{{schema:1 count:3 sum:4 buckets:[1 2]}}'") + expr("m * 2", "0", doubled)
    assert result_of(text, folder).ok
    assert not result_of(text.replace("count:6", "count:7"), folder).ok


def test_tests_are_chosen_by_name(folder: Path) -> None:
    """One without a name is called by its number."""
    text = "tests:\n- {name: alpha}\n- {name: beta}\n- {interval: 1m}\n"
    assert [t.name for t in result_of(text, folder, "a$").tests] == ["alpha", "beta"]
    assert [t.name for t in result_of(text, folder, "test 3").tests] == ["test 3"]


def test_results_are_written_for_programs(folder: Path) -> None:
    """A suite for each file, a case for each test."""
    text = f"{HEAD}tests:\n- {{name: a<b}}\n- name: bad{SERIES}" + alert("8m", "Absent", ABSENT)
    failing = result_of(text, folder)
    xml = as_junit([failing, result_of("tests: [", folder)])
    assert re.search(r'<testsuite name="[^"]*" tests="2" failures="1" errors="0">', xml)
    assert '<testcase name="a&lt;b"' in xml
    assert '<failure message="alert Absent at 8m">- {' in xml
    assert re.search(r'tests="1" failures="0" errors="1">\s*<testcase name="read"', xml)


def test_searches_of_logs_are_left_out(folder: Path) -> None:
    """There are none in a test; the other rules of the file are tested."""
    rules = (
        "groups: [{name: g, rules: [{record: two, expr: '2'},"
        " {alert: L, logs: {query: 'level:error'}, threshold: '> 1'}]}]"
    )
    (folder / "logs.yml").write_text(rules)
    text = TEST.replace("r.yml", "logs.yml") + expr("two", "0", "{labels: two, value: 2}")
    assert result_of(text, folder).ok

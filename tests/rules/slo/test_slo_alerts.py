"""Burn rate alerts: when they fire, and what is left of the budget."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from veriscope.rules.slo import as_rule_file, load_slo_groups
from veriscope.rules.unit_tests import as_text, run
from veriscope.signals import ManualClock

OBJECTIVE = """
version: prometheus/v1
service: inference
slos:
- name: availability
  objective: 99.9
  sli:
    events:
      error_query: sum(rate(answers_total{code="500"}[{{.window}}]))
      total_query: sum(rate(answers_total[{{.window}}]))
  alerting: {name: Burning}
"""


def scenario(*phases: tuple[int, int]) -> str:
    """
    Return input series: for so many minutes, so many errors a minute of 60,000 answers.

    600 a minute are 1 %, ten times what an objective of 99.9 % allows.
    """
    good, bad, total_good, total_bad = [], [], 0, 0
    for minutes, errors in phases:
        good.append(f"{total_good}+{60_000 - errors}x{minutes - 1}")
        bad.append(f"{total_bad}+{errors}x{minutes - 1}")
        total_good += (60_000 - errors) * minutes
        total_bad += errors * minutes
    return (
        "  input_series:\n"
        f"  - {{series: 'answers_total{{code=\"200\"}}', values: {' '.join(good)}}}\n"
        f"  - {{series: 'answers_total{{code=\"500\"}}', values: {' '.join(bad)}}}\n"
    )


def fires(at: str, *severities: str) -> str:
    """Return the test that exactly these alerts fire."""
    samples = "".join(
        f"\n    - {{labels: '{{sloth_severity=\"{s}\"}}', value: 1}}" for s in severities
    )
    return (
        f"  - eval_time: {at}\n"
        '    expr: count by (sloth_severity) (ALERTS{alertstate="firing"})\n'
        f"    exp_samples: {samples or '[]'}\n"
    )


def holds(at: str, expr: str) -> str:
    """Return the test that a comparison of recorded series is true."""
    return f"  - {{eval_time: {at}, expr: 'count({expr})', exp_samples: [{{value: 1}}]}}\n"


CALM = (360, 0)
STORIES = {
    "no errors": scenario((420, 0))
    + "  promql_expr_test:\n"
    + fires("6h59m")
    + holds("6h59m", "slo:period_error_budget_remaining:ratio == 1"),
    "within budget": scenario((420, 54))
    + "  promql_expr_test:\n"
    + fires("6h55m")
    + holds("6h55m", "abs(slo:current_burn_rate:ratio - 0.9) < 1e-9"),
    "15 times for an hour": scenario(CALM, (70, 900), (40, 0))
    + "  promql_expr_test:\n"
    + fires("6h45m", "ticket")
    + fires("7h05m", "page", "ticket")
    + fires("7h25m", "ticket"),
    "14 times for an hour": scenario(CALM, (70, 840))
    + "  promql_expr_test:\n"
    + fires("7h05m", "ticket"),
    "7 times for six hours": scenario((720, 0), (390, 420))
    + "  promql_expr_test:\n"
    + fires("17h", "ticket")
    + fires("18h25m", "page", "ticket"),
    # Some -1.8 by then. promtool runs the groups in any order, so that one may lag an evaluation
    # or two behind another: a budget's worth of room.
    "budget spent": scenario(CALM, (90, 900))
    + "  promql_expr_test:\n"
    + holds("7h25m", "slo:period_error_budget_remaining:ratio < -1"),
    "no traffic": "  input_series: []\n  promql_expr_test:\n"
    + fires("1h")
    + "  - {eval_time: 1h, expr: 'slo:sli_error:ratio_rate5m', exp_samples: []}\n",
    "no series of errors": "  input_series:\n"
    "  - {series: 'answers_total{code=\"200\"}', values: 0+60x70}\n  promql_expr_test:\n"
    + fires("1h")
    + holds("1h", "slo:period_burn_rate:ratio == 0"),
}


def write(folder: Path, story: str, rules: str) -> Path:
    """Return the file of the test."""
    path = folder / "test.yml"
    path.write_text(
        f"rule_files: [{rules}]\nevaluation_interval: 5m\ntests:\n- interval: 1m\n{story}"
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the objective, and the rules that it is compiled to."""
    (tmp_path / "slo.yml").write_text(OBJECTIVE)
    groups = load_slo_groups([str(tmp_path / "slo.yml")])
    (tmp_path / "rules.yml").write_text(as_rule_file(groups))
    return tmp_path


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_alerts_fire_at_their_burn_rates(story: str, folder: Path) -> None:
    """And not below them; the objective file itself is under test."""
    result = run(str(write(folder, story, "slo.yml")), clock=ManualClock(), names=re.compile(""))
    assert result.ok, "\n".join(as_text(result))


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_they_fire_in_prometheus_too(story: str, folder: Path) -> None:
    """The compiled rules are as good there."""
    path = write(folder, story, "rules.yml")
    found = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr

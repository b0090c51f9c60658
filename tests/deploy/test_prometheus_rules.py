"""The rule files, checked and exercised by Prometheus' own tool."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from veriscope.query.promql import parse
from veriscope.rules import load_rule_groups
from veriscope.rules.unit_tests import as_text, run
from veriscope.signals import SystemClock

RULES = Path(__file__).parents[2] / "deploy" / "prometheus"
FILES = sorted(RULES.glob("*.rules.yml"))
# As the guide has them, to the letter.
THEIRS = Path(__file__).with_name("guide") / "alerts.yml"
TESTS = (*sorted((RULES / "tests").glob("*.yml")), THEIRS.with_name("alerts.test.yml"))
# The genRF guide's alerts: name, severity, how long.
GUIDE = {
    "CircuitGenerationDown": ("critical", "2m"),
    "HighErrorRate": ("critical", "1m"),
    "SPICESimulationFailures": ("critical", "2m"),
    "SlowGenerationTime": ("warning", "5m"),
    "HighGPUMemoryUsage": ("warning", "5m"),
}


@pytest.fixture(scope="module")
def promtool() -> str:
    """Return Prometheus' tool."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("NO RULE WAS CHECKED BY PROMTOOL: install Debian's `prometheus` package")
    return found


@pytest.mark.peer
def test_promtool_takes_the_rules(promtool: str) -> None:
    """Every rule file is one that Prometheus loads."""
    done = subprocess.run(
        [promtool, "check", "rules", *map(str, (*FILES, THEIRS))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.peer
def test_rules_fire_when_they_should(promtool: str) -> None:
    """Each rule fires on its fault and keeps quiet next to it, as the rules' own tests say."""
    done = subprocess.run(
        [promtool, "test", "rules", *map(str, TESTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.stem)
def test_they_fire_here_as_there(file: Path) -> None:
    """Veriscope's own evaluator passes the same tests, with the guide's own rules too."""
    result = run(str(file), clock=SystemClock())
    assert result.ok, "\n".join(as_text([result]))


def test_the_guide_s_file_loads_unchanged() -> None:
    """Names, severities and waiting times of the guide's own text."""
    groups = load_rule_groups([str(THEIRS)])
    assert [group.name for group in groups] == ["genrf.critical", "genrf.warning"]
    rules = [rule for group in groups for rule in group.rules]
    assert {rule.name: (rule.labels["severity"], str(rule.for_)) for rule in rules} == GUIDE


def test_the_rules_are_the_guide_s() -> None:
    """Names, severities and waiting times are those of the guide, and Veriscope can ask them."""
    rules = [
        rule
        for file in FILES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]
    assert {rule["alert"]: (rule["labels"]["severity"], rule["for"]) for rule in rules} == GUIDE
    for rule in rules:
        parse(rule["expr"])

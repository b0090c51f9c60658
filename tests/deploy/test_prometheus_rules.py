"""The rule files, checked and exercised by Prometheus' own tool."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from veriscope.query.promql import parse

RULES = Path(__file__).parents[2] / "deploy" / "prometheus"
FILES = sorted(RULES.glob("*.rules.yml"))
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
        [promtool, "check", "rules", *map(str, FILES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.peer
def test_rules_fire_when_they_should(promtool: str) -> None:
    """Each rule fires on its fault and keeps quiet next to it, as the rules' own tests say."""
    tests = sorted(map(str, (RULES / "tests").glob("*.yml")))
    done = subprocess.run(
        [promtool, "test", "rules", *tests], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


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

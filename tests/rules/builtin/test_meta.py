"""The rules that come with the server: each fires on its fault, and keeps quiet next to it."""

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from veriscope.rules.builtin import meta_groups
from veriscope.rules.unit_tests import as_text, run
from veriscope.signals import SystemClock

TESTS = Path(__file__).with_name("meta.test.yml")
RULES = [rule for group in meta_groups() for rule in group.rules]


def test_each_rule_fires_and_keeps_quiet() -> None:
    """As the rules' own tests say."""
    result = run(str(TESTS), clock=SystemClock())
    assert result.ok, "\n".join(as_text([result]))


@pytest.mark.peer
def test_promtool_is_of_the_same_opinion() -> None:
    """The same file passes there, so that the tests do not follow an error of ours."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("NO RULE WAS TESTED BY PROMTOOL: install Debian's `prometheus` package")
    done = subprocess.run(
        [promtool, "test", "rules", str(TESTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tested() -> None:
    """Each has a time at which it fires, and times before and after at which it does not."""
    asked: dict[str, list[bool]] = {rule.name: [] for rule in RULES}
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        for each in test.get("alert_rule_test", ()):
            asked[each["alertname"]].append(bool(each.get("exp_alerts")))
    shapes = {
        name: re.sub("(.)\\1+", "\\1", "".join("-+"[each] for each in fires))
        for name, fires in asked.items()
    }
    assert shapes == dict.fromkeys(asked, "-+-")


def test_the_server_has_every_metric_that_the_rules_read(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """A rule over a metric that nobody exports would keep quiet for ever."""
    server = run_server(tmp_path)
    with urllib.request.urlopen(server.url + "/metrics") as answer:
        shown = set(re.findall("^# TYPE ([a-z_]+) ", answer.read().decode(), re.MULTILINE))
    read = {name for rule in RULES for name in re.findall("veriscope_[a-z_]+", rule.expr)}
    assert len(read) > len(RULES) / 2
    assert read <= shown


def test_the_page_names_every_rule() -> None:
    """With its severity, in the order of the rules."""
    page = Path(__file__).parents[3] / "docs" / "alerting.md"
    rows = re.findall("^\\| `(\\w+)` \\| (critical|warning) \\|", page.read_text(), re.MULTILINE)
    assert rows == [(rule.name, rule.labels["severity"]) for rule in RULES]

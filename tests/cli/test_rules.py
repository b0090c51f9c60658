"""`veriscope rules`: exit codes, and what is told where."""

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from veriscope.cli import main

TESTS = """
tests:
- name: good
  promql_expr_test: [{expr: vector(1), exp_samples: [{labels: '{}', value: 1}]}]
- name: bad
  promql_expr_test: [{expr: vector(1), exp_samples: [{labels: '{}', value: 2}]}]
"""
OBJECTIVE = """
version: prometheus/v1
service: s
slos:
- name: n
  objective: 99.9
  sli: {raw: {error_ratio_query: 'errors:ratio{{.window}}'}}
  alerting: {name: A}
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """Return a file with a test that passes and one that fails."""
    path = tmp_path / "test.yml"
    path.write_text(TESTS)
    return path


def test_a_failing_test_is_exit_code_1(tests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was expected and found on standard error."""
    assert main(["rules", "test", str(tests)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"FAILED {tests}: 1 of 2 tests\n"
        "  bad\n"
        "    expr vector(1) at 0s\n"
        "      - {} 2\n"
        "      + {} 1\n"
    )


def test_tests_are_chosen_by_a_pattern(tests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that one can be worked on."""
    assert main(["rules", "test", "--run", "^goo", str(tests)]) == 0
    assert capsys.readouterr().out == f"ok     {tests}: 1 test\n"
    with pytest.raises(SystemExit) as ended:
        main(["rules", "test", "--run", "(", str(tests)])
    assert ended.value.code == 2


def test_results_are_written_for_a_build_server(tests: Path, tmp_path: Path) -> None:
    """As XML that such servers read."""
    target = tmp_path / "results.xml"
    assert main(["rules", "test", "--junit", str(target), str(tests)]) == 1
    cases = ET.parse(target).getroot().findall("testsuite/testcase")  # noqa: S314 - our own
    assert [(case.get("name"), len(case)) for case in cases] == [("good", 0), ("bad", 1)]


def test_a_rule_that_fails_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the report; what a server would log of it stays away."""
    (tmp_path / "r.yml").write_text(
        "groups: [{name: g, rules: [{record: r, expr: 'vector(1) + on(a) group_left vector(2)'},"
        " {record: s, expr: 'm * ignoring(a) m'}]}]"
    )
    path = tmp_path / "t.yml"
    path.write_text(
        "rule_files: [r.yml]\ntests:\n- interval: 1m\n  input_series:\n"
        "  - {series: 'm{a=\"1\"}', values: 1}\n  - {series: 'm{a=\"2\"}', values: 1}\n"
        "  promql_expr_test: [{expr: r, eval_time: 1m}]\n"
    )
    assert main(["rules", "test", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "rule s at 0s\n" in told.err
    assert "rule_failed" not in told.err


def test_objectives_become_a_rule_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, to be kept or piped on."""
    source = tmp_path / "slo.yml"
    source.write_text(OBJECTIVE)
    assert main(["rules", "slo", str(source)]) == 0
    compiled = tmp_path / "rules.yml"
    compiled.write_text(capsys.readouterr().out)
    assert main(["rules", "check", str(source), str(compiled)]) == 0
    assert main(["rules", "slo", str(compiled)]) == 1


def test_the_engine_s_store_is_not_needed(tests: Path) -> None:
    """Nothing that stores or serves is loaded."""
    code = (
        "import sys\nfrom veriscope.cli import main\n"
        f"main(['rules', 'test', {str(tests)!r}])\n"
        "print(sorted({'chdb', 'starlette', 'aiohttp', 'grpc'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_rules_that_come_with_veriscope_pass() -> None:
    """Here and in promtool."""
    path = Path(__file__).parents[2] / "deploy/prometheus/tests/genrf.test.yml"
    assert main(["rules", "test", str(path)]) == 0
    assert subprocess.run(["promtool", "test", "rules", path], check=False).returncode == 0

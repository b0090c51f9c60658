"""Checking rule files: the verdict of promtool, every fault with its line."""

import shutil
import subprocess
from pathlib import Path

import pytest

from veriscope.cli import main
from veriscope.rules.check import check_rules

GOOD = """groups:
- name: g
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: up == 0
    for: 5m
    labels: {severity: '{{ if eq $value 0.0 }}page{{ end }}'}
    annotations: {summary: '{{ $labels.instance }} is down since {{ humanizeDuration 300 }}'}
"""
TWINS = (
    GOOD
    + """  - record: job:up:sum
    expr: sum by (job) (down)
"""
)
BAD = {
    "yaml": "groups: [",
    "unknown-key": GOOD.replace("for: 5m", "fore: 5m"),
    "expr": GOOD.replace("up == 0", "up == "),
    "no-expr": GOOD.replace("    expr: up == 0\n", ""),
    "duration": GOOD.replace("for: 5m", "for: 5 minutes"),
    "both": GOOD.replace("- alert: Down", "- alert: Down\n    record: x"),
    "neither": GOOD.replace("- alert: Down\n  ", "-"),
    "for-recording": GOOD.replace("expr: sum by (job) (up)", "expr: sum(up)\n    for: 1m"),
    "record-name": GOOD.replace("job:up:sum", "'up{}'"),
    "twin-groups": GOOD + GOOD.removeprefix("groups:\n"),
    "no-group-name": GOOD.replace("name: g", "interval: 1m"),
    "name-label": GOOD.replace("severity:", "__name__:"),
    "function": GOOD.replace("humanizeDuration", "humanizeDurations"),
    "unclosed": GOOD.replace("{{ end }}", ""),
    "variable": GOOD.replace("$labels", "$lables"),
    "action": GOOD.replace("300 }}", "300 }"),
}


def write(folder: Path, text: str) -> str:
    """Return the path of a file with *text*."""
    path = folder / "r.yml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_faults_are_found(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 1, and the name of the file at least."""
    path = write(tmp_path, text)
    assert main(["rules", "check", path]) == 1
    assert path in capsys.readouterr().err


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    ("text", "code"),
    [(GOOD, 0), (TWINS, 3), *((text, 1) for text in BAD.values())],
    ids=["good", "twins", *BAD],
)
def test_promtool_says_the_same(text: str, code: int, tmp_path: Path) -> None:
    """Its exit codes are ours."""
    command = ["check", "rules", "--lint-fatal", write(tmp_path, text)]
    found = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
    assert found.returncode == code, found.stdout + found.stderr
    assert main(["rules", "check", *command[2:]]) == code


def test_every_expression_and_template_is_told_with_its_line(tmp_path: Path) -> None:
    """Not only the first that is wrong."""
    text = GOOD.replace("(up)", "(up").replace("up == 0", "up ==").replace("humanizeD", "humaniseD")
    [report] = check_rules([write(tmp_path, text)])
    places = [error.split(": ")[0].rpartition(":")[2] for error in report.errors]
    assert places == ["5", "7", "10"]
    assert "rule 'Down': annotation 'summary': " in report.errors[2]


def test_twins_are_told_with_both_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are a warning, and no exit code unless it is asked for."""
    path = write(tmp_path, TWINS)
    assert main(["rules", "check", path]) == 0
    assert f"{path}:11: rule 'job:up:sum' has the name and labels of that at line 4" in (
        capsys.readouterr().err
    )
    assert main(["rules", "check", "--lint-fatal", path]) == 3
    assert main(["rules", "check", "--lint-fatal", "--lint=none", path]) == 0


def test_objective_files_are_checked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They count as the rules that they are compiled to."""
    text = (
        "version: prometheus/v1\nservice: s\nslos:\n- name: n\n  objective: 99\n"
        "  sli: {raw: {error_ratio_query: 'errors[{{.window}}]'}}\n  alerting: {name: A}\n"
    )
    path = write(tmp_path, text)
    assert main(["rules", "check", path]) == 0
    assert capsys.readouterr().out == f"ok     {path}: 17 rules\n"
    Path(path).write_text(text.replace("99", "101"))
    assert main(["rules", "check", path]) == 1
    assert f"{path}:4: an objective of 101%" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other files are checked all the same."""
    path = write(tmp_path, GOOD)
    assert main(["rules", "check", str(tmp_path / "none.yml"), path]) == 1
    told = capsys.readouterr()
    assert "cannot read" in told.err
    assert told.out == f"ok     {path}: 2 rules\n"

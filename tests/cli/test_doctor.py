import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from veriscope.cli import main
from veriscope.cli.main import build_parser

ROOT = Path(__file__).parents[2]


@pytest.fixture
def closed_url() -> str:
    """Return a URL where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


ROOMY = ["doctor", "--disk-critical", "100", "--memory-warning", "100"]


def test_a_well_machine_is_ok(capsys: pytest.CaptureFixture[str]) -> None:
    """The document's line, exit code 0, and a table of what was checked."""
    assert main(ROOMY) == 0
    summary, *table = capsys.readouterr().out.splitlines()
    assert summary == "OK: All health checks passed"
    assert [line.split()[:2] for line in table] == [["OK", "disk"], ["OK", "memory"]]


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (["--disk-critical", "0"], 2, r"CRITICAL: Disk usage at \d+%"),
        (["--disk-warning", "0"], 1, r"WARNING: Disk usage at \d+%"),
        (["--memory-warning", "0"], 1, r"WARNING: Memory usage at \d+%"),
        (["--memory-critical", "0"], 2, r"CRITICAL: Memory usage at \d+%"),
        (
            ["--memory-warning", "0", "--disk-critical", "0"],
            2,
            r"CRITICAL: Disk usage at \d+%; Memory usage at \d+%",
        ),
        (
            ["--process", "no-such-process-at-all"],
            2,
            "CRITICAL: process no-such-process-at-all: .*",
        ),
        (["--disk", "/no/such/path"], 3, "UNKNOWN: disk /no/such/path: .*No such file.*"),
        (["--disk", "/no/such/path", "--memory-warning", "0"], 1, "WARNING: Memory.*; disk.*"),
    ],
)
def test_the_worst_finding_decides(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, line: str
) -> None:
    """Critical before warning before unknown, as monitoring plugins do."""
    assert main([*ROOMY, *options]) == code
    assert re.fullmatch(line, capsys.readouterr().out.splitlines()[0])


def test_what_cannot_be_reached_is_critical(
    capsys: pytest.CaptureFixture[str], closed_url: str
) -> None:
    """A URL and a server are asked for real; credentials are not shown."""
    url = closed_url.replace("http://", "http://me:s3cret@")
    assert main([*ROOMY, "--url", url, "--server", closed_url, "-o", "json"]) == 2
    text = capsys.readouterr().out
    document = json.loads(text)
    assert (document["status"], document["exit_code"]) == ("CRITICAL", 2)
    assert [c["status"] for c in document["checks"]] == ["OK", "OK", "CRITICAL", "CRITICAL"]
    assert "refused" in document["summary"]
    assert "s3cret" not in text


def test_a_gpu_that_was_asked_for_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--gpu` a machine without one is well, with it it is not."""
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has a GPU")
    assert main([*ROOMY, "--gpu"]) == 2
    assert capsys.readouterr().out.startswith("CRITICAL: gpu: there is none\n")


@pytest.mark.skipif(not Path("/usr/bin/ngspice").exists(), reason="Debian's ngspice is needed")
def test_spice_is_really_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One resistor is simulated."""
    assert main([*ROOMY, "--spice"]) == 0
    assert "spice" in capsys.readouterr().out


def test_the_doctor_is_not_taken_for_the_service() -> None:
    """Its own command line, and that of a shell around it, holds the pattern too."""
    marker = f"marker-{os.getpid()}"
    command = (
        f'"{sys.executable}" -m veriscope doctor --disk-critical 100 --process {marker}; exit $?'
    )
    shell = ["sh", "-c", command]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2, done.stdout
    assert f"no process matches '{marker}'" in done.stdout
    service = [sys.executable, "-c", "input()", marker]
    with subprocess.Popen(service, stdin=subprocess.PIPE) as running:
        done = subprocess.run(shell, capture_output=True, text=True, check=False, cwd=ROOT)
        running.communicate(b"\n")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "options",
    [["--disk-critical", "101"], ["--memory-warning", "many"], ["--timeout", "0"], ["-o", "xml"]],
)
def test_a_wrong_option_is_unknown_and_not_critical(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """A typing error must not page anyone."""
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *options])
    assert ended.value.code == 3
    assert "UNKNOWN: " in capsys.readouterr().err


def test_a_wrong_pattern_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """What RE2 does not take is told, with the code for it."""
    assert main([*ROOMY, "--process", "("]) == 3
    assert capsys.readouterr().out.startswith("UNKNOWN: '(' is not an RE2 expression")


def test_every_option_is_on_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    """What `--help` lists is explained."""
    with pytest.raises(SystemExit):
        build_parser().parse_args(["doctor", "--help"])
    page = (ROOT / "docs/health.md").read_text(encoding="utf-8")
    for option in set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}:
        assert f"`{option}" in page, option

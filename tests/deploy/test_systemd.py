"""The systemd units, checked by systemd's own tool."""

import shutil
import subprocess
from pathlib import Path

import pytest

from veriscope.cli.main import build_parser

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").iterdir())
PROGRAM = "/opt/veriscope/bin/veriscope"


def commands() -> list[str]:
    """Return what the units start, without the program."""
    return [
        line.removeprefix(f"ExecStart={PROGRAM} ")
        for unit in UNITS
        for line in unit.read_text().splitlines()
        if line.startswith("ExecStart=")
    ]


@pytest.mark.peer
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """No key is unknown, no value is wrong; only the program stands elsewhere in this test."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("UNITS NOT CHECKED: install Debian's `systemd` package")
    program = tmp_path / "veriscope"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, str(program)))
    for unit in UNITS:
        done = subprocess.run(
            [tool, "verify", str(tmp_path / unit.name)], capture_output=True, text=True, check=False
        )
        complaints = [line for line in done.stderr.splitlines() if unit.name in line]
        assert done.returncode == 0, done.stderr
        assert complaints == []


@pytest.mark.parametrize("command", commands())
def test_a_unit_s_command_is_one_of_ours(command: str) -> None:
    """Each command and option exists."""
    build_parser().parse_args(command.split())

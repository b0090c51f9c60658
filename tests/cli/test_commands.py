"""The command line."""

import subprocess
import sys

import pytest

from veriscope import __version__
from veriscope.cli import main


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == f"veriscope {__version__}"


@pytest.mark.parametrize("command", ["up", "server"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With each option and its default."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--config", "--data", "--listen", "--store"):
        assert option in shown


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["up", "--unknown"]])
def test_a_wrong_command_line_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the usage on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: veriscope" in capsys.readouterr().err


def test_help_needs_no_engine() -> None:
    """It answers at once: nothing heavy is loaded for it."""
    code = (
        "import sys\nfrom veriscope.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'chdb', 'starlette', 'pyarrow'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().splitlines()[-1] == "[]"

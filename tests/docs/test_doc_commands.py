import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from veriscope.cli import main
from veriscope.cli.main import build_parser

BARE = re.compile(r"veriscope rules \w+")


def commands_in(document: Any) -> list[str]:
    """Return each `veriscope …` that a reader may type; a command's bare name is only a name."""
    typed = [
        line.removeprefix("$ ")
        for block in document.blocks("console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    named = re.findall(r"`(veriscope [^`\s]+ [^`]+)`", document.prose)
    return [*typed, *(each for each in named if not BARE.fullmatch(each))]


def test_commands_are_those_of_the_program(documents: dict[str, Any]) -> None:
    """Each command and option that a document shows is understood."""
    parser, understood = build_parser(), 0
    for document in documents.values():
        for command in commands_in(document):
            words = shlex.split(command, comments=True)
            if words and Path(words[0]).name == "veriscope":
                assert callable(parser.parse_args(words[1:]).run), command
                understood += 1
    assert understood


@pytest.mark.parametrize("command", ["up", "server"])
def test_every_option_is_in_the_quick_start(
    documents: dict[str, Any], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """What `--help` lists is explained."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    page = documents["docs/quickstart.md"].text
    for option in set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}:
        assert f"| `{option} " in page


def test_make_targets_exist(root: Path, documents: dict[str, Any]) -> None:
    """Each `make …` that a document shows is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for document in documents.values():
        typed = [text for block in document.blocks("console") for text in block.splitlines()]
        written = re.findall(r"`(make [^`]+)`", document.prose)
        for line in [*typed, *written]:
            if match := re.match(r"(?:\$ )?make ([^#]+)", line):
                asked = {word for word in match[1].split() if "=" not in word}
                assert asked - {"…"} <= targets, line


def test_benchmarks_are_documented(root: Path, documents: dict[str, Any]) -> None:
    """Each script that measures has its row, with all of its options."""
    page = documents["docs/benchmarks.md"].text
    for script in (root / "benchmarks").glob("*.py"):
        source = script.read_text()
        if "def main(" in source:
            assert f"benchmarks/{script.name}`" in page
            shown = re.findall(r'add_argument\(\s*"(--[a-z-]+)"(?!.*SUPPRESS)', source)
            assert all(f"`{option}`" in page for option in shown)

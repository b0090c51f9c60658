import argparse
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.genrf.__main__ import build_parser as genrf_parser
from examples.options import positive, to_address
from examples.truthgpt.__main__ import build_parser as truthgpt_parser

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Any:
    """Run an example with *arguments* until it ends."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("text", ["8102", ":8102", "host", "host:", "host:x", "host:65536", "h:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """The error names the text and shows how an address looks."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not HOST:PORT; write"):
        to_address(text)


@pytest.mark.parametrize("text", ["0", "-1", "", "1.5", "ten", "10000", "٣"])
def test_what_is_no_count_is_refused(text: str) -> None:
    """The error names the text and the range."""
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 9999"):
        positive(text)


@pytest.mark.parametrize(
    ("parser", "port"),
    [(truthgpt_parser(), 8101), (genrf_parser(), 8102)],
    ids=["truthgpt", "genrf"],
)
def test_addresses(parser: argparse.ArgumentParser, port: int) -> None:
    """Each has a port of its own on loopback; IPv6 and names are taken as they are."""
    assert parser.parse_args([]).listen == ("127.0.0.1", port)
    assert parser.parse_args(["--listen", "::1:0"]).listen == ("::1", 0)
    assert parser.parse_args(["--listen", "localhost:80"]).listen == ("localhost", 80)


def test_a_taken_port_is_said_so(tmp_path: Path) -> None:
    """No traceback: one line with the cause and the cure, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("examples.genrf", "--listen", listen, "--data", str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"genrf: cannot listen on {listen}: Address already in use;"
        " choose another address with --listen"
    )


def test_a_missing_corpus_is_said_so(tmp_path: Path) -> None:
    """No traceback: one line with the cause, exit code 1."""
    ended = run("examples.truthgpt", "--corpus", "no-such-file", "--data", str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("truthgpt: cannot learn from no-such-file: ")

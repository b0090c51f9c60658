"""Reads the command line and runs the command; heavy parts are loaded only by what needs them."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from veriscope import __version__
from veriscope.cli import agent, cardinality, doctor, rules, up
from veriscope.signals import VeriscopeError

_INTERRUPTED: Final = 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; what it parses has the command's `run`."""
    parser = argparse.ArgumentParser(
        prog="veriscope",
        description="Observability for AI and ML services in one install.",
        epilog="Begin with `veriscope up` and open the address that it prints."
        " `veriscope COMMAND --help` tells a command's options.",
    )
    parser.add_argument("--version", action="version", version=f"veriscope {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    up.add_commands(commands)
    agent.add_command(commands)
    cardinality.add_command(commands)
    doctor.add_command(commands)
    rules.add_command(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command that *argv* (by default the process' own) names and return its exit code.

    0 is success, 1 a failure that was explained on standard error, 2 a wrong command line.
    """
    options = build_parser().parse_args(argv)
    try:
        code: int = options.run(options)
    except VeriscopeError as error:
        print(f"veriscope: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code

"""`veriscope rules check`, `veriscope rules test` and `veriscope rules slo`."""

import argparse
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from veriscope.signals import InvalidInputError

_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name
_FAILED: Final = 1
_LINT: Final = 3
"""As promtool has it for `--lint-fatal`."""


def add_command(commands: "_Commands[argparse.ArgumentParser]") -> None:
    """Add the command, and those below it, to the parser."""
    text = "Check and test rule files, and compile service level objectives to rules."
    parser = commands.add_parser("rules", help=text, description=text)
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_check(below)
    _add_test(below)
    text = "Compile objective files (OpenSLO, Sloth) and print the rule file."
    slo = below.add_parser("slo", help=text, description=text)
    slo.add_argument("files", metavar="FILE", nargs="+", help="objective files")
    slo.set_defaults(run=_slo)


def _add_check(below: "_Commands[argparse.ArgumentParser]") -> None:
    text = "Check rule files and objective files; exit code 1 where one cannot be loaded."
    check = below.add_parser("check", help=text, description=text)
    check.add_argument("files", metavar="FILE", nargs="+", help="rule files, objective files")
    check.add_argument(
        "--lint",
        choices=("all", "duplicate-rules", "none"),
        default="duplicate-rules",
        help="what is warned of: rules of the same name and labels (default: duplicate-rules)",
    )
    check.add_argument(
        "--lint-fatal", action="store_true", help=f"exit code {_LINT} where there is a warning"
    )
    check.set_defaults(run=_check)


def _add_test(below: "_Commands[argparse.ArgumentParser]") -> None:
    text = "Run unit tests of rules (promtool's files); exit code 1 where one fails."
    test = below.add_parser("test", help=text, description=text)
    test.add_argument("files", metavar="FILE", nargs="+", help="files of tests")
    test.add_argument(
        "--run",
        metavar="REGEX",
        dest="names",
        type=_pattern,
        default=re.compile(""),
        help="only tests in whose name the pattern is found",
    )
    test.add_argument("--junit", metavar="FILE", type=Path, help="write the results as JUnit's XML")
    test.set_defaults(run=_test)


def _check(options: argparse.Namespace) -> int:
    # Loaded here so that `veriscope --help` stays quick.
    from veriscope.rules.check import check_rules  # noqa: PLC0415

    code = 0
    linted = False
    for report in check_rules(options.files):
        for line in report.errors:
            print(line, file=sys.stderr)
        if report.errors:
            code = _FAILED
        else:
            print(f"ok     {report.path}: {report.rules:,} rules")
        for line in report.duplicates if options.lint != "none" else ():
            linted = True
            print(f"{line} (warning)", file=sys.stderr)
    return _LINT if linted and options.lint_fatal and not code else code


def _test(options: argparse.Namespace) -> int:
    from veriscope.rules.unit_tests import as_junit, as_text, run  # noqa: PLC0415
    from veriscope.signals import SystemClock  # noqa: PLC0415

    clock, results = SystemClock(), []
    for path in options.files:
        with _no_logs():
            result = run(path, clock=clock, names=options.names)
        results.append(result)
        for line in as_text(result):
            print(line, file=sys.stdout if result.ok else sys.stderr, flush=True)
    if options.junit:
        try:
            options.junit.write_text(as_junit(results), encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(f"cannot write --junit {options.junit}: {error}") from error
    return 0 if all(result.ok for result in results) else _FAILED


@contextmanager
def _no_logs() -> Iterator[None]:
    """Keep what a rule would log in a server from what is told of its test."""
    import structlog  # noqa: PLC0415

    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _slo(options: argparse.Namespace) -> int:
    from veriscope.rules.slo import as_rule_file, load_slo_groups  # noqa: PLC0415

    print(as_rule_file(load_slo_groups(options.files)), end="")
    return 0


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pattern: {error}") from error

"""`veriscope doctor`: the infrastructure health check, with a monitoring plugin's exit codes."""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NoReturn

from veriscope.signals import VeriscopeError

if TYPE_CHECKING:
    from veriscope.instrument.health import HealthChecks, Outcome
    from veriscope.instrument.health.flight import Check

_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name
_ALL_PERCENT: Final = 100
_FRESH: Final = 0.0
_OWN_COMMAND: Final = r"\bdoctor\b"
"""Shells, sudo and cron repeat the command line, and the pattern with it."""


class Severity(IntEnum):
    """Exit codes of Nagios plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_BY_WEIGHT: Final = (Severity.OK, Severity.UNKNOWN, Severity.WARNING, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check means to the operator."""

    name: str
    severity: Severity
    message: str
    duration_s: float


def add_command(commands: "_Commands[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    text = "Check this machine: disk, memory and what else is asked; Nagios exit codes 0/1/2/3."
    parser = commands.add_parser("doctor", help=text, description=text)
    for option, metavar, default, what in (
        ("--disk-critical", "PERCENT", 90, "critical above this use of a disk"),
        ("--disk-warning", "PERCENT", None, "warning above this use of a disk"),
        ("--memory-critical", "PERCENT", None, "critical above this use of memory"),
        ("--memory-warning", "PERCENT", 90, "warning above this use of memory"),
    ):
        shown = f"{what} (default: {'none' if default is None else default})"
        parser.add_argument(option, metavar=metavar, type=_percent, default=default, help=shown)
    for option, metavar, what in (
        ("--disk", "PATH", "a file system to check (default: /)"),
        ("--process", "PATTERN", "critical where no process' command line matches (RE2)"),
        ("--url", "URL", "critical where it does not answer with a status below 400"),
    ):
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=what)
    parser.add_argument("--server", metavar="URL", help="a Veriscope server that must be ready")
    parser.add_argument(
        "--gpu", action="store_true", help="critical where there is no GPU that answers"
    )
    parser.add_argument(
        "--spice", action="store_true", help="critical where ngspice cannot simulate a resistor"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=10.0,
        help="longest wait for one check (default: 10)",
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="how to show the findings"
    )
    parser.set_defaults(run=_run)

    def refuse(message: str) -> NoReturn:
        parser.print_usage(sys.stderr)
        parser.exit(Severity.UNKNOWN, f"UNKNOWN: {message}\n")

    # argparse's own code for a wrong option, 2, would tell a monitor: critical.
    parser.error = refuse  # type: ignore[method-assign]


def _run(options: argparse.Namespace) -> int:
    try:
        findings = [_finding(outcome, options) for outcome in _checks(options).report().outcomes]
    except VeriscopeError as error:  # the program's own code for it, 1, would be a warning here
        findings = [Finding("doctor", Severity.UNKNOWN, str(error), 0.0)]
    worst = max((finding.severity for finding in findings), key=_BY_WEIGHT.index)
    faults = sorted(
        (finding for finding in findings if finding.severity is not Severity.OK),
        key=lambda finding: -_BY_WEIGHT.index(finding.severity),
    )
    summary = "; ".join(finding.message for finding in faults) or "All health checks passed"
    if options.output == "json":
        print(json.dumps(_document(worst, summary, findings), indent=2))
    else:
        print(f"{worst.name}: {summary}")
        for line in _table(findings):
            print(line)
    return int(worst)


def _checks(options: argparse.Namespace) -> "HealthChecks":
    # Loaded here so that `veriscope --help` stays quick.
    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    from veriscope.instrument import health  # noqa: PLC0415

    checks = health.HealthChecks("doctor", registry=CollectorRegistry())

    def add(name: str, check: "Check") -> None:
        checks.add(name, check, timeout_s=options.timeout, cache_s=_FRESH)

    for path in dict.fromkeys(options.disk or ["/"]):
        add(f"disk {path}", health.disk_check(path, _ALL_PERCENT))
    add("memory", health.memory_check(_ALL_PERCENT))
    for pattern in dict.fromkeys(options.process):
        add(f"process {pattern}", health.process_check(pattern, ignore=_OWN_COMMAND))
    for url in dict.fromkeys(options.url):
        add(f"url {_shown(url)}", health.http_check(url, timeout_s=options.timeout))
    if options.server:
        ready = options.server.rstrip("/") + "/-/ready"
        add("server", health.http_check(ready, timeout_s=options.timeout))
    if options.gpu:
        add("gpu", health.gpu_check())
    if options.spice:
        add("spice", health.spice_check(timeout_s=options.timeout))
    return checks


def _finding(outcome: "Outcome", options: argparse.Namespace) -> Finding:
    kind = outcome.name.partition(" ")[0]
    severity, message = Severity.OK, outcome.text
    if not outcome.ok:
        # What could not be measured is unknown; what was asked and does not work is critical.
        severity = Severity.UNKNOWN if kind in ("disk", "memory") else Severity.CRITICAL
        message = f"{outcome.name}: {outcome.reason}"
    elif kind in ("disk", "memory"):
        percent = float(outcome.result.observed or 0)
        message = outcome.result.reason
        severity = _level(percent, kind, options)
    elif outcome.text == "no_gpu":
        severity, message = Severity.CRITICAL, "gpu: there is none"
    return Finding(outcome.name, severity, message, outcome.duration_s)


def _level(percent: float, kind: str, options: argparse.Namespace) -> Severity:
    """Return how bad *percent* is by the thresholds of *kind*."""
    for severity in (Severity.CRITICAL, Severity.WARNING):
        threshold = getattr(options, f"{kind}_{severity.name.lower()}")
        if threshold is not None and percent > threshold:
            return severity
    return Severity.OK


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    names = max(len(finding.name) for finding in findings)
    for finding in findings:
        took = f"{finding.duration_s * 1000:.0f} ms"
        yield f"  {finding.severity.name:<8}  {finding.name:<{names}}  {took:>8}  {finding.message}"


def _document(worst: Severity, summary: str, findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "status": worst.name,
        "exit_code": int(worst),
        "summary": summary,
        "checks": [
            {
                "name": finding.name,
                "status": finding.severity.name,
                "message": finding.message,
                "duration_ms": round(finding.duration_s * 1000, 3),
            }
            for finding in findings
        ],
    }


def _shown(url: str) -> str:
    """Return *url* without its credentials."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= _ALL_PERCENT:
        raise argparse.ArgumentTypeError(f"{text} is not a percentage from 0 to 100")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value

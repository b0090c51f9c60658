"""
Veriscope beside Prometheus and VictoriaMetrics in one run: figures, ratios, aims.

All three run on this machine with fresh data, take the same requests, and are asked the same
questions in turns. Ends with 1 where an aim is missed or an answer differs from Prometheus'.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from peers import bodies, dataset, measure, questions, servers, table
from peers.measure import Running
from peers.report import Report

_HOUR_S: Final = 3600
_AGE_S: Final = 900  # older than what VictoriaMetrics' cache leaves out: the last five minutes
_SENDERS: Final = 8
_CLIENTS: Final = 8
_PARTS: Final = ("write", "latency", "throughput")
_MAX_SHOWN_SERIES: Final = 20_000
_WIDEST: Final = 72


class Run:
    """One run with its options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._begun = time.monotonic()
        series = 1_000 if options.quick else options.series
        readings = _HOUR_S // dataset.INTERVAL_S
        self._parts = dataset.fleet(series, readings, _SENDERS)
        self._hosts = sum(
            dict(labels)["__name__"] == "cpu_usage_user"
            for part in self._parts
            for labels in part.labels
        )
        # Off whole tens of seconds, where the steps of subqueries are.
        self._last_s = (int(time.time()) - _AGE_S) // 60 * 60 + 4
        self._when = questions.Times.before(self._last_s)
        self._asked = [
            question
            for question in questions.questions(self._hosts)
            if series <= _MAX_SHOWN_SERIES or question.kind is not questions.Kind.LARGE
        ]

    def __call__(self) -> int:
        """Measure, print, write; return the exit code."""
        with tempfile.TemporaryDirectory() as folder:
            report = self._measure(Path(folder))
        rows = report.rows(self._asked)
        print(table.to_markdown(rows, widest=_WIDEST))
        for each in report.disagreements:
            print(f"{each.server} disagrees on {each.question}: {'; '.join(each.told)}")
        self._options.markdown.parent.mkdir(parents=True, exist_ok=True)
        self._options.markdown.write_text(table.to_markdown(rows), encoding="utf-8")
        if self._options.json is not None:
            self._options.json.write_text(json.dumps(report.document(self._asked), indent=1))
        missed = sum(row.met is False for row in rows)
        self._tell(f"done; {missed} aims missed, {len(report.disagreements)} disagreements")
        return 1 if missed or report.disagreements else 0

    def _measure(self, folder: Path) -> Report:
        count = sum(len(part.labels) for part in self._parts)
        fewer = table.read_peaks(self._options.beside) if self._options.beside else None
        if fewer is not None and fewer[0] >= count:
            raise SystemExit(
                f"--beside is a run of {fewer[0]:,} series, not of fewer than {count:,}"
            )
        samples = sum(part.values.size for part in self._parts)
        report = Report(count, samples, _machine(), fewer=fewer)
        with ExitStack() as stack:
            running = [
                Running(candidate, stack.enter_context(candidate.running(folder / candidate.name)))
                for candidate in servers.CANDIDATES
            ]
            self._load(running, folder, report)
            self._ask(running, report)
            for each in running:
                report.peak_bytes[each.name] = each.server.memory_bytes("VmHWM")
                self._tell(f"compacting {each.name}")
                each.candidate.compact(each.server)
        for candidate in servers.CANDIDATES:
            report.disk_bytes[candidate.name] = candidate.disk_bytes(folder / candidate.name)
        report.table_bytes = servers.table_bytes(folder / servers.VERISCOPE)
        return report

    def _load(self, running: Sequence[Running], folder: Path, report: Report) -> None:
        first_s = self._last_s - _HOUR_S + dataset.INTERVAL_S
        lead = 80  # readings of the series that warm up, all before the others'
        warm = measure.warm_up(lead)
        few = bodies.encode([warm], first_s - lead * dataset.INTERVAL_S, folder / "warm")
        for each in running:
            measure.load(each, few)
        every = bodies.encode(self._parts, first_s, folder / "bodies")
        self._tell(f"{every.samples:,} samples in {every.size_bytes >> 20} MiB")
        for each in running:
            load = measure.load(each, every)
            self._tell(f"{each.name} took {load.samples_per_second:,.0f} samples/s")
            if "write" in self._options.only:
                report.loads[each.name] = load

    def _ask(self, running: Sequence[Running], report: Report) -> None:
        self._tell(f"comparing {len(self._asked)} answers")
        report.disagreements = measure.compare(running, self._asked, self._when)
        refused = {each.question for each in report.disagreements if each.refused}
        self._asked = [question for question in self._asked if question.text not in refused]
        if "latency" in self._options.only:
            rounds = 3 if self._options.quick else self._options.rounds
            self._tell(f"asking {len(self._asked)} questions {rounds} times")
            report.seconds = measure.latencies(running, self._asked, self._when, rounds=rounds)
        if "throughput" in self._options.only:
            self._tell(f"{_CLIENTS} clients ask a dashboard mix")
            report.per_second = self._throughput(running, cached=False)
            report.per_second_cached = self._throughput(running, cached=True)

    def _throughput(self, running: Sequence[Running], *, cached: bool) -> dict[str, float]:
        return measure.throughput(
            running,
            {
                each.name: questions.dashboard_mix(
                    self._hosts, self._when, () if cached else each.candidate.uncached
                )
                for each in running
            },
            clients=_CLIENTS,
            seconds=1 if self._options.quick else 5,
            rounds=1 if self._options.quick else 3,
        )

    def _tell(self, what: str) -> None:
        print(f"{time.monotonic() - self._begun:6.1f} s  {what}", file=sys.stderr, flush=True)


def _machine() -> dict[str, Any]:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        model = next(
            (line.partition(": ")[2].strip() for line in lines if "model name" in line), ""
        )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "prometheus": _version("prometheus", "--version"),
        "victoria-metrics": _version("victoria-metrics", "-version"),
    }


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="peers", description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="1,000 series, few rounds: a trial")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--rounds", type=int, default=7, help="turns at each question")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        default=Path("artifacts/peers.md"),
        help="write the table there",
    )
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="FILE",
        help="the JSON of a run with fewer series: shows what memory each series more has cost",
    )
    return parser


if __name__ == "__main__":
    if lacking := servers.missing():
        raise SystemExit(f"install {' and '.join(lacking)} (make peers)")
    raise SystemExit(Run(build_parser().parse_args())())

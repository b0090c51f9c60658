"""
Run the demo for a while, then hold it to its word.

`python benchmarks/soak.py [--minutes 10]` asks three things, prints a table, and exits 1 on a miss:
the memory of every process is flat over the second half; no span was lost on the way to the
server; every count of the services, on their own `/metrics` and in the server's PromQL, equals
what the load generator itself has counted. Not part of the tests.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from examples.demo import Demo, DemoOptions
from examples.demo.children import Children
from examples.demo.load import LoadOptions
from examples.demo.tally import Tally

_SAMPLE_S: Final = 1.0
_BLOCK_S: Final = 30.0
"""
Of the readings of so many seconds the lowest counts: what a process takes for a moment's work and
gives back is no growth, and a leak raises the floor as it raises the peaks.
"""
_MAX_SLOPE: Final = float(1 << 20)
"""Bytes a minute that memory may grow by, at the upper end of the 95% interval."""
_SETTLE_S: Final = 30.0
"""Longest wait for the last spans and samples to arrive."""
_OWN: Final = frozenset({"/health", "/metrics", "/faults"})
"""Routes that others than the load ask, too."""
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table."""

    what: str
    expected: str
    found: str
    holds: bool


class MemoryLog:
    """Resident memory of processes over time."""

    def __init__(self) -> None:
        self._readings: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)

    async def watch(self, children: Children) -> None:
        """Read every child and this process each second, for ever."""
        while True:
            now_s = time.monotonic()
            own = psutil.Process(os.getpid())
            self._readings["load"].append((now_s, own.memory_info().rss))
            for child in children.running:
                rss = psutil.Process(child.pid).memory_info().rss
                self._readings[child.name].append((now_s, rss))
            await asyncio.sleep(_SAMPLE_S)

    def verdicts(self) -> Iterator[Verdict]:
        """Judge the slope of each process over the second half."""
        for name, readings in self._readings.items():
            table = np.array(readings)
            late = table[table[:, 0] >= table[:, 0].mean()]
            blocks = ((late[:, 0] - late[0, 0]) // _BLOCK_S).astype(int)
            of_block = [late[blocks == block] for block in np.unique(blocks)]
            points = np.array([block[block[:, 1].argmin()] for block in of_block])
            last = f"{late[-1, 1] / 2**20:.1f} MiB"
            if len(points) < 5:
                yield Verdict(f"memory of {name}", "flat", f"too short to tell, {last}", True)
                continue
            fit = stats.linregress(points[:, 0] / 60, points[:, 1])
            margin = float(stats.t.ppf(0.975, len(points) - 2)) * fit.stderr
            low, high = fit.slope - margin, fit.slope + margin
            found = f"{fit.slope / 2**20:+.3f} ± {margin / 2**20:.3f} MiB/min, {last}"
            yield Verdict(f"memory of {name}", "flat", found, bool(high < _MAX_SLOPE or low <= 0))


def metrics_of(url: str) -> list[Any]:
    """Return every sample on `/metrics` of *url*."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def query(server: str, expression: str) -> list[tuple[dict[str, str], float]]:
    """Return the vector of *expression* at this moment."""
    parameters = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{server}/api/v1/query?{parameters}", timeout=30) as answer:
        result = json.load(answer)["data"]["result"]
    return [(row["metric"], float(row["value"][1])) for row in result]


@dataclass(frozen=True, slots=True)
class Count:
    """A metric that the load generator has counted for itself."""

    service: str
    metric: str
    labels: tuple[str, ...]
    expected: Mapping[Key, int]
    fold: Mapping[str, Mapping[str, str]]
    """Values of a label that the load generator cannot tell apart, and what it calls them."""

    def key(self, labels: Mapping[str, str]) -> Key:
        """Return what the load generator calls the series *labels*."""
        found = [(name, labels.get(name, "")) for name in self.labels]
        return tuple(self.fold.get(name, {}).get(value, value) for name, value in found)

    def compare(self, where: str, samples: list[tuple[dict[str, str], float]]) -> Verdict:
        """Judge *samples* of the metric, series by series."""
        found: Counter[Key] = Counter()
        for labels, value in samples:
            if value and labels.get("route", "") not in _OWN:
                found[self.key(labels)] += round(value)
        wanted = {key: count for key, count in self.expected.items() if count}
        wrong = [
            f"{'/'.join(key)}: {found.get(key, 0)} for {wanted.get(key, 0)}"
            for key in sorted(wanted.keys() | found.keys())
            if found.get(key, 0) != wanted.get(key, 0)
        ]
        label = f"{self.service} {self.metric}, {where}"
        text = "; ".join(wrong) if wrong else f"{sum(found.values())} in {len(found)} series"
        return Verdict(label, f"{sum(wanted.values())}", text, not wrong)

    def verdicts(self, demo: Demo) -> Iterator[Verdict]:
        """Judge what the service shows, and what the server has stored."""
        shown = [
            (dict(sample.labels), sample.value)
            for sample in metrics_of(demo.urls[self.service])
            if sample.name == self.metric
        ]
        yield self.compare("/metrics", shown)
        stored = query(demo.server_url, f'{self.metric}{{job="{self.service}"}}')
        yield self.compare("PromQL", stored)


def counts(tally: Tally, services: Mapping[str, str]) -> Iterator[Count]:
    """Yield what can be compared."""
    for service in services:
        requests = {key[1:]: count for key, count in tally.requests.items() if key[0] == service}
        yield Count(
            service,
            "http_server_request_duration_seconds_count",
            ("method", "route", "status"),
            requests,
            {},
        )
    if "truthgpt" in services:
        model, error = "gen_ai_request_model", "error_type"
        errors = {"DivergedError": "error"}
        name = "gen_ai_server_request_duration_seconds_count"
        yield Count("truthgpt", name, (model, error), tally.calls, {error: errors})
        tokens = {key: count for key, count in tally.tokens.items() if key[1] != "cached"}
        kind = "gen_ai_token_type"
        yield Count("truthgpt", "gen_ai_client_token_usage_sum", (model, kind), tokens, {})
        cached = {key[:1]: count for key, count in tally.tokens.items() if key[1] == "cached"}
        name = "gen_ai_cache_read_input_tokens_total"
        yield Count("truthgpt", name, (model,), cached, {})
    if "genrf" in services:
        labels = ("circuit_type", "technology", "status")
        yield Count("genrf", "genrf_circuits_generated_total", labels, tally.generations, {})


def span_verdicts(demo: Demo) -> Iterator[Verdict]:
    """Judge the way of the spans: none dropped, and as many stored as were sent."""
    sent: Counter[str] = Counter()
    for url in demo.urls.values():
        for sample in metrics_of(url):
            if sample.labels.get("signal") == "spans":
                sent[sample.name] += round(sample.value)
    dropped = sent["veriscope_export_dropped_items_total"]
    yield Verdict("spans dropped by the services", "0", str(dropped), dropped == 0)
    stored = 0
    for sample in metrics_of(demo.server_url):
        if sample.name == "veriscope_store_rows" and sample.labels["table"] == "spans":
            stored = round(sample.value)
    expected = sent["veriscope_export_sent_items_total"]
    yield Verdict("spans stored", str(expected), str(stored), 0 < expected == stored)


def settle(demo: Demo) -> list[Verdict]:
    """Compare until all agrees, or for as long as the last samples may be on their way."""
    deadline_s = time.monotonic() + _SETTLE_S
    while True:
        found = list(span_verdicts(demo))
        for count in counts(demo.load.tally, demo.urls):
            found += count.verdicts(demo)
        if all(verdict.holds for verdict in found) or time.monotonic() > deadline_s:
            return found
        time.sleep(2)


async def soak(options: DemoOptions, minutes: float) -> list[Verdict]:
    """Run the demo for *minutes*, and judge it."""
    memory = MemoryLog()
    async with Demo(options, lambda line: print(line, flush=True)) as demo:
        watching = asyncio.create_task(memory.watch(demo.children))
        await demo.drive(minutes * 60, asyncio.Event())
        watching.cancel()
        found = await asyncio.to_thread(settle, demo)
        restarts = sum(child.restarts for child in demo.children.running)
        broken = demo.load.tally.broken.total()
    return [
        Verdict("processes that ended", "0", str(restarts), restarts == 0),
        Verdict("requests without an answer", "0", str(broken), broken == 0),
        *memory.verdicts(),
        *found,
    ]


def show(found: list[Verdict]) -> None:
    """Print the table."""
    width = max(len(verdict.what) for verdict in found)
    for verdict in found:
        mark = "ok  " if verdict.holds else "MISS"
        print(f"{mark}  {verdict.what:{width}}  expected {verdict.expected}: {verdict.found}")


def main() -> int:
    """Soak and judge; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--users", type=float, default=5.0)
    parser.add_argument("--services", default="truthgpt,genrf")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="veriscope-soak-") as data:
        options = DemoOptions(
            data=Path(data),
            listen="127.0.0.1:0",
            truthgpt="127.0.0.1:0",
            genrf="127.0.0.1:0",
            services=tuple(chosen.services.split(",")),
            load=LoadOptions(users=chosen.users),
        )
        found = asyncio.run(soak(options, chosen.minutes))
    show(found)
    return 0 if all(verdict.holds for verdict in found) else 1


if __name__ == "__main__":
    sys.exit(main())

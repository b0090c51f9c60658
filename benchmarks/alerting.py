"""Seconds for 1,000 alerting rules over 10,000 series, and of what a round consists."""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from prometheus_client import CollectorRegistry

from veriscope.ingest import IngestOptions, MetricIngest
from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine, QueryResult
from veriscope.rules import Expander, GroupEvaluator, Rule, RuleGroup, RuleOptions
from veriscope.signals import Clock, SampleBatch, SystemClock, to_labels
from veriscope.signals.alerts import PostedAlert
from veriscope.store import Store, StoreOptions
from veriscope.templates.prometheus import RuleTemplates

_SHAPES: Final = {
    "one metric": ("requests_total", '{{service="svc-{i}"}}'),
    "own metrics": ("requests_{i}_total", ""),
}
_EXPRESSIONS: Final = (
    "rate({selector}[5m]) > {threshold}",
    "sum by (service, code) (rate({selector}[5m])) > {threshold}",
    "max_over_time({selector}[10m]) - min_over_time({selector}[10m]) > {threshold} * 600",
)
_STEP_MS: Final = 15_000


class Rounds:
    """Evaluates groups of rules on a store, and adds up what takes how long."""

    def __init__(self, store: Store, clock: Clock) -> None:
        registry = CollectorRegistry()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.sent = 0
        self.ingest = MetricIngest(
            IngestOptions(),
            decode=store.metrics.decode,
            insert=store.metrics.insert,
            registry=registry,
        )
        self._prepare = store.series.prepare
        self._engine = PromqlEngine(store.series, QueryOptions(), clock, registry)
        self._clock = clock
        self._threads = ThreadPoolExecutor(RuleOptions().max_concurrent_evaluations)

    def evaluator(self, group: RuleGroup) -> GroupEvaluator:
        """Return what evaluates *group*."""
        return GroupEvaluator(
            group,
            interval_ms=60_000,
            evaluate=self._evaluate,
            record=self._timed("storing", self.ingest.accept_recorded),
            clock=self._clock,
            expander=Expander(RuleTemplates({}, ""), self._query),
            prepare=self._prepare,
            send=self._send,
        )

    def _query(self, text: str, time_ms: int) -> QueryResult:
        begun = time.thread_time()
        found = self._engine.instant_query(text, time_ms, cache=False)
        self.seconds["queries, CPU"] += time.thread_time() - begun
        return found

    async def _evaluate(self, rule: Rule, time_ms: int) -> QueryResult:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._query, rule.expr, time_ms)

    async def _send(self, alerts: Sequence[PostedAlert]) -> None:
        self.sent += len(alerts)

    def _timed(
        self, phase: str, work: Callable[[Any], Awaitable[None]]
    ) -> Callable[[Any], Awaitable[None]]:
        async def timed(given: Any) -> None:
            begun = time.perf_counter()
            await work(given)
            self.seconds[phase] += time.perf_counter() - begun

        return timed


def main() -> None:
    """Print a line for each shape of the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--firing", type=float, default=0.05, help="part of the series that fires")
    options = parser.parse_args()
    print(f"{'data':12} {'expression':>10} {'first s':>8} {'round s':>8} {'CPU s':>7}  of a round")
    with tempfile.TemporaryDirectory() as folder:
        for shape in _SHAPES:
            asyncio.run(_measure(shape, options, Path(folder)))


async def _measure(shape: str, options: argparse.Namespace, folder: Path) -> None:
    clock = SystemClock()
    database = shape.replace(" ", "_")
    store = Store.open(StoreOptions(url=f"chdb://{folder}", database=database))
    rounds = Rounds(store, clock)
    stop = asyncio.Event()
    committing = asyncio.create_task(rounds.ingest.run(stop))
    end_ms = await _load(rounds.ingest, shape, options, clock.now_ms())
    for number, expression in enumerate(_EXPRESSIONS, 1):
        evaluators = [rounds.evaluator(group) for group in _groups(shape, expression, options)]
        took: list[float] = []
        for turn in range(options.rounds + 1):
            if turn == 1:
                rounds.seconds.clear()
                cpu_s = time.process_time()
            begun = time.perf_counter()
            await asyncio.gather(*(each.run_once(end_ms + turn * 1_000) for each in evaluators))
            took.append(time.perf_counter() - begun)
        cpu_s = (time.process_time() - cpu_s) / options.rounds
        states = [rule for each in evaluators for rule in each.state.rules]
        if failed := [rule.error for rule in states if rule.error]:
            raise SystemExit(f"{len(failed)} rules failed: {failed[0]}")
        alerts = sum(len(rule.active) for rule in states)
        parts = ", ".join(f"{k} {v / options.rounds:.2f} s" for k, v in rounds.seconds.items())
        print(
            f"{shape:12} {number:>10} {took[0]:8.2f} {statistics.median(took[1:]):8.2f}"
            f" {cpu_s:7.2f}  {parts}; {alerts} alerts"
        )
    stop.set()
    await committing
    store.close()


def _groups(shape: str, expression: str, options: argparse.Namespace) -> list[RuleGroup]:
    metric, matcher = _SHAPES[shape]
    rules = [
        Rule(
            alert=f"Alert{i}",
            expr=expression.format(
                selector=(metric + matcher).format(i=i), threshold=1 - options.firing
            ),
            labels={"severity": "page"},
            annotations={"summary": "{{ $labels.service }} is at {{ $value | humanize }}"},
        )
        for i in range(options.rules)
    ]
    return [
        RuleGroup(name=f"g{n}", rules=tuple(rules[n :: options.groups]))
        for n in range(options.groups)
    ]


async def _load(ingest: MetricIngest, shape: str, options: argparse.Namespace, end_ms: int) -> int:
    """Store ten minutes of counters, whose rates are spread evenly from 0 to 1."""
    metric, _ = _SHAPES[shape]
    labels = tuple(
        to_labels(
            {
                "__name__": metric.format(i=i % options.rules),
                "service": f"svc-{i % options.rules}",
                "instance": f"10.0.{i // 250}.{i % 250}:8080",
                "code": "200",
            }
        )
        for i in range(options.series)
    )
    rates = np.random.default_rng(1).random(options.series)
    for step in range(40, -1, -1):
        values = rates * (40 - step) * _STEP_MS / 1000
        await ingest.accept_batch(SampleBatch.at(labels, values, end_ms - step * _STEP_MS))
    return end_ms


if __name__ == "__main__":
    main()

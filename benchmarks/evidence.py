"""Milliseconds to gather evidence: 10,000 series, 100,000 log records, 20,000 spans."""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import numpy as np
import pyarrow as pa
from prometheus_client import CollectorRegistry

from veriscope.insight.evidence import EvidenceGatherer, EvidenceSources
from veriscope.insight.evidence.asking import Asking, Case, NothingToSayError
from veriscope.insight.evidence.expression import expression_of
from veriscope.insight.evidence.gatherer import PARTS
from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.signals import Clock, SampleBatch, SystemClock, to_labels
from veriscope.signals.evidence import FiringAlerts
from veriscope.store import Store, StoreOptions

_SERVICES: Final = 20
_METRICS: Final = 50
_STEP_MS: Final = 15_000
_HOURS: Final = 2
_SINCE_MS: Final = 120_000
_EXPRESSION: Final = 'sum by (job) (rate(metric_0_total{job="svc-3"}[1m])) > 5'


def main() -> None:
    """Measure, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--records", type=int, default=100_000, help="default: 100000")
    parser.add_argument("--spans", type=int, default=20_000, help="default: 20000")
    parser.add_argument("--rounds", type=int, default=50, help="default: 50")
    chosen = parser.parse_args()
    clock = SystemClock()
    with filled_store(chosen.series, chosen.records, chosen.spans, clock.now_ms()) as store:
        engine = PromqlEngine(store.series, QueryOptions(), clock, CollectorRegistry())
        sources = EvidenceSources(engine, store.log_search, store.span_search, store.events)
        gatherer = EvidenceGatherer(sources, external_url="http://localhost", clock=clock)
        alerts = firing(clock.now_ms())
        seconds, missed = [], 0
        for _ in range(chosen.rounds):
            begun_s = time.perf_counter()
            evidence = asyncio.run(gatherer.gather(alerts))
            seconds.append(time.perf_counter() - begun_s)
            missed += any("not ready" in each for each in evidence.missing)
        gatherer.close()
        parts = part_times(sources, alerts, clock)
    show(seconds, missed, parts)


@contextmanager
def filled_store(series: int, records: int, spans: int, now_ms: int) -> Iterator[Store]:
    """Give a store with two hours of everything, of twenty services."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(StoreOptions(url=f"chdb://{Path(folder).resolve()}/store"))
        try:
            add_series(store, series, now_ms)
            add_records(store, records, now_ms)
            add_spans(store, spans, now_ms)
            yield store
        finally:
            store.close()


def add_series(store: Store, count: int, now_ms: int) -> None:
    """Store counters and gauges; those of one service change two minutes ago."""
    chance = np.random.default_rng(1)
    labels = tuple(
        to_labels(
            {
                "__name__": f"metric_{number // 2 % _METRICS}" + ("_total" if number % 2 else ""),
                "job": f"svc-{number // (2 * _METRICS) % _SERVICES}",
                "instance": f"host-{number // (2 * _METRICS)}:80",
            }
        )
        for number in range(count)
    )
    times = np.arange(now_ms - _HOURS * 3_600_000, now_ms, _STEP_MS)
    level = np.full(count, 50.0)
    for time_ms in times.tolist():
        late = time_ms > now_ms - _SINCE_MS
        noise = chance.normal(0, 1, count) + np.where(late & (np.arange(count) % 37 == 0), 20, 0)
        level = np.where(np.arange(count) % 2 == 1, level + 150 + noise, 50 + noise)
        store.metrics.insert_batches([SampleBatch.at(labels, level, time_ms)])


def add_records(store: Store, count: int, now_ms: int) -> None:
    """Store log records, a tenth of them errors."""
    chance = np.random.default_rng(2)
    times = now_ms - chance.integers(0, _HOURS * 3_600_000, count)
    columns = {
        "service_name": pa.array([f"svc-{n % _SERVICES}" for n in range(count)]),
        "time": pa.array(times, pa.timestamp("ms", tz="UTC")),
        "delivery": pa.array(range(count), pa.uint64()),
        "position": pa.array([0] * count, pa.uint32()),
        "severity_number": pa.array(np.where(np.arange(count) % 10 == 3, 17, 9), pa.uint8()),
        "body": pa.array([f"request {n} of user {n % 97} took {n % 700} ms" for n in range(count)]),
        "body_type": pa.array(["string"] * count),
    }
    insert(store, "logs", columns)


def add_spans(store: Store, count: int, now_ms: int) -> None:
    """Store spans, a hundredth of them failed."""
    chance = np.random.default_rng(3)
    times = now_ms - chance.integers(0, _HOURS * 3_600_000, count)
    columns = {
        "service_name": pa.array([f"svc-{n % _SERVICES}" for n in range(count)]),
        "start_time": pa.array(times, pa.timestamp("ms", tz="UTC")),
        "trace_id": pa.array([n.to_bytes(16) for n in range(count)], pa.binary(16)),
        "span_id": pa.array([n.to_bytes(8) for n in range(count)], pa.binary(8)),
        "name": pa.array(["POST /answer"] * count),
        "kind": pa.array(["server"] * count),
        "duration_ns": pa.array(chance.exponential(1e8, count).astype(np.int64)),
        "status_code": pa.array(["error" if n % 100 == 3 else "ok" for n in range(count)]),
    }
    insert(store, "spans", columns)


def insert(store: Store, table: str, columns: Mapping[str, pa.Array]) -> None:
    """Store rows as they are, which is quicker than by OTLP."""
    store._engine.insert_arrow(table, pa.table(columns))  # noqa: SLF001 - no door takes columns


def firing(now_ms: int) -> FiringAlerts:
    """Return the alert that evidence is gathered for."""
    labels = to_labels({"alertname": "Slow", "job": "svc-3", "severity": "critical"})
    url = f"http://localhost/graph?g0.expr={quote_plus(_EXPRESSION)}&g0.tab=1"
    return FiringAlerts((labels,), labels, (), now_ms - _SINCE_MS, (url,))


def part_times(
    sources: EvidenceSources, alerts: FiringAlerts, clock: Clock
) -> Sequence[tuple[str, float]]:
    """Return the median seconds of each part alone."""
    now_ms = clock.now_ms()
    case = Case(alerts, expression_of(alerts.generator_urls), alerts.starts_at_ms, now_ms)

    def once(part: Callable[..., object]) -> float:
        begun_s = time.perf_counter()
        with suppress(NothingToSayError):
            part(case, Asking(sources, clock, clock.monotonic_s() + 10))
        return time.perf_counter() - begun_s

    return [(name, statistics.median(once(part) for _ in range(5))) for name, part in PARTS.items()]


def show(seconds: Sequence[float], missed: int, parts: Sequence[tuple[str, float]]) -> None:
    """Print what was measured."""
    first, *rest = seconds
    ordered = sorted(rest)
    print(
        f"gather: first {first * 1000:.0f} ms, then p50 {statistics.median(ordered) * 1000:.0f} ms,"
        f" p99 {ordered[int(0.99 * len(ordered))] * 1000:.0f} ms ({len(ordered)} times);"
        f" {missed} with a part that was late"
    )
    for name, part_s in parts:
        print(f"  {name:<15} {part_s * 1000:6.1f} ms")


if __name__ == "__main__":
    main()

"""What goes wrong in the tests of evidence, and who asks about it."""

import asyncio
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote_plus
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.insight.evidence import EvidenceGatherer
from veriscope.query.promql import PromqlEngine
from veriscope.signals import SampleBatch, SystemClock, to_labels
from veriscope.signals.evidence import Evidence, FiringAlerts
from veriscope.store import Store

MINUTE_MS = 60_000
# The store deletes what is weeks old.
NOW_MS = SystemClock().now_ms() // MINUTE_MS * MINUTE_MS
ONSET_MS = NOW_MS - 5 * MINUTE_MS
START_MS = NOW_MS - 90 * MINUTE_MS
Floats: TypeAlias = NDArray[np.float64]
EXPRESSION = 'sum by (job) (rate(answers_total{code="500"}[1m])) > 0.5'


def write(
    store: Store, values: Floats, times_ms: NDArray[Any] | None = None, /, **labels: str
) -> None:
    """Store *values* as a series at *times_ms*, or spread evenly over the time up to now."""
    if times_ms is None:
        times_ms = np.linspace(START_MS, NOW_MS, len(values))
    rows = np.zeros(len(values), dtype=np.uint32)
    times = times_ms.astype(np.int64)
    store.metrics.insert_batches([SampleBatch((to_labels(labels),), rows, times, values)])


def log(store: Store, body: str, times_ms: list[int], severity: int = 17) -> None:
    """Store records of the service `chat`."""
    count = len(times_ms)
    columns = {
        "service_name": pa.array(["chat"] * count),
        "time": pa.array(times_ms, pa.timestamp("ms", tz="UTC")),
        "delivery": pa.array([crc32(body.encode())] * count, pa.uint64()),
        "position": pa.array(range(count), pa.uint32()),
        "body": pa.array([f"{body} {number}" for number in range(count)]),
        "body_type": pa.array(["string"] * count),
        "severity_number": pa.array([severity] * count, pa.uint8()),
    }
    store._engine.insert_arrow("logs", pa.table(columns))


def trace(store: Store, number: int, duration_ms: float, status: str = "unset") -> None:
    """Store one span of the service `chat`, two minutes ago."""
    columns = {
        "service_name": pa.array(["chat"]),
        "start_time": pa.array([NOW_MS - 2 * MINUTE_MS], pa.timestamp("ms", tz="UTC")),
        "trace_id": pa.array([number.to_bytes(16)], pa.binary(16)),
        "span_id": pa.array([number.to_bytes(8)], pa.binary(8)),
        "name": pa.array(["POST /answer"]),
        "kind": pa.array(["server"]),
        "duration_ns": pa.array([round(duration_ms * 1e6)], pa.int64()),
        "status_code": pa.array([status]),
    }
    store._engine.insert_arrow("spans", pa.table(columns))


def firing(
    *labels: dict[str, str], expression: str = EXPRESSION, starts_at_ms: int = ONSET_MS
) -> FiringAlerts:
    """Return alerts as they are handed over."""
    every = labels or ({"alertname": "AnswersFail", "job": "chat", "severity": "critical"},)
    common = dict(set.intersection(*(set(each.items()) for each in every)))
    url = f"http://x/graph?g0.expr={quote_plus(expression)}&g0.tab=1" if expression else ""
    return FiringAlerts(
        labels=tuple(to_labels(each) for each in every),
        common_labels=to_labels(common),
        common_annotations=to_labels({"runbook_url": "https://runbooks/answers"}),
        starts_at_ms=starts_at_ms,
        generator_urls=(url,),
    )


@dataclass(frozen=True)
class Bench:
    """A store and who gathers from it."""

    store: Store
    gatherer: EvidenceGatherer
    engine: PromqlEngine

    def gather(self, alerts: FiringAlerts | None = None, deadline_s: float = 30.0) -> Evidence:
        """Gather for *alerts*, with time enough."""
        return asyncio.run(self.gatherer.gather(alerts or firing(), deadline_s=deadline_s))

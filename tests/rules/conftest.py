"""A place where rules record, and an engine that reads it."""

from collections.abc import Callable

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine, QueryResult
from veriscope.signals import (
    FetchLimits,
    Labels,
    LabelSets,
    ManualClock,
    MatchOp,
    RaggedSamples,
    RawFetch,
    SampleBatch,
    label_value,
    to_labels,
)


class Recorded:
    """Samples in memory: a sink for rules and a source for the engine."""

    def __init__(self) -> None:
        self.series: dict[Labels, dict[int, float]] = {}
        self.batches: list[SampleBatch] = []

    def put(self, time_ms: int, value: float, **labels: str) -> None:
        """Add one sample."""
        self.series.setdefault(to_labels(labels), {})[time_ms] = value

    async def record(self, batch: SampleBatch) -> None:
        """Take a batch for good."""
        self.batches.append(batch)
        for row, time_ms, value in zip(
            batch.series, batch.timestamps_ms, batch.values, strict=True
        ):
            self.series.setdefault(batch.labels[row], {})[int(time_ms)] = float(value)

    def version(self) -> int:
        """Return how many batches there were."""
        return len(self.batches)

    def first_ms_since(self, version: int) -> int | None:
        """Nothing is remembered of when samples came."""
        return -1 if version != self.version() else None

    def fetch(self, fetch: RawFetch, _limits: FetchLimits) -> RaggedSamples:
        """Answer equality matchers."""
        rows = [
            (
                labels,
                sorted((t, v) for t, v in points.items() if fetch.start_ms < t <= fetch.end_ms),
            )
            for labels, points in sorted(self.series.items())
            if all(
                m.op is MatchOp.EQUAL and label_value(labels, m.name) == m.value
                for m in fetch.matchers
            )
        ]
        rows = [(labels, points) for labels, points in rows if points]
        flat = [point for _, points in rows for point in points]
        return RaggedSamples.of(
            LabelSets(labels for labels, _ in rows),
            np.cumsum([0, *(len(points) for _, points in rows)]),
            np.array([time_ms for time_ms, _ in flat], dtype=np.int64),
            np.array([value for _, value in flat], dtype=np.float64),
        )


@pytest.fixture
def recorded() -> Recorded:
    """Return an empty one."""
    return Recorded()


@pytest.fixture
def query(recorded: Recorded) -> Callable[[str, int], QueryResult]:
    """Return an engine's instant query over what was recorded."""
    engine = PromqlEngine(recorded, QueryOptions(), ManualClock(), CollectorRegistry())
    return engine.instant_query

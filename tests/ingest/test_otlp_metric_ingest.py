"""OTLP metrics on their way to the store: what is told again, what is refused, what is counted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client import CollectorRegistry

from veriscope.ingest import CommitMetrics, IngestOptions, OtlpMetricIngest, PartialSuccess
from veriscope.signals import (
    InvalidInputError,
    PartlyRefusedError,
    UnavailableError,
    VeriscopeError,
)
from veriscope.wire.otlp import Encoding
from veriscope.wire.otlp.metrics import MetricDecoder, OtlpOptions

NOW_NS = 1_790_000_000 * 10**9


class Recorder:
    """A store that notes what it is given; `answer` says what became of each batch."""

    def __init__(self) -> None:
        self.batches: list[Any] = []
        self.calls = 0
        self.answer: Callable[[Sequence[Any]], list[VeriscopeError | None]] = lambda batches: (
            [None] * len(batches)
        )

    def insert(self, batches: Sequence[Any]) -> list[VeriscopeError | None]:
        """Store *batches*."""
        self.calls += 1
        outcomes = self.answer(batches)
        self.batches += batches
        return outcomes

    def values(self) -> list[float]:
        """Return all samples, in the order in which they came."""
        return [float(value) for batch in self.batches for value in batch.values]

    def told(self) -> list[str]:
        """Return the names of all metadata."""
        return [each.name for batch in self.batches for each in batch.metadata]


@asynccontextmanager
async def running(store: Recorder) -> AsyncIterator[tuple[OtlpMetricIngest, CollectorRegistry]]:
    """Run an ingest in front of *store*; drain it at the end."""
    registry, stop = CollectorRegistry(), asyncio.Event()
    ingest = OtlpMetricIngest(
        IngestOptions(),
        MetricDecoder(OtlpOptions(), key=bytes(16)),
        insert=store.insert,
        commits=CommitMetrics(registry),
        registry=registry,
        spacing_s=0,
    )
    task = asyncio.create_task(ingest.run(stop))
    yield ingest, registry
    stop.set()
    await task


def delta(value: int, at_s: int, name: str = "m") -> bytes:
    """Return a request of one delta."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 1, True
    metric.sum.data_points.add(as_int=value, time_unix_nano=NOW_NS + at_s * 10**9)
    return request.SerializeToString()


async def send(ingest: OtlpMetricIngest, body: bytes) -> PartialSuccess:
    """Send a request."""
    return await ingest.accept(body, Encoding.PROTOBUF, gzip=False)


async def test_requests_that_wait_together_are_stored_together() -> None:
    """Deltas are added up in the order in which they came; a bad request harms no other."""
    store = Recorder()
    async with running(store) as (ingest, registry):
        first = [send(ingest, delta(number, number)) for number in (1, 2, 3)]
        bad, *good = await asyncio.gather(
            send(ingest, b"no protobuf"), *first, return_exceptions=True
        )
    assert good == [PartialSuccess()] * 3
    assert isinstance(bad, InvalidInputError)
    assert store.values() == [1, 3, 6]
    assert store.told() == ["m_total"]
    assert store.calls < 4
    counted = registry.get_sample_value
    assert counted("veriscope_ingest_otlp_points_total", {"outcome": "stored"}) == 3
    outcome = {"door": "otlp_metrics", "outcome": "refused"}
    assert counted("veriscope_ingest_requests_total", outcome) == 1


async def test_a_commit_that_failed_adds_nothing_twice() -> None:
    """What the client sends again is the same sum again; metadata is told once it is stored."""
    store = Recorder()

    def fail(_: Sequence[Any]) -> list[VeriscopeError | None]:
        raise UnavailableError("disk full")

    works, store.answer = store.answer, fail
    async with running(store) as (ingest, _):
        with pytest.raises(UnavailableError):
            await send(ingest, delta(5, 1))
        store.answer = works
        assert await send(ingest, delta(5, 1)) == PartialSuccess()
        assert await send(ingest, delta(2, 2)) == PartialSuccess()
    assert store.values() == [5, 7]
    assert store.told() == ["m_total"]


async def test_what_the_store_refuses_is_a_partial_success() -> None:
    """A limit on series is told with its words, and the rest counts as stored."""
    store = Recorder()
    store.answer = lambda batches: [
        PartlyRefusedError("metric m_total has too many series", samples=1, option="max_series")
        if len(batch)
        else None
        for batch in batches
    ]
    async with running(store) as (ingest, registry):
        partial = await send(ingest, delta(5, 1))
    assert partial == PartialSuccess(1, "1 dropped: metric m_total has too many series")
    counted = registry.get_sample_value
    assert counted("veriscope_ingest_otlp_points_total", {"outcome": "dropped"}) == 1
    assert counted("veriscope_ingest_otlp_points_total", {"outcome": "stored"}) == 0


async def test_drops_are_told_with_their_count() -> None:
    """An out-of-order delta is not stored, and the answer says so."""
    store = Recorder()
    async with running(store) as (ingest, _):
        await send(ingest, delta(5, 10))
        partial = await send(ingest, delta(5, 9))
        assert await send(ingest, b"") == PartialSuccess()
    assert partial == PartialSuccess(
        1, "1 dropped: a delta is older than one before it (metric 'm')"
    )

import asyncio
import time
from collections.abc import Sequence

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from veriscope.collect.loop import CollectLoop, Collector
from veriscope.signals import (
    Clock,
    InvalidInputError,
    ManualClock,
    OverloadedError,
    SampleBatch,
    SystemClock,
    UnavailableError,
    VeriscopeError,
    to_labels,
)

INTERVAL_MS = 10
EXTERNAL = to_labels({"job": "veriscope", "instance": "here"})
LABELS = tuple(to_labels({"__name__": "reading", "row": str(row)}) for row in range(2))


class Scripted:
    """A collector of two series that may let time pass, or fail."""

    name = "scripted"

    def __init__(
        self,
        clock: ManualClock | None = None,
        *,
        busy_ms: Sequence[int] = (),
        busy_s: float = 0.0,
        fails: bool = False,
    ) -> None:
        self._clock = clock
        self._busy_ms = list(busy_ms)
        self._busy_s = busy_s
        self._fails = fails
        self.ticks = 0

    def collect(self, now_ms: int) -> SampleBatch:
        """Give two samples with the number of the tick."""
        self.ticks += 1
        time.sleep(self._busy_s)
        if self._busy_ms:
            self._clock.advance(ms=self._busy_ms.pop(0))
        if self._fails:
            raise ZeroDivisionError("a defect")
        return SampleBatch.at(LABELS, np.full(2, float(self.ticks)), now_ms)


class Sink:
    """A sink that keeps what it takes, refuses as scripted, and stops the loop at *enough*."""

    def __init__(
        self, stop: asyncio.Event, enough: int, refusals: Sequence[VeriscopeError] = ()
    ) -> None:
        self.taken = []
        self.calls = 0
        self._stop = stop
        self._enough = enough
        self._refusals = list(refusals)

    async def __call__(self, batch: SampleBatch) -> None:
        """Take *batch*, or refuse as scripted."""
        self.calls += 1
        if self._refusals:
            raise self._refusals.pop(0)
        self.taken.append(batch)
        if len(self.taken) >= self._enough:
            self._stop.set()


@pytest.fixture
def stop() -> asyncio.Event:
    """Return the event that ends the loop."""
    return asyncio.Event()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry of the test's own."""
    return CollectorRegistry()


def make(
    collectors: Sequence[Collector],
    sink: Sink,
    registry: CollectorRegistry,
    clock: Clock | None = None,
    **more: int,
) -> CollectLoop:
    """Return a fast loop."""
    return CollectLoop(
        collectors, sink, INTERVAL_MS, clock or SystemClock(), registry, EXTERNAL, **more
    )


async def test_batches_arrive_in_order_with_external_labels(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """Each tick's batch reaches the sink, oldest first, every series extended."""
    sink = Sink(stop, 3)
    await make([Scripted()], sink, registry).run(stop)
    assert [batch.values[0] for batch in sink.taken][:3] == [1, 2, 3]
    assert sink.taken[0].labels[1] == to_labels(
        {"__name__": "reading", "row": "1", "job": "veriscope", "instance": "here"}
    )
    times = [int(batch.timestamps_ms[0]) for batch in sink.taken]
    assert times == sorted(set(times))


async def test_extended_labels_are_the_same_object_each_tick(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """A collector that hands on the same tuple gets one extended tuple."""
    sink = Sink(stop, 3)
    await make([Scripted()], sink, registry).run(stop)
    assert all(batch.labels is sink.taken[0].labels for batch in sink.taken)


async def test_own_label_wins_over_an_external_one(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """A label that a series has already is not overwritten."""
    sink = Sink(stop, 1)
    loop = CollectLoop(
        [Scripted()], sink, INTERVAL_MS, SystemClock(), registry, to_labels({"row": "external"})
    )
    await loop.run(stop)
    assert sink.taken[0].labels == LABELS


async def test_ticks_that_cannot_be_kept_are_skipped_and_counted(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """A slow collection does not delay later ticks; what is left out is counted."""
    clock = ManualClock(now_ms=1_000_000)
    sink = Sink(stop, 2)
    await make([Scripted(clock, busy_ms=[35])], sink, registry, clock).run(stop)
    assert registry.get_sample_value("veriscope_collector_skipped_ticks_total") == 3


async def test_ticks_do_not_drift(stop: asyncio.Event, registry: CollectorRegistry) -> None:
    """Ticks and skipped ticks together fill the time exactly, however long a collection takes."""
    sink = Sink(stop, 20)
    collector = Scripted(busy_s=INTERVAL_MS / 1000 * 0.6)
    await make([collector], sink, registry).run(stop)
    first, last = sink.taken[0].timestamps_ms[0], sink.taken[-1].timestamps_ms[0]
    skipped = registry.get_sample_value("veriscope_collector_skipped_ticks_total")
    assert (last - first) / INTERVAL_MS == pytest.approx(len(sink.taken) - 1 + skipped, abs=2)


async def test_collector_that_raises_does_not_stop_the_others(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """A defect in one collector is logged and counted; the rest is collected."""
    sink = Sink(stop, 2)
    with capture_logs() as logs:
        await make([Scripted(fails=True), Scripted()], sink, registry).run(stop)
    assert len(sink.taken) >= 2
    assert logs[0]["event"] == "collector failed"
    failures = "veriscope_collector_failures_total"
    assert registry.get_sample_value(failures, {"collector": "scripted"}) >= 2


@pytest.mark.parametrize(
    "error", [OverloadedError("busy", retry_after_s=0), UnavailableError("no store")]
)
async def test_refused_batches_are_kept_and_sent_again(
    stop: asyncio.Event, registry: CollectorRegistry, error: Exception
) -> None:
    """While the sink refuses, batches wait, each once; one line says so, one that it is over."""
    sink = Sink(stop, 4, refusals=[error] * 5)
    with capture_logs() as logs:
        await make([Scripted()], sink, registry).run(stop)
    assert sorted(batch.values[0] for batch in sink.taken)[:4] == [1, 2, 3, 4]
    assert [line["event"] for line in logs] == [
        "sink refuses batches",
        "sink accepts batches again",
    ]
    assert registry.get_sample_value("veriscope_collector_sink_failures_total") == 5
    assert registry.get_sample_value("veriscope_collector_dropped_samples_total") == 0


async def test_oldest_batches_give_way_when_too_many_wait(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """Past the bound the oldest is dropped and its samples are counted."""
    sink = Sink(stop, 2, refusals=[UnavailableError("no store")] * 10)
    await make([Scripted()], sink, registry, max_pending=2).run(stop)
    dropped = registry.get_sample_value("veriscope_collector_dropped_samples_total")
    assert dropped >= 2
    assert sink.taken[0].values[0] > 1
    assert registry.get_sample_value("veriscope_collector_pending_batches") == 0


async def test_invalid_batch_is_dropped_not_repeated(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """A batch that is refused for what it is does not block those behind it."""
    sink = Sink(stop, 2, refusals=[InvalidInputError("label too long")])
    await make([Scripted()], sink, registry).run(stop)
    assert [batch.values[0] for batch in sink.taken][:2] == [2, 3]
    assert registry.get_sample_value("veriscope_collector_dropped_samples_total") == 2


async def test_stopping_hands_on_what_waits(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """At the end the sink is given everything once more."""
    taken = []

    async def slow(batch: SampleBatch) -> None:
        stop.set()
        await asyncio.sleep(0)
        taken.append(batch)

    collector = Scripted()
    await make([collector, collector], slow, registry).run(stop)
    assert len(taken) == collector.ticks


async def test_stopping_while_the_sink_is_away_ends(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """A sink that stays away does not keep the loop from ending; the loss is counted."""
    collector = Scripted()

    async def away(_batch: SampleBatch) -> None:
        stop.set()
        raise OverloadedError("busy", retry_after_s=3600)

    await asyncio.wait_for(make([collector], away, registry).run(stop), timeout=60)
    dropped = registry.get_sample_value("veriscope_collector_dropped_samples_total")
    assert dropped == 2 * collector.ticks


async def test_slow_sink_does_not_delay_collection(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """Ticks go on while the sink is waiting."""
    collector = Scripted()
    release = asyncio.Event()

    async def slow(_batch: SampleBatch) -> None:
        await release.wait()

    run = asyncio.create_task(make([collector], slow, registry).run(stop))
    while collector.ticks < 4:  # noqa: ASYNC110 - the collector counts in another thread
        await asyncio.sleep(0.002)
    release.set()
    stop.set()
    await run
    assert registry.get_sample_value("veriscope_collector_dropped_samples_total") == 0


async def test_self_metrics_count_samples_and_time(
    stop: asyncio.Event, registry: CollectorRegistry
) -> None:
    """The loop says how much it collected and how long that took."""
    sink = Sink(stop, 2)
    collector = Scripted()
    await make([collector], sink, registry).run(stop)
    labels = {"collector": "scripted"}
    count = registry.get_sample_value("veriscope_collector_duration_seconds_count", labels)
    samples = registry.get_sample_value("veriscope_collector_samples_total", labels)
    assert count == collector.ticks
    assert samples == 2 * collector.ticks
    assert registry.get_sample_value("veriscope_collector_lag_seconds") < 60

"""The loop that runs collectors on time and hands their batches on."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from veriscope.collect.sink import Sink, pause
from veriscope.signals import (
    Clock,
    InvalidInputError,
    Labels,
    OverloadedError,
    SampleBatch,
    VeriscopeError,
    to_labels,
)
from veriscope.signals.log import get_log

_log = get_log(__name__)

_DURATION_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Collector(Protocol):
    """Reads one kind of thing on this machine."""

    @property
    def name(self) -> str:
        """Name the collector, as in the label `collector`."""

    def collect(self, now_ms: int) -> SampleBatch:
        """
        Return what can be read now, at *now_ms* (Unix milliseconds).

        It may block, is called from one thread at a time, and never raises for a broken sensor.
        """


class _Metrics:
    """What the loop says of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.duration = Histogram(
            "veriscope_collector_duration_seconds",
            "Time that one collection took.",
            ["collector"],
            registry=registry,
            buckets=_DURATION_BUCKETS,
        )
        self.lag = Gauge(
            "veriscope_collector_lag_seconds",
            "How late the last tick started.",
            registry=registry,
        )
        self.samples = Counter(
            "veriscope_collector_samples_total",
            "Samples collected.",
            ["collector"],
            registry=registry,
        )
        self.failures = Counter(
            "veriscope_collector_failures_total",
            "Collections that gave nothing because the collector itself failed.",
            ["collector"],
            registry=registry,
        )
        self.sink_failures = Counter(
            "veriscope_collector_sink_failures_total",
            "Attempts to hand a batch on that failed.",
            registry=registry,
        )
        self.dropped = Counter(
            "veriscope_collector_dropped_samples_total",
            "Samples given up because they could not be handed on.",
            registry=registry,
        )
        self.skipped = Counter(
            "veriscope_collector_skipped_ticks_total",
            "Ticks left out because the one before was not done.",
            registry=registry,
        )
        self.pending = Gauge(
            "veriscope_collector_pending_batches",
            "Batches that wait to be handed on.",
            registry=registry,
        )


class _Relabeler:
    """Adds the same labels to every series, once for each labels tuple it meets."""

    def __init__(self, extra: Labels) -> None:
        self._extra = extra
        self._source: tuple[Labels, ...] = ()
        self._extended: dict[Labels, Labels] = {}
        self._result: tuple[Labels, ...] = ()

    def extend(self, batch: SampleBatch) -> SampleBatch:
        """Return *batch* with the labels added; a label the series has already stays."""
        if batch.labels is not self._source:
            known = self._extended
            self._extended = {
                labels: known.get(labels) or to_labels({**dict(self._extra), **dict(labels)})
                for labels in batch.labels
            }
            self._source = batch.labels
            self._result = tuple(self._extended.values())
        return replace(batch, labels=self._result)


class CollectLoop:
    """
    Collects every *interval_ms* and hands on to *sink* whatever waits.

    Collectors run in one thread off the event loop. A slow or refusing sink does not delay
    them: up to *max_pending* batches wait, then the oldest is dropped and counted.
    *external_labels* (such as `job` and `instance`) are added to every series.
    """

    def __init__(  # noqa: PLR0917 - all of them are needed, and each has its own type
        self,
        collectors: Sequence[Collector],
        sink: Sink,
        interval_ms: int,
        clock: Clock,
        registry: CollectorRegistry,
        external_labels: Labels,
        *,
        max_pending: int = 2_000,
    ) -> None:
        self._collectors = [(each, _Relabeler(external_labels)) for each in collectors]
        self._sink = sink
        self._interval_s = interval_ms / 1000
        self._clock = clock
        self._metrics = _Metrics(registry)
        self._max_pending = max_pending
        self._pending: deque[SampleBatch] = deque()
        self._arrived = asyncio.Event()
        self._sink_is_failing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run until *stop* is set, then try once more to hand on what waits."""
        ended = asyncio.Event()
        executor = ThreadPoolExecutor(1, thread_name_prefix="collect")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(ended))
                await self._tick(stop, executor)
                ended.set()
                self._arrived.set()
        finally:
            executor.shutdown(wait=False)

    async def _tick(self, stop: asyncio.Event, executor: ThreadPoolExecutor) -> None:
        """Collect at `start + n * interval` on the monotonic clock, so that ticks never drift."""
        loop = asyncio.get_running_loop()
        start_s = self._clock.monotonic_s()
        tick = 0
        while not stop.is_set():
            late_s = self._clock.monotonic_s() - start_s - tick * self._interval_s
            self._metrics.lag.set(max(late_s, 0.0))  # a timer may fire a hair early
            self._keep(await loop.run_in_executor(executor, self._collect))
            elapsed_s = self._clock.monotonic_s() - start_s
            due = max(int(elapsed_s / self._interval_s), tick) + 1
            self._metrics.skipped.inc(due - tick - 1)
            tick = due
            await pause(stop, start_s + tick * self._interval_s - self._clock.monotonic_s())

    def _collect(self) -> list[SampleBatch]:
        """Run every collector (in the worker thread)."""
        now_ms = self._clock.now_ms()
        batches = []
        for collector, relabeler in self._collectors:
            begun_s = self._clock.monotonic_s()
            try:
                batch = collector.collect(now_ms)
            except Exception:  # noqa: BLE001 - a defect in one must not blind the others
                _log.exception("collector failed", collector=collector.name)
                self._metrics.failures.labels(collector.name).inc()
                continue
            batches.append(relabeler.extend(batch))
            self._metrics.samples.labels(collector.name).inc(len(batch))
            self._metrics.duration.labels(collector.name).observe(
                self._clock.monotonic_s() - begun_s
            )
        return batches

    def _keep(self, batches: list[SampleBatch]) -> None:
        self._pending.extend(batch for batch in batches if len(batch))
        self._make_room()
        self._arrived.set()

    async def _send(self, ended: asyncio.Event) -> None:
        """Hand on what waits, oldest first; once collection has *ended*, try each only once."""
        while not ended.is_set() or self._pending:
            await self._arrived.wait()
            self._arrived.clear()
            while self._pending:
                pause_s = await self._hand_on()
                if pause_s is not None and ended.is_set():
                    self._drop_all()
                elif pause_s is not None:
                    await pause(ended, pause_s)

    async def _hand_on(self) -> float | None:
        """Give all that waits to the sink; return how many seconds to pause where some must."""
        batches = list(self._pending)
        self._pending.clear()
        # At the same time, so that the sink can store them together.
        pauses_s = await asyncio.gather(*(self._offer(batch) for batch in batches))
        refused = [
            (batch, pause_s)
            for batch, pause_s in zip(batches, pauses_s, strict=True)
            if pause_s is not None
        ]
        self._pending.extendleft(batch for batch, _ in reversed(refused))
        self._make_room()
        if refused:
            return max(pause_s for _, pause_s in refused)
        if self._sink_is_failing:
            self._sink_is_failing = False
            _log.info("sink accepts batches again", pending=len(self._pending))
        return None

    async def _offer(self, batch: SampleBatch) -> float | None:
        """Give *batch* to the sink; return how many seconds to pause where it must wait."""
        try:
            await self._sink(batch)
        except InvalidInputError as error:
            # The same batch would be refused for ever, and every later one behind it.
            self._note_failure(error)
            self._drop(batch)
        except VeriscopeError as error:
            self._note_failure(error)
            return error.retry_after_s if isinstance(error, OverloadedError) else self._interval_s
        return None

    def _make_room(self) -> None:
        while len(self._pending) > self._max_pending:
            self._drop(self._pending.popleft())
        self._metrics.pending.set(len(self._pending))

    def _note_failure(self, error: VeriscopeError) -> None:
        self._metrics.sink_failures.inc()
        if not self._sink_is_failing:
            self._sink_is_failing = True
            _log.warning("sink refuses batches", error=str(error), pending=len(self._pending))

    def _drop_all(self) -> None:
        _log.warning("batches given up at the end", batches=len(self._pending))
        while self._pending:
            self._drop(self._pending.popleft())
        self._metrics.pending.set(0)

    def _drop(self, batch: SampleBatch) -> None:
        self._metrics.dropped.inc(len(batch))

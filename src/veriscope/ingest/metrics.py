"""The doors for metrics: remote write bodies and the collectors' own batches."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from veriscope.ingest.group_commit import CommitMetrics, GroupCommit
from veriscope.ingest.options import IngestOptions
from veriscope.signals import SampleBatch
from veriscope.wire import remote_write

# Roughly what a sample of a batch takes on its way; only the bound on memory rests on it.
_BATCH_SAMPLE_BYTES: Final = 128


class MetricIngest:
    """
    Accepts metrics; what is accepted is durable. Use from one event loop.

    Commits of batches are at least *batch_spacing_s* apart, for a commit costs about the same
    for one batch as for those of a hundred targets.
    """

    def __init__(
        self,
        options: IngestOptions,
        *,
        insert_bodies: Callable[[Sequence[bytes]], None],
        insert_batches: Callable[[Sequence[SampleBatch]], None],
        registry: CollectorRegistry,
        batch_spacing_s: float = 0.0,
    ) -> None:
        self.options = options
        metrics = self.commits = CommitMetrics(registry)
        self._bodies = GroupCommit(
            "remote_write",
            insert_bodies,
            max_pending_bytes=options.max_pending_bytes,
            max_commit_bytes=options.max_commit_bytes,
            metrics=metrics,
        )
        self._batches = GroupCommit(
            "collector",
            insert_batches,
            max_pending_bytes=options.max_pending_bytes,
            max_commit_bytes=options.max_commit_bytes,
            metrics=metrics,
            spacing_s=batch_spacing_s,
        )
        self._samples = Counter(
            "veriscope_ingest_samples_total",
            "Samples of the collectors that were stored.",
            registry=registry,
        )

    async def accept_remote_write(self, body: bytes) -> None:
        """
        Store a snappy-compressed remote write 1.0 *body*.

        Raises `InvalidInputError` (400), `LimitExceededError` (413) or `OverloadedError` (503).
        """
        self.options.check_body_size(len(body))
        message = await asyncio.to_thread(
            remote_write.decompress, body, self.options.max_message_bytes
        )
        if message:
            await self._bodies.submit(message, len(message))

    async def accept_batch(self, batch: SampleBatch) -> None:
        """Store a collector's *batch*; raises as `accept_remote_write` does."""
        if len(batch) or batch.metadata:
            await self._batches.submit(batch, len(batch) * _BATCH_SAMPLE_BYTES)
            self._samples.inc(len(batch))

    async def run(self, stop: asyncio.Event) -> None:
        """Commit until *stop* is set and nothing waits any more."""
        await asyncio.gather(self._bodies.run(stop), self._batches.run(stop))

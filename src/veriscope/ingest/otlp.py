"""The doors for OTLP: requests of traces, logs and metrics."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from veriscope.ingest.group_commit import CommitMetrics, GroupCommit
from veriscope.ingest.options import IngestOptions
from veriscope.ingest.otlp_metrics import OtlpMetricIngest, PartialSuccess
from veriscope.wire import otlp

# The engine plans the views behind a door anew for each commit, which takes it some 50 ms of CPU
# however little there is to store; so small requests wait for each other.
_SPACING_S: Final = 0.3
_EAGER_BYTES: Final = 512 << 10


class OtlpIngest:
    """
    Accepts spans, log records and metrics; what is accepted is durable. Use from one event loop.

    Commits of a signal are at least *spacing_s* apart, unless much waits already.
    """

    def __init__(
        self,
        options: IngestOptions,
        *,
        insert_traces: Callable[[Sequence[bytes]], None],
        insert_logs: Callable[[Sequence[bytes]], None],
        metrics: OtlpMetricIngest,
        commits: CommitMetrics,
        spacing_s: float = _SPACING_S,
    ) -> None:
        self.options = options
        self._metrics = metrics
        self._lanes = {
            signal.name: GroupCommit(
                f"otlp_{signal.name}",
                insert,
                max_pending_bytes=options.max_pending_bytes,
                max_commit_bytes=options.max_commit_bytes,
                metrics=commits,
                spacing_s=spacing_s,
                eager_bytes=_EAGER_BYTES,
            )
            for signal, insert in ((otlp.TRACES, insert_traces), (otlp.LOGS, insert_logs))
        }

    async def accept(
        self, signal: otlp.OtlpSignal, body: bytes, encoding: otlp.Encoding, *, gzip: bool
    ) -> PartialSuccess:
        """
        Store the request *body* of *signal*, and return what of it was not taken.

        Spans and log records are taken as a whole or not at all. Raises `InvalidInputError`
        (400), `LimitExceededError` (413) or `OverloadedError` (503).
        """
        if signal.name not in self._lanes:
            return await self._metrics.accept(body, encoding, gzip=gzip)
        self.options.check_body_size(len(body))
        message = body
        if gzip or encoding is otlp.Encoding.JSON:
            message = await asyncio.to_thread(self._unpack, signal, body, encoding, gzip=gzip)
        if message:
            await self._lanes[signal.name].submit(message, len(message))
        return PartialSuccess()

    async def run(self, stop: asyncio.Event) -> None:
        """Commit until *stop* is set and nothing waits any more."""
        lanes = (lane.run(stop) for lane in self._lanes.values())
        await asyncio.gather(self._metrics.run(stop), *lanes)

    def _unpack(
        self, signal: otlp.OtlpSignal, body: bytes, encoding: otlp.Encoding, *, gzip: bool
    ) -> bytes:
        plain = otlp.decompress(body, self.options.max_message_bytes) if gzip else body
        return otlp.from_json(signal, plain) if encoding is otlp.Encoding.JSON else plain

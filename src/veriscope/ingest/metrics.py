"""The doors for metrics: remote write bodies, and the batches of collectors and rules."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter

from veriscope.ingest.group_commit import CommitMetrics, GroupCommit
from veriscope.ingest.options import IngestOptions
from veriscope.signals import InvalidInputError, PartlyRefusedError, SampleBatch, VeriscopeError
from veriscope.wire import remote_write

if TYPE_CHECKING:  # the agent reads the server's options, and shall not load its machinery
    from veriscope.signals.histograms import HistogramBatch
    from veriscope.store import MetricRequest
    from veriscope.wire.remote_write_columns import WriteColumns

# Roughly what a sample of a batch takes on its way; only the bound on memory rests on it.
_BATCH_SAMPLE_BYTES: Final = 128
# Unpacked and walked in some 0.2 ms; a hop to a thread and back costs as much.
_SMALL_BYTES: Final = 512 << 10

# A commit of twice the size takes a fifth less for each sample, merges included.
_LINGER: Final = 0.5

R = TypeVar("R", bound="MetricRequest")


class Written(NamedTuple):
    """How much of a request is stored."""

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0


class PartlyWrittenError(InvalidInputError):
    """A limit refused new series of a request; `written` counts what of it is stored."""

    def __init__(self, refusal: PartlyRefusedError, sent: Written) -> None:
        super().__init__(str(refusal))
        self.written = Written(
            sent.samples - refusal.samples,
            sent.histograms - refusal.histograms,
            sent.exemplars - refusal.exemplars,
        )


class MetricIngest:
    """
    Accepts metrics; what is accepted is durable. Use from one event loop.

    *decode* reads a message, which is overwritten afterwards, of a version; it is given what
    recalls the message. *insert* stores requests and says of each why it was refused.
    Commits of batches are at least *batch_spacing_s* apart, for a commit costs about the same
    for one batch as for those of a hundred targets.
    """

    def __init__(
        self,
        options: IngestOptions,
        *,
        decode: Callable[[memoryview, int, Callable[[], bytes]], "WriteColumns"],
        insert: Callable[[Sequence["MetricRequest"]], Sequence[VeriscopeError | None]],
        registry: CollectorRegistry,
        batch_spacing_s: float = 0.0,
    ) -> None:
        self.options = options
        self._decode = decode
        self._unpacker = remote_write.Unpacker()
        metrics = self.commits = CommitMetrics(registry)
        self._columns: GroupCommit[WriteColumns] = GroupCommit(
            "remote_write",
            insert,
            max_pending_bytes=options.max_pending_bytes,
            max_commit_bytes=options.max_commit_bytes,
            metrics=metrics,
            eager_bytes=options.max_commit_bytes,
            linger=_LINGER,
        )
        self._batches: GroupCommit[SampleBatch | HistogramBatch] = GroupCommit(
            "collector",
            insert,
            max_pending_bytes=options.max_pending_bytes,
            max_commit_bytes=options.max_commit_bytes,
            metrics=metrics,
            spacing_s=batch_spacing_s,
        )
        self._recorded: GroupCommit[SampleBatch | HistogramBatch] = GroupCommit(
            "rules",
            insert,
            max_pending_bytes=options.max_pending_bytes,
            max_commit_bytes=options.max_commit_bytes,
            metrics=metrics,
        )
        self._samples = Counter(
            "veriscope_ingest_samples_total",
            "Samples, histograms and exemplars that were stored.",
            ["door"],
            registry=registry,
        )
        # The first body of a version may have to wait until its reader is compiled.
        self._read_before: set[int] = set()
        self._refused = Counter(
            "veriscope_ingest_refused_samples_total",
            "Samples, histograms and exemplars of new series that a limit on series refused.",
            ["option"],
            registry=registry,
        )

    async def accept_remote_write(self, body: bytes, version: int = 1) -> Written:
        """
        Store a snappy-compressed *body* of remote write's major *version*; return what it held.

        Raises `InvalidInputError` (400), `LimitExceededError` (413) or `OverloadedError` (503);
        `PartlyWrittenError` (400) where all but some new series is stored.
        """
        try:
            self.options.check_body_size(len(body))
            columns, size = await self._read_aside(body, version)
        except InvalidInputError:
            self.commits.requests.labels("remote_write", "refused").inc()
            raise
        if columns is None:
            return Written()
        written = Written(
            len(columns.series), len(columns.histogram_series), len(columns.exemplar_series)
        )
        try:
            await self._store(self._columns, columns, size, "remote_write")
        except PartlyRefusedError as error:
            raise PartlyWrittenError(error, written) from error
        return written

    async def accept_batch(self, batch: "SampleBatch | HistogramBatch") -> None:
        """Store a collector's *batch*; raises `PartlyRefusedError` too."""
        if len(batch) or batch.metadata:
            size = len(batch) * _BATCH_SAMPLE_BYTES
            await self._store(self._batches, batch, size, "collector")

    async def accept_recorded(self, batch: "SampleBatch | HistogramBatch") -> None:
        """
        Store what rules give, as `accept_batch` does but at once.

        The next rule of the group may wait for it.
        """
        await self._store(self._recorded, batch, len(batch) * _BATCH_SAMPLE_BYTES, "rules")

    async def run(self, stop: asyncio.Event) -> None:
        """Commit until *stop* is set and nothing waits any more."""
        lanes = (self._columns, self._batches, self._recorded)
        await asyncio.gather(*(lane.run(stop) for lane in lanes))

    async def _read_aside(self, body: bytes, version: int) -> "tuple[WriteColumns | None, int]":
        """Read *body* in a thread, or here where that costs less than the way to a thread."""
        if version in self._read_before and remote_write.is_small(body, _SMALL_BYTES):
            return self._read(body, version)
        found = await asyncio.to_thread(self._read, body, version)
        self._read_before.add(version)
        return found

    def _read(self, body: bytes, version: int) -> "tuple[WriteColumns | None, int]":
        most = self.options.max_message_bytes
        with self._unpacker.unpacked(body, most) as message:
            if not message:
                return None, 0
            recall = partial(remote_write.decompress, body, most)
            columns = self._decode(message, version, recall)
            if not self.options.start_timestamp_zeros:
                columns = replace(columns, starts_ms=None, histogram_starts_ms=None)
            return columns, max(len(message), columns.nbytes)

    async def _store(self, lane: GroupCommit[R], request: R, size: int, door: str) -> None:
        stored = len(request)
        try:
            await lane.submit(request, size)
        except PartlyRefusedError as error:
            stored -= error.refused
            self._refused.labels(error.option).inc(error.refused)
            raise
        except VeriscopeError:
            stored = 0
            raise
        finally:
            self._samples.labels(door).inc(stored)

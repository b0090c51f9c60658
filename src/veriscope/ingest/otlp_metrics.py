"""The door for OTLP metrics: a request is decoded and stored, but for points that cannot be."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter

from veriscope.ingest.group_commit import CommitMetrics, GroupCommit
from veriscope.ingest.options import IngestOptions
from veriscope.signals import InvalidInputError, PartlyRefusedError, VeriscopeError
from veriscope.wire import otlp

if TYPE_CHECKING:  # the agent reads the server's options, and shall not load its kernels
    from veriscope.wire.otlp.metrics import Batch, Decoded, Drop, MetricDecoder

Insert: TypeAlias = Callable[[Sequence["Batch"]], Sequence[VeriscopeError | None]]

# A commit costs the engine some CPU however little is in it, so small requests wait for another.
_SPACING_S: Final = 0.3
_EAGER_BYTES: Final = 512 << 10
_MAX_REASONS: Final = 10


@dataclass(frozen=True, slots=True)
class PartialSuccess:
    """How many data points of a request were not taken, and why; 0 and `""` where all were."""

    rejected: int = 0
    message: str = ""


@dataclass(slots=True, eq=False)
class _Request:
    message: bytes
    decoded: "Decoded | None" = None
    refused: "tuple[Drop, ...]" = ()
    """What the store refused."""


class OtlpMetricIngest:
    """
    Accepts metrics by OTLP; what is accepted is durable. Use from one event loop.

    A request that is malformed is refused as a whole. Of any other all is stored that can be:
    what cannot is counted, with its reason. Commits are at least *spacing_s* apart, unless much
    waits already. *insert* stores batches and says of each why it was refused, or None.
    """

    def __init__(
        self,
        options: IngestOptions,
        decoder: "MetricDecoder",
        *,
        insert: Insert,
        commits: CommitMetrics,
        registry: CollectorRegistry,
        spacing_s: float = _SPACING_S,
    ) -> None:
        self.options = options
        self._decoder = decoder
        self._insert = insert
        self._lane: GroupCommit[_Request] = GroupCommit(
            "otlp_metrics",
            self._store,
            max_pending_bytes=options.max_pending_bytes,
            max_commit_bytes=options.max_commit_bytes,
            metrics=commits,
            spacing_s=spacing_s,
            eager_bytes=_EAGER_BYTES,
        )
        self._points = Counter(
            "veriscope_ingest_otlp_points_total",
            "Data points of OTLP requests by outcome: stored, dropped.",
            ["outcome"],
            registry=registry,
        )

    async def accept(self, body: bytes, encoding: otlp.Encoding, *, gzip: bool) -> PartialSuccess:
        """
        Store the request *body*, and return what of it was not taken.

        Raises `InvalidInputError` (400), `LimitExceededError` (413) or `OverloadedError` (503).
        """
        self.options.check_body_size(len(body))
        message = body
        if gzip or encoding is otlp.Encoding.JSON:
            message = await asyncio.to_thread(self._unpack, body, encoding, gzip=gzip)
        if not message:
            return PartialSuccess()
        request = _Request(message)
        await self._lane.submit(request, len(message))
        return self._count(request)

    async def run(self, stop: asyncio.Event) -> None:
        """Commit until *stop* is set and nothing waits any more."""
        await self._lane.run(stop)

    def _unpack(self, body: bytes, encoding: otlp.Encoding, *, gzip: bool) -> bytes:
        plain = otlp.decompress(body, self.options.max_message_bytes) if gzip else body
        if encoding is otlp.Encoding.JSON:
            return otlp.from_json(otlp.METRICS, plain)
        return plain

    def _store(self, requests: Sequence[_Request]) -> list[VeriscopeError | None]:
        """Decode and store *requests*; return why each was refused, or None."""
        outcomes = [self._decode(request) for request in requests]
        owners = [
            (request, batch)
            for request in requests
            if request.decoded is not None
            for batch in request.decoded.batches
        ]
        metadata = self._decoder.untold()
        batches = [batch for _, batch in owners]
        refusals = list(self._insert(batches if metadata is None else [*batches, metadata]))
        self._decoder.told()
        for (request, batch), refusal in zip(owners, refusals[: len(owners)], strict=True):
            if refusal is not None:
                request.refused += (_drop(batch, refusal),)
        return outcomes

    def _decode(self, request: _Request) -> VeriscopeError | None:
        # Another try of a commit must not decode again: deltas would be told from what they were.
        if request.decoded is None:
            try:
                request.decoded = self._decoder.decode(request.message)
            except InvalidInputError as error:
                return error
        request.refused = ()
        return None

    def _count(self, request: _Request) -> PartialSuccess:
        if request.decoded is None:
            raise RuntimeError("a request was acknowledged before it was decoded")
        drops = (*request.decoded.dropped, *request.refused)
        rejected = sum(drop.points for drop in drops)
        refused = sum(drop.points for drop in request.refused)
        self._points.labels("stored").inc(max(0, request.decoded.points - refused))
        self._points.labels("dropped").inc(rejected)
        return PartialSuccess(rejected, "; ".join(map(_text, drops[:_MAX_REASONS])))


def _drop(batch: "Batch", refusal: VeriscopeError) -> "Drop":
    from veriscope.wire.otlp.metrics import Drop  # noqa: PLC0415 - as at the head of this module

    if not isinstance(refusal, InvalidInputError):
        raise refusal
    count = refusal.refused if isinstance(refusal, PartlyRefusedError) else len(batch)
    return Drop(str(refusal), "", count)


def _text(drop: "Drop") -> str:
    metric = f" (metric {drop.metric!r}" + (" and others)" if drop.points > 1 else ")")
    return f"{drop.points:,} dropped: {drop.reason}{metric if drop.metric else ''}"

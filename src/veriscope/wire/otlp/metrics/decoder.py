"""Decodes OTLP metric requests into batches of samples, native histograms and exemplars."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)

from veriscope.signals import InvalidInputError, Labels, LimitExceededError, SampleBatch
from veriscope.wire.otlp.metrics.columns import (
    Batch,
    empty_natives,
    empty_rows,
    exemplar_batches,
    histogram_batches,
    sample_batches,
    tell,
)
from veriscope.wire.otlp.metrics.find_kernels import NOT_PLAIN, TOO_FEW_ROWS, find_points
from veriscope.wire.otlp.metrics.labels import Translator
from veriscope.wire.otlp.metrics.layout import ExemplarColumn as X
from veriscope.wire.otlp.metrics.layout import MetricColumn as M
from veriscope.wire.otlp.metrics.layout import Outcome, Places, Rows
from veriscope.wire.otlp.metrics.layout import PointColumn as P
from veriscope.wire.otlp.metrics.layout import ResourceColumn as R
from veriscope.wire.otlp.metrics.layout import SampleColumn as S
from veriscope.wire.otlp.metrics.layout import StreamColumn as C
from veriscope.wire.otlp.metrics.newcomers import Newcomers
from veriscope.wire.otlp.metrics.options import OtlpOptions
from veriscope.wire.otlp.metrics.read_kernels import read_points, room
from veriscope.wire.otlp.metrics.streams import MANY_BLOCKS, StreamTable

MAX_POINTS: Final = 2_000_000
"""Data points that a request may have."""

_KEPT_ROWS: Final = 1 << 16
_MS: Final = 1_000_000
# Half the time that a query looks back, so that `target_info` is found all the while.
_TARGET_INFO_MS: Final = 150_000
_MAX_TARGET_INFOS: Final = 1_000
_REASONS: Final = {
    Outcome.BAD_TIME: "a data point has no time between 1970 and 2100; send Unix nanoseconds",
    Outcome.NO_VALUE: "a data point has no value",
    Outcome.OUT_OF_ORDER: "a delta is older than one before it",
    Outcome.OLDER_START: (
        "a delta starts before its stream does; see that no two processes send the same stream"
    ),
    Outcome.BAD_SCALE: "an exponential histogram has a scale below -4",
    Outcome.BAD_BUCKETS: (
        "the buckets of a histogram do not add up to its count, are more than 10,000, or have an"
        " index or a threshold that no number has"
    ),
}


@dataclass(frozen=True, slots=True)
class Drop:
    """So many data points were not taken, for *reason*; *metric* is the first one's."""

    reason: str
    metric: str
    points: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a request says: *points* data points were taken, and became *batches*."""

    batches: tuple[Batch, ...]
    points: int
    dropped: tuple[Drop, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    body: bytes
    buffer: NDArray[np.uint8]
    resources: int
    metrics: int
    points: int
    exemplars: int


class MetricDecoder:
    """
    Decodes requests one after the other; not for several threads at once.

    *key* (16 random bytes) keeps senders from making two streams that are taken for one. With
    *start_zeros* a zero stands where a cumulative sum or histogram says that it starts. Deltas
    are added up in memory. What is sent again is not added again: the decoder is to be given
    each request once, and again only where its client sends it again.
    """

    def __init__(self, options: OtlpOptions, *, key: bytes, start_zeros: bool = False) -> None:
        self._is_custom = options.convert_histograms_to_nhcb
        self._has_zeros = start_zeros
        self._key = np.frombuffer(key, np.uint64)
        self._streams = StreamTable(options.max_streams)
        self._translator = Translator(options)
        self._newcomers = Newcomers(self._translator, self._streams)
        self._places = _room_for(1 << 10)
        self._turn = 0

    def decode(self, body: bytes) -> Decoded:
        """
        Decode an `ExportMetricsServiceRequest`.

        Raises `InvalidInputError` where it is none, `LimitExceededError` where it has too many
        data points. A single point that cannot be taken is dropped, and `Decoded` says why.
        """
        self._turn += 1
        self._streams.trim()
        found = self._find(body)
        self._newcomers.learn(found.body, self._places, found.resources, found.points, self._turn)
        decoded = self._read(found)
        if len(self._places[0]) > _KEPT_ROWS:
            self._places = _room_for(_KEPT_ROWS)
        return decoded

    def untold(self) -> SampleBatch | None:
        """Return a batch of the metadata that the store was not told yet, if there is any."""
        return tell(tuple(self._newcomers.untold)) if self._newcomers.untold else None

    def told(self) -> None:
        """Note that what `untold` returned, and nothing was decoded since, is stored."""
        self._newcomers.untold.clear()

    def _find(self, body: bytes) -> _Found:
        found = self._try_to_find(body)
        if found is None and (found := self._try_to_find(_as_encoders_write(body))) is None:
            raise InvalidInputError(_MALFORMED)
        if body and not found.resources:
            raise InvalidInputError(
                "the body is protobuf, but not an ExportMetricsServiceRequest:"
                " it has no resource_metrics"
            )
        return found

    def _try_to_find(self, body: bytes) -> _Found | None:
        buffer = np.frombuffer(body, np.uint8)
        while True:
            counts = find_points(buffer, self._key, self._streams.table, self._places)
            if counts[0] == NOT_PLAIN:
                return None
            if counts[0] != TOO_FEW_ROWS:
                return _Found(body, buffer, *map(int, counts))
            rows = len(self._places[0])
            if rows >= MAX_POINTS:
                raise LimitExceededError(
                    f"the request has more than {MAX_POINTS:,} data points; send smaller requests"
                )
            self._places = _room_for(min(4 * rows, MAX_POINTS))

    def _read(self, found: _Found) -> Decoded:
        metrics = self._places[2][: found.metrics]
        points = self._places[3][: found.points]
        known = self._streams
        infos = self._target_infos(found.resources)
        rows, native_rows, buckets = map(
            int, room(metrics, points, known.rows, self._is_custom, self._has_zeros)
        )
        samples = empty_rows(rows + sum(len(times) for _, times in infos), len(S))
        natives = empty_natives(native_rows, buckets)
        exemplars = empty_rows(found.exemplars, len(S) + len(X))
        outcomes = np.empty(found.points, np.int8)
        rows, native_rows, exemplar_rows = map(
            int,
            read_points(
                found.buffer,
                metrics,
                points,
                known.rows,
                known.sums,
                known.exponentials,
                self._is_custom,
                self._has_zeros,
                self._turn,
                outcomes,
                samples,
                natives,
                exemplars,
            ),
        )
        rows = self._add_target_infos(infos, samples, rows)
        batches: list[Batch] = []
        batches += sample_batches(samples, rows, known.blocks)
        batches += histogram_batches(natives, native_rows, known.blocks)
        batches += exemplar_batches(
            exemplars,
            exemplar_rows,
            known.blocks,
            lambda row: self._exemplar_labels(found.body, row),
        )
        if len(batches) > MANY_BLOCKS:
            known.join_small_blocks(np.unique(samples[0][:rows, S.BLOCK]).tolist())
        dropped = self._drops(found.body, outcomes, points, metrics)
        return Decoded(tuple(batches), found.points - sum(drop.points for drop in dropped), dropped)

    def _target_infos(self, resources: int) -> list[tuple[int, NDArray[np.int64]]]:
        """Return the stream of each resource's `target_info`, and when it is to be said."""
        infos = []
        for row in self._places[0][:resources].tolist():
            if row[R.LATEST_NS] and not self._streams.rows[row[R.STREAM], C.REFUSED]:
                first, last = row[R.EARLIEST_NS] // _MS, row[R.LATEST_NS] // _MS
                count = min(-(-(last - first) // _TARGET_INFO_MS), _MAX_TARGET_INFOS)
                times = first + _TARGET_INFO_MS * np.arange(count, dtype=np.int64)
                infos.append((row[R.STREAM], np.append(times, last)))
        return infos

    def _add_target_infos(
        self, infos: list[tuple[int, NDArray[np.int64]]], samples: Rows, at: int
    ) -> int:
        for stream, times in infos:
            own = self._streams.rows[stream]
            own[C.USED] = self._turn
            rows = slice(at, at + len(times))
            samples[0][rows, : S.TIME_MS] = own[: C.OFFSET + 1]
            samples[0][rows, S.TIME_MS] = times
            samples[1][rows, S.VALUE] = 1
            at += len(times)
        return at

    def _exemplar_labels(self, body: bytes, row: list[int]) -> Labels:
        trace, span = row[X.TRACE_ID], row[X.SPAN_ID]
        return self._translator.exemplar(
            body[trace : trace + 16].hex() if trace >= 0 else "",
            body[span : span + 8].hex() if span >= 0 else "",
            body[row[X.BEGIN] : row[X.END]],
        )

    def _drops(
        self,
        body: bytes,
        outcomes: NDArray[np.int8],
        points: NDArray[np.int64],
        metrics: NDArray[np.int64],
    ) -> tuple[Drop, ...]:
        if not outcomes.any():
            return ()
        found: dict[str, tuple[str, int]] = {}
        rows = np.flatnonzero(outcomes)
        keys = np.where(
            outcomes[rows] == Outcome.REFUSED, -1 - points[rows, P.STREAM], outcomes[rows]
        )
        for key, first, count in zip(
            *(part.tolist() for part in np.unique(keys, return_index=True, return_counts=True)),
            strict=True,
        ):
            reason = self._streams.refusals[-1 - key] if key < 0 else _REASONS[Outcome(key)]
            begin, end = metrics[points[rows[first], P.METRIC], [M.NAME_BEGIN, M.NAME_END]]
            name = body[begin:end].decode(errors="replace")
            name, before = found.get(reason, (name, 0))
            found[reason] = (name, before + count)
        return tuple(Drop(reason, name, count) for reason, (name, count) in found.items())


def warm_up() -> None:
    """Compile the kernels, which takes many seconds where that was never done before."""
    MetricDecoder(OtlpOptions(), key=bytes(16)).decode(_SAMPLE)


_SAMPLE: Final = ExportMetricsServiceRequest(
    resource_metrics=[
        ResourceMetrics(
            scope_metrics=[
                ScopeMetrics(
                    metrics=[
                        Metric(name="warm", gauge=Gauge(data_points=[NumberDataPoint(as_int=1)]))
                    ]
                )
            ]
        )
    ]
).SerializeToString()
_MALFORMED: Final = "the body is not a well-formed protobuf message of the right type"


def _as_encoders_write(body: bytes) -> bytes:
    """Return the message in the one spelling that the kernels read."""
    try:
        message = ExportMetricsServiceRequest.FromString(body)
    except DecodeError as error:
        raise InvalidInputError(_MALFORMED) from error
    message.DiscardUnknownFields()
    return message.SerializeToString()


def _room_for(rows: int) -> Places:
    return (
        np.empty((rows, len(R)), np.int64),
        np.empty((rows, 2), np.uint64),
        np.empty((rows, len(M)), np.int64),
        np.empty((rows, len(P)), np.int64),
        np.empty((rows, 2), np.uint64),
    )

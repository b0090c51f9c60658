"""
Prometheus remote read: the request, and both forms of its answer.

Specification: prometheus.io/docs/prometheus/latest/querying/remote_read_api, and `remote.proto`,
`types.proto` of Prometheus' `prompb`.
"""

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise, repeat
from typing import Any, Final

import cramjam
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from veriscope.signals import (
    HistogramSamples,
    InvalidInputError,
    Labels,
    LabelSets,
    LimitExceededError,
    Matcher,
    MatchOp,
    RaggedSamples,
    Segment,
)
from veriscope.signals.histograms import Buckets, Histograms, Runs
from veriscope.wire import remote_read_kernels as kernels
from veriscope.wire.histogram_messages import write_histograms
from veriscope.wire.protobuf_fields import delimited, varint
from veriscope.wire.remote_read_chunks import write_chunks
from veriscope.wire.remote_write import encode_labels

MAX_REQUEST_BYTES: Final = 32 << 20
"""What a request may be when unpacked, as in Prometheus."""
FRAME_BYTES: Final = 1 << 20
"""Where a frame of chunks is cut, as in Prometheus."""
SAMPLES_TYPE: Final = "application/x-protobuf"
CHUNKS_TYPE: Final = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"

_MATCH_OPS: Final = (MatchOp.EQUAL, MatchOp.NOT_EQUAL, MatchOp.REGEX, MatchOp.NOT_REGEX)
_ROWS_AT_ONCE: Final = 1 << 20
"""Samples written at a time: some 22 MB."""
_FIELDS: Final = {
    "LabelMatcher": "1 type int32, 2 name string, 3 value string",
    "ReadHints": "1 step_ms int64, 2 func string, 3 start_ms int64, 4 end_ms int64",
    "Query": "1 start int64, 2 end int64, 3 matchers *LabelMatcher, 4 hints ReadHints",
    "ReadRequest": "1 queries *Query, 2 accepted *int32",
}


class ResponseType(IntEnum):
    """The forms of an answer, numbered as in the request."""

    SAMPLES = 0
    STREAMED_XOR_CHUNKS = 1
    """Prometheus' name; chunks of native histograms are among them."""


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """Samples with `start_ms <= t <= end_ms` of the series that satisfy every matcher."""

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int
    only_labels: bool = False
    """Whether only the series are wanted, and none of their samples."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What is asked for, and the forms that its sender reads, the best first."""

    queries: tuple[ReadQuery, ...]
    accepted: tuple[int, ...]

    def response_type(self) -> ResponseType:
        """Return the first form that is known; raises `InvalidInputError` where none is."""
        for number in self.accepted or (ResponseType.SAMPLES,):
            if number in list(ResponseType):
                return ResponseType(number)
        raise InvalidInputError(
            f"server does not support any of the requested response types: {self.accepted}"
        )


def decode_request(body: bytes) -> ReadRequest:
    """
    Return the request in a snappy block.

    Hints narrow a query's time, as they say what of it is looked at. Raises `InvalidInputError`
    where the body is no such request, `LimitExceededError` where it unpacks to too much.
    """
    try:
        announced = int(cramjam.snappy.decompress_raw_len(body))
        if announced > MAX_REQUEST_BYTES:
            raise LimitExceededError(
                f"the request unpacks to {announced:,} bytes, {MAX_REQUEST_BYTES:,} allowed"
            )
        message = _REQUEST.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    except (cramjam.DecompressionError, ValueError) as error:
        raise InvalidInputError(f"the body is not snappy-compressed: {error}") from error
    except DecodeError as error:
        raise InvalidInputError(f"the body is not a ReadRequest: {error}") from error
    return ReadRequest(tuple(map(_query, message.queries)), tuple(message.accepted))


def samples_of(samples: RaggedSamples, labels: Sequence[Labels]) -> Iterator[bytes]:
    """Yield `TimeSeries` of the rows, each a field of a `QueryResult`; *labels* as to be shown."""
    for rows, segment in _portions(samples):
        most = int((segment.stops - segment.starts).sum()) * kernels.SAMPLE_BYTES
        out, ends = np.empty(most, dtype=np.uint8), np.zeros(len(segment), dtype=np.int64)
        bits = segment.values.view(np.uint64)
        times = segment.timestamps_ms
        kernels.write_samples(segment.starts, segment.stops, times, bits, out, ends)
        text, begin = out.data, 0
        native = _histograms(segment)
        for row, end, more in zip(rows, ends.tolist(), native, strict=True):
            yield delimited(1, b"".join((encode_labels(labels[row]), text[begin:end], more)))
            begin = end


def series_of(labels: Sequence[Labels]) -> Iterator[bytes]:
    """Yield `TimeSeries` without samples, each a field of a `QueryResult`."""
    return (delimited(1, encode_labels(each)) for each in labels)


def series_frames(labels: Sequence[Labels], query: int) -> Iterator[bytes]:
    """Yield frames of `ChunkedReadResponse` of series without samples."""
    index = b"\x10" + varint(query) if query else b""
    return (_frame(delimited(1, encode_labels(each)) + index) for each in labels)


def samples_response(results: Sequence[bytes]) -> bytes:
    """Return the `ReadResponse` of *results*, as a snappy block."""
    message = b"".join(delimited(1, result) for result in results)
    return bytes(cramjam.snappy.compress_raw(message))


def chunk_frames(samples: RaggedSamples, labels: Sequence[Labels], query: int) -> Iterator[bytes]:
    """
    Yield the rows as frames of `ChunkedReadResponse`, one series each, in several where it is long.

    Native histograms are chunks of float histograms among the XOR chunks of floats. *labels* are
    the rows' as to be shown, *query* is the place of the query in the request.
    """
    index = b"\x10" + varint(query) if query else b""
    for rows, segment in _portions(samples):
        chunks = write_chunks(segment)
        first = begin = 0
        for row, last in zip(rows, chunks.row_ends.tolist(), strict=True):
            head = encode_labels(labels[row])
            while first < last:
                limit = begin + FRAME_BYTES - len(head)
                cut = int(np.searchsorted(chunks.ends[first:last], limit, side="right"))
                first += max(1, cut)
                end = int(chunks.ends[first - 1])
                yield _frame(delimited(1, head + chunks.data[begin:end]) + index)
                begin = end


def warm_up() -> None:
    """Compile the loops of both forms, or load them from disk."""
    one, labels = np.zeros(1, dtype=np.int64), LabelSets([(("a", "b"),)])
    small, wide, empty = np.zeros(1, dtype=np.int8), np.zeros(1), Buckets.none(1)
    native = Histograms(small, small, wide, wide, wide, wide, empty, empty, Runs.none(1))
    segment = Segment(one, one + 1, one, np.zeros(1), HistogramSamples(one, one + 1, native))
    samples = RaggedSamples(labels, (segment,))
    for form in (samples_of(samples, labels), chunk_frames(samples, labels, 0)):
        deque(form, maxlen=0)


def _histograms(segment: Segment) -> Iterator[bytes]:
    """Yield the native histograms of each row, written end to end."""
    found = segment.histograms
    if found is None:
        yield from repeat(b"", len(segment))
        return
    written = write_histograms(found.values, found.timestamps_ms)
    cuts = np.searchsorted(found.rows, np.arange(len(segment) + 1)).tolist()
    for begin, end in pairwise(cuts):
        yield b"".join(written[begin:end])


def _frame(message: bytes) -> bytes:
    checksum = int(kernels.crc32c(np.frombuffer(message, dtype=np.uint8)))
    return varint(len(message)) + struct.pack(">I", checksum) + message


def _portions(samples: RaggedSamples) -> Iterator[tuple[range, Segment]]:
    """Yield the rows some at a time, so that what is written of them stays small."""
    row = 0
    for segment in samples.segments:
        totals = np.cumsum(segment.stops - segment.starts + _native_weights(segment))
        begin = 0
        while begin < len(segment):
            before = int(totals[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(totals, before + _ROWS_AT_ONCE, "right")))
            part = Segment(
                segment.starts[begin:end],
                segment.stops[begin:end],
                segment.timestamps_ms,
                segment.values,
                _of_rows(segment.histograms, begin, end),
            )
            yield range(row + begin, row + end), part
            begin = end
        row += len(segment)


def _native_weights(segment: Segment) -> NDArray[np.int64]:
    """Return how many floats of each row its histograms are worth, by what is written of them."""
    found = segment.histograms
    if found is None:
        return np.zeros(len(segment), dtype=np.int64)
    values = found.values
    sizes = values.positive.lengths + values.negative.lengths + values.bounds.lengths
    totals = np.bincount(found.rows, weights=6 + 2 * sizes, minlength=len(segment))
    return totals.astype(np.int64)


def _of_rows(found: HistogramSamples | None, begin: int, end: int) -> HistogramSamples | None:
    """Return the histograms of the rows from *begin* to *end* (exclusive), counted from there."""
    if found is None:
        return None
    first, last = np.searchsorted(found.rows, [begin, end])
    part = found.take(np.arange(first, last))
    return replace(part, rows=part.rows - begin)


def _query(message: Any) -> ReadQuery:
    start_ms, end_ms = message.start, message.end
    if message.HasField("hints") and message.hints.start_ms and message.hints.end_ms:
        start_ms = max(start_ms, message.hints.start_ms)
        end_ms = min(end_ms, message.hints.end_ms)
    only_labels = message.hints.func == "series"
    return ReadQuery(tuple(map(_matcher, message.matchers)), start_ms, end_ms, only_labels)


def _matcher(message: Any) -> Matcher:
    if not 0 <= message.type < len(_MATCH_OPS):
        raise InvalidInputError(f"invalid matcher type {message.type}")
    return Matcher(message.name, _MATCH_OPS[message.type], message.value)


def _build_request_class() -> Any:
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {"int32": kinds.TYPE_INT32, "int64": kinds.TYPE_INT64, "string": kinds.TYPE_STRING}
    file = descriptor_pb2.FileDescriptorProto(
        name="veriscope/remote_read.proto", package="prometheus", syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for declaration in fields.split(","):
            number, field_name, kind = declaration.split()
            field = message.field.add(name=field_name, number=int(number))
            repeated = kind.startswith("*")
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in scalars:
                field.type = scalars[kind]
            else:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".prometheus.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.ReadRequest"))


_REQUEST: Final = _build_request_class()

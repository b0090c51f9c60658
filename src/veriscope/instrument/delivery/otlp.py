"""Spans and log records as OTLP requests."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as OtlpLogRecord
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.sdk.trace import ReadableSpan

from veriscope.instrument.delivery.lane import Door, Request
from veriscope.instrument.delivery.records import LogRecord
from veriscope.instrument.delivery.tally import Reason, Signal, Tally
from veriscope.instrument.encodable import encodable

_HEADERS: Final = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
_MAX_REQUEST_BYTES: Final = 2 << 20
"""A larger message is sent in halves, far below what servers accept at once."""
_BODY_CHARACTERS: Final = 1 << 16
_VALUE_CHARACTERS: Final = 1 << 14
_KEY_CHARACTERS: Final = 255
_ATTRIBUTES: Final = 128
# The server refuses a whole request for one span past these.
_KEY_BYTES: Final = 1024
_TIMES_NS: Final = range(1, 4_102_444_800_000_000_000)
"""1970 to 2100."""
_DEPTH: Final = 6
_INT64: Final = 1 << 63


def _rejected_spans(answer: bytes) -> tuple[int, str]:
    try:
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
    except DecodeError:  # taken all the same: the status says so
        return 0, ""
    return partial.rejected_spans, partial.error_message


def _rejected_records(answer: bytes) -> tuple[int, str]:
    try:
        partial = ExportLogsServiceResponse.FromString(answer).partial_success
    except DecodeError:
        return 0, ""
    return partial.rejected_log_records, partial.error_message


SPAN_DOOR: Final = Door(Signal.SPANS, "/v1/traces", _HEADERS, _rejected_spans)
LOG_DOOR: Final = Door(Signal.LOGS, "/v1/logs", _HEADERS, _rejected_records)


class SpanEncoder:
    """
    Turns spans into requests.

    What tells this process apart replaces what the spans' own resource says of it: a tracer
    provider that was made before a fork still has the parent's.
    """

    def __init__(self, resource: Mapping[str, str], tally: Tally) -> None:
        self._resource = _resource(resource)
        self._tally = tally

    def __call__(self, spans: Sequence[ReadableSpan]) -> Iterator[Request]:
        """Encode *spans*; those that cannot be, or no server takes, are dropped and counted."""
        taken = [span for span in spans if _is_taken(span)]
        self._tally.dropped(Signal.SPANS, Reason.UNENCODABLE, len(spans) - len(taken))
        yield from self._requests(taken)

    def _requests(self, spans: Sequence[ReadableSpan]) -> Iterator[Request]:
        if not spans:
            return
        try:
            message = encode_spans(spans)
        except (ValueError, TypeError, AttributeError, OverflowError):
            if len(spans) == 1:
                self._tally.dropped(Signal.SPANS, Reason.UNENCODABLE, 1)
                return
            for span in spans:
                yield from self._requests([span])
            return
        if message.ByteSize() > _MAX_REQUEST_BYTES and len(spans) > 1:
            half = len(spans) // 2
            yield from self._requests(spans[:half])
            yield from self._requests(spans[half:])
            return
        self._name_process(message)
        yield Request(_packed(message.SerializeToString()), len(spans))

    def _name_process(self, message: ExportTraceServiceRequest) -> None:
        for part in message.resource_spans:
            said = {pair.key: pair for pair in part.resource.attributes}
            for ours in self._resource.attributes:
                theirs = said.get(ours.key)
                if theirs is None:
                    part.resource.attributes.append(ours)
                elif ours.key in ("process.pid", "service.instance.id"):
                    theirs.CopyFrom(ours)


class LogEncoder:
    """Turns log records into requests."""

    def __init__(self, resource: Mapping[str, str], tally: Tally) -> None:
        self._resource = _resource(resource)
        self._tally = tally

    def __call__(self, records: Sequence[LogRecord]) -> Iterator[Request]:
        """Encode *records*; those that cannot be are dropped and counted."""
        encoded = [(each.logger, message) for each in records if (message := self._record(each))]
        yield from self._requests(encoded)

    def _requests(self, encoded: list[tuple[str, OtlpLogRecord]]) -> Iterator[Request]:
        if not encoded:
            return
        size = sum(message.ByteSize() for _, message in encoded)
        if size > _MAX_REQUEST_BYTES and len(encoded) > 1:
            half = len(encoded) // 2
            yield from self._requests(encoded[:half])
            yield from self._requests(encoded[half:])
            return
        scopes = [
            ScopeLogs(
                scope=InstrumentationScope(name=logger),
                log_records=[message for _, message in group],
            )
            for logger, group in groupby(
                sorted(encoded, key=lambda each: each[0]), key=lambda each: each[0]
            )
        ]
        logs = ResourceLogs(resource=self._resource, scope_logs=scopes)
        message = ExportLogsServiceRequest(resource_logs=[logs])
        yield Request(_packed(message.SerializeToString()), len(encoded))

    def _record(self, record: LogRecord) -> OtlpLogRecord | None:
        try:
            attributes = list(record.attributes.items())
            return OtlpLogRecord(
                time_unix_nano=record.time_ns,
                observed_time_unix_nano=record.time_ns,
                severity_number=record.severity_number,  # type: ignore[arg-type]  # an open enum
                severity_text=record.severity_text,
                body=AnyValue(string_value=_cut(record.body, _BODY_CHARACTERS)),
                attributes=[_pair(key, value) for key, value in attributes[:_ATTRIBUTES]],
                dropped_attributes_count=max(0, len(attributes) - _ATTRIBUTES),
                trace_id=record.trace_id.to_bytes(16, "big") if record.trace_id else b"",
                span_id=record.span_id.to_bytes(8, "big") if record.span_id else b"",
            )
        except Exception:  # noqa: BLE001 - attributes are the application's own objects
            self._tally.dropped(Signal.LOGS, Reason.UNENCODABLE, 1)
            return None


def _is_taken(span: ReadableSpan) -> bool:
    # Not its events and links, which take as long again to look at.
    if span.start_time not in _TIMES_NS or span.end_time not in _TIMES_NS:
        return False
    # A character has four bytes at most.
    return all(
        len(key) <= _KEY_BYTES // 4 or len(key.encode(errors="replace")) <= _KEY_BYTES
        for key in span.attributes or ()
    )


def _resource(attributes: Mapping[str, str]) -> Resource:
    numbers = {"process.pid"}
    return Resource(
        attributes=[
            _pair(key, int(value) if key in numbers else value) for key, value in attributes.items()
        ]
    )


def _pair(key: object, value: object, depth: int = 0) -> KeyValue:
    return KeyValue(key=_cut(str(key), _KEY_CHARACTERS), value=_value(value, depth))


def _value(value: Any, depth: int = 0) -> AnyValue:
    """Return *value* in OTLP; what has no place there becomes its text."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int() if -_INT64 <= value < _INT64:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes() | Mapping() | list() | tuple() if depth < _DEPTH:
            return _long(value, depth + 1)
    return AnyValue(string_value=_cut(str(value), _VALUE_CHARACTERS))


def _long(value: bytes | Mapping[Any, Any] | Sequence[Any], depth: int) -> AnyValue:
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value[:_VALUE_CHARACTERS])
    if isinstance(value, Mapping):
        pairs = [_pair(key, each, depth) for key, each in islice(value.items(), _ATTRIBUTES)]
        return AnyValue(kvlist_value=KeyValueList(values=pairs))
    values = [_value(each, depth) for each in islice(value, _ATTRIBUTES)]
    return AnyValue(array_value=ArrayValue(values=values))


def _cut(text: str, most: int) -> str:
    if len(text) > most:
        text = f"{text[:most]}…"
    return encodable(text)


def _packed(message: bytes) -> bytes:
    # Level 1: half the time of the default for a tenth more bytes.
    return gzip.compress(message, compresslevel=1, mtime=0)

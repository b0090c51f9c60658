"""Bodies of OTLP/HTTP: gzip, and JSON turned into protobuf."""

import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from google.protobuf import json_format

from veriscope.signals import InvalidInputError, LimitExceededError
from veriscope.wire.otlp.messages import OtlpSignal

_GZIP: Final = 31  # zlib's way to say: a gzip header and trailer
_IDS: Final = frozenset(
    {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}
)
# A request's own nesting; ids of an attribute's value are the attribute's.
_PARTS: Final = (
    "resourceSpans",
    "scopeSpans",
    "spans",
    "links",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    "resource_spans",
    "scope_spans",
    "resource_logs",
    "scope_logs",
    "log_records",
    "resourceMetrics",
    "scopeMetrics",
    "metrics",
    "gauge",
    "sum",
    "histogram",
    "exponentialHistogram",
    "dataPoints",
    "exemplars",
    "resource_metrics",
    "scope_metrics",
    "exponential_histogram",
    "data_points",
)


def decompress(body: bytes, max_bytes: int) -> bytes:
    """
    Return what a gzip *body* holds.

    Raises `LimitExceededError` as soon as it is more than *max_bytes*, `InvalidInputError` where
    it is not a whole gzip stream.
    """
    out, rest = bytearray(), body
    while rest or not out:
        stream = zlib.decompressobj(_GZIP)
        try:
            out += stream.decompress(rest, max_bytes - len(out) + 1)
        except zlib.error as error:
            raise InvalidInputError(f"the body is not gzip, or is corrupt: {error}") from error
        if len(out) > max_bytes:
            raise LimitExceededError(
                f"the body unpacks to more than {max_bytes:,} bytes (ingest.max_message_bytes);"
                " send smaller requests"
            )
        if not stream.eof:
            raise InvalidInputError("the gzip body is truncated")
        rest = stream.unused_data
        if not out and not rest:
            break
    return bytes(out)


def from_json(signal: OtlpSignal, body: bytes) -> bytes:
    """
    Return an OTLP/JSON *body* as the protobuf message that it spells.

    OTLP/JSON is protobuf's JSON mapping, but for ids, which are hexadecimal. Unknown fields are
    left out, as OTLP wants it. Raises `InvalidInputError`.
    """
    try:
        document = msgspec.json.decode(body)
        if not isinstance(document, dict):
            raise InvalidInputError("the body is not OTLP/JSON: it is not an object")
        for part in _with_ids(document):
            for name in _IDS & part.keys():
                part[name] = _to_base64(part[name])
        message = json_format.ParseDict(document, signal.request(), ignore_unknown_fields=True)
    except (msgspec.DecodeError, json_format.Error, RecursionError, UnicodeError) as error:
        raise InvalidInputError(f"the body is not OTLP/JSON: {error}") from error
    return message.SerializeToString()


def _with_ids(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield part
    for name in _PARTS:
        inner = part.get(name)
        for item in inner if isinstance(inner, list) else (inner,):
            if isinstance(item, dict):
                yield from _with_ids(item)


def _to_base64(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(
            f"the body is not OTLP/JSON: {value!r} is not an id; write it as hex"
        )
    try:
        return b64encode(bytes.fromhex(value)).decode()
    except ValueError as error:
        raise InvalidInputError(
            f"the body is not OTLP/JSON: {value[:40]!r} is not an id; write it as hex"
        ) from error

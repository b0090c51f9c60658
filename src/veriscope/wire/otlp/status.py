"""Answers of OTLP: success, in part or whole, and `google.rpc.Status` for a failure."""

from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from veriscope.wire.protobuf_fields import delimited, varint


class Encoding(StrEnum):
    """The encodings of OTLP/HTTP, as media types; an answer has that of its request."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class RpcCode(IntEnum):
    """The codes of `google.rpc.Code` that are answered."""

    INVALID_ARGUMENT = 3
    RESOURCE_EXHAUSTED = 8
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


def encode_success(encoding: Encoding, rejected: int = 0, message: str = "") -> bytes:
    """
    Return an `Export…ServiceResponse`: all was accepted, or all but *rejected* points.

    *message* says why these were not. Source: opentelemetry-proto, ExportMetricsPartialSuccess.
    """
    if encoding is Encoding.JSON:
        partial = {"rejectedDataPoints": str(rejected), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial} if rejected else {})
    if not rejected:
        return b""
    return delimited(1, b"\x08" + varint(rejected) + delimited(2, message.encode()))


def encode_status(
    code: RpcCode, message: str, encoding: Encoding, retry_after_s: int | None = None
) -> bytes:
    """
    Return a `google.rpc.Status`, with *retry_after_s* and a `RetryInfo` for that time.

    Source: googleapis/google/rpc/status.proto and error_details.proto.
    """
    if encoding is Encoding.JSON:
        return msgspec.json.encode({"code": int(code), "message": message})
    status = b"\x08" + varint(code) + delimited(2, message.encode())
    if retry_after_s is None:
        return status
    retry = delimited(1, b"\x08" + varint(retry_after_s))
    return status + delimited(3, delimited(1, _RETRY_INFO) + delimited(2, retry))


_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"

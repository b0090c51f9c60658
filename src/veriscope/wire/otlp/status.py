"""Answers of OTLP/HTTP: success, and `google.rpc.Status` for a failure."""

from enum import IntEnum, StrEnum

import msgspec

from veriscope.wire.remote_write import varint


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


def encode_success(encoding: Encoding) -> bytes:
    """Return an `Export…ServiceResponse` that says: all of it was accepted."""
    return b"{}" if encoding is Encoding.JSON else b""


def encode_status(code: RpcCode, message: str, encoding: Encoding) -> bytes:
    """Return a `google.rpc.Status`. Source: googleapis/google/rpc/status.proto."""
    if encoding is Encoding.JSON:
        return msgspec.json.encode({"code": int(code), "message": message})
    text = message.encode()
    return b"\x08" + varint(code) + b"\x12" + varint(len(text)) + text

"""ClickHouse's `Native` format: blocks of columns, of the few types that are streamed here."""

from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from veriscope.store.errors import EngineError

_TYPES: Final = {b"UInt64": "<u8", b"Int64": "<i8", b"Float64": "<f8"}


class ByteStream(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return *size* bytes, fewer only at the end."""


def read_blocks(stream: ByteStream) -> Iterator[tuple[NDArray[Any], ...]]:
    """
    Yield the columns of each block of *stream* that has rows.

    Raises `EngineError` for a type other than 64-bit numbers, or where the stream breaks off.
    https://clickhouse.com/docs/interfaces/formats/Native
    """
    while first := stream.read(1):
        columns, rows = _varint(stream, first), _varint(stream, stream.read(1))
        block = tuple([_column(stream, rows) for _ in range(columns)])
        if rows:
            yield block


def _column(stream: ByteStream, rows: int) -> NDArray[Any]:
    _text(stream)
    kind = _text(stream)
    if kind not in _TYPES:
        raise EngineError(f"the storage engine sent a column of type {kind!r}")
    found: NDArray[Any] = np.frombuffer(_exactly(stream, 8 * rows), dtype=_TYPES[kind])
    return found


def _text(stream: ByteStream) -> bytes:
    return _exactly(stream, _varint(stream, stream.read(1)))


def _varint(stream: ByteStream, byte: bytes) -> int:
    value = shift = 0
    while byte and byte[0] & 0x80:
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        byte = stream.read(1)
    if not byte:
        raise EngineError("the storage engine's answer broke off")
    return value | byte[0] << shift


def _exactly(stream: ByteStream, size: int) -> bytes:
    found = stream.read(size) if size else b""
    if len(found) != size:
        raise EngineError("the storage engine's answer broke off")
    return found

"""
Protobuf by hand: the fields of one small message read, and the parts of messages written.

What arrives by the million has a compiled walk instead.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from veriscope.signals import InvalidInputError

_VARINT: Final = 0
_FIXED64: Final = 1
_DELIMITED: Final = 2
_FIXED32: Final = 5
_MAX_SHIFT: Final = 63
_MORE: Final = 0x80
"""The bit of a byte that says that more follow."""

MALFORMED: Final = "the body is not a well-formed protobuf message of the right type"


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """
    Yield number and content of each field of *message*: a varint as a number, the rest as bytes.

    Raises `InvalidInputError` where *message* is no protobuf, or holds groups.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _read_varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _DELIMITED:
            size, at = _read_varint(message, at)
        if size is None or number == 0 or size > end - at:
            raise InvalidInputError(MALFORMED)
        yield number, message[at : at + size]
        at += size


def packed_varints(packed: bytes) -> list[int]:
    """Return the numbers of a packed field; raises as `fields` does."""
    found, at = [], 0
    while at < len(packed):
        number, at = _read_varint(packed, at)
        found.append(number)
    return found


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, len(message)):
        byte = message[place]
        value |= (byte & 0x7F) << shift
        if byte < _MORE and value < 1 << 64:
            return value, place + 1
        shift += 7
        if shift > _MAX_SHIFT:
            break
    raise InvalidInputError(MALFORMED)


def varint(number: int) -> bytes:
    """Return *number* (≥ 0) as a protobuf varint."""
    if number < _MORE:
        return bytes((number,))
    out = bytearray()
    while number >= _MORE:
        out.append(number & 0x7F | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(field: int, content: bytes) -> bytes:
    """Return the length-delimited field number *field*: a text, a message, or packed numbers."""
    return varint(field << 3 | _DELIMITED) + varint(len(content)) + content


def frame(bodies: Iterable[bytes]) -> bytes:
    """
    Join messages into one length-delimited stream.

    A message that is cut short cannot reach into the one behind it, as it could if bodies were
    joined end to end: the reader is held to the announced length.
    """
    return b"".join(part for body in bodies for part in (varint(len(body)), body))

"""Machine code for protobuf's wire format."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled

Bytes: TypeAlias = NDArray[np.uint8]

signed: Any = np.int64
"""Makes 64 bits a signed number, in a kernel."""

_LOW_BITS: Final = np.uint64(0x7F)
_WIRE_TYPE: Final = np.uint64(7)
_FIELD_SHIFT: Final = np.uint64(3)
_MAX_TAG: Final = np.uint64(0xFFFF_FFFF)
_ZERO: Final = np.uint64(0)


@compiled
def varint(buffer: Bytes, at: int, end: int) -> tuple[Any, int]:
    """Return the varint at *at* and the place behind it; -1 where none ends before *end*."""
    value = _ZERO
    shift = 0
    while at < end and shift < 64:
        byte = buffer[
            np.uint64(at)
        ]  # a signed place might count from the end; see `protobuf_kernels`
        at += 1
        value |= (np.uint64(byte) & _LOW_BITS) << np.uint64(shift)
        if byte < 0x80:
            return value, at
        shift += 7
    return value, -1


@compiled
def next_field(buffer: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """
    Return tag, start and end of the content of the field at *at*; its end is the next one's start.

    The tag is -1 where there is no whole field before *end*, or a group, which OTLP has none of.
    """
    tag, at = varint(buffer, at, end)
    if at < 0 or tag > _MAX_TAG or tag >> _FIELD_SHIFT == _ZERO:
        return -1, end, end
    wire_type = signed(tag & _WIRE_TYPE)
    stop = -1
    if wire_type == 2:
        length, at = varint(buffer, at, end)
        if at >= 0 and length <= np.uint64(end - at):
            stop = at + signed(length)
    elif wire_type == 0:
        _, stop = varint(buffer, at, end)
    elif wire_type == 1:
        stop = at + 8
    elif wire_type == 5:
        stop = at + 4
    if stop < 0 or stop > end:
        return -1, end, end
    return signed(tag), at, stop


@compiled
def is_message(buffer: Bytes, at: int, end: int) -> bool:
    """Return whether whole fields fill the bytes from *at* to *end*."""
    while at < end:
        tag, _, at = next_field(buffer, at, end)
        if tag < 0:
            return False
    return True


@compiled
def are_varints(buffer: Bytes, at: int, end: int) -> bool:
    """Return whether whole varints fill the bytes from *at* to *end*."""
    while at < end:
        _, at = varint(buffer, at, end)
        if at < 0:
            return False
    return True


@compiled
def zigzag(value: Any) -> Any:
    """Return the signed number that protobuf spells as *value*, of 32 bits."""
    low = signed(value & _MAX_TAG)
    return (low >> 1) ^ -(low & 1)

"""
Compiled readers of protobuf's wire format: they never read past the end that they are given.

Protobuf's encoding: https://protobuf.dev/programming-guides/encoding/. Places in the bytes are
turned to unsigned numbers where they are used: a signed one might count from the end, as in
Python, and asking for that at each byte takes half of the time.
"""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled

U64: Final = np.uint64


@compiled
def read_varint(buf: Any, at: int, end: int) -> Any:
    """Return the varint at *at* and where it ends, which is -1 where it does not."""
    # Most are of one byte; a walk takes a third less where that is asked first.
    if at < end and buf[U64(at)] < 128:
        return U64(buf[U64(at)]), at + 1
    value = U64(0)
    shift = 0
    while at < end:
        byte = buf[U64(at)]
        at += 1
        if shift == 63 and byte > 1:
            return value, -1
        value |= U64(byte & 0x7F) << U64(shift)
        if byte < 128:
            return value, at
        shift += 7
    return value, -1


@compiled
def read_length(buf: Any, at: int, end: int) -> Any:
    """Return start and end of the length-delimited field at *at*; the end is -1 past *end*."""
    size, at = read_varint(buf, at, end)
    if at < 0 or size > U64(end - at):
        return 0, -1
    return at, at + np.int64(size)


@compiled
def read_tag(buf: Any, at: int, end: int) -> Any:
    """Return the tag at *at*, field number and wire type in one, and where it ends."""
    tag, at = read_varint(buf, at, end)
    if at < 0 or tag < U64(8) or tag > U64(0xFFFFFFFF):
        return 0, -1
    return np.int64(tag), at


@compiled
def skip(buf: Any, at: int, end: int, tag: int) -> Any:
    """Return where the unknown field with *tag* ends; -1 where it does not."""
    wire = tag & 7
    if wire == 0:
        _, after = read_varint(buf, at, end)
        return after
    if wire == 2:
        _, after = read_length(buf, at, end)
        return after
    if wire == 1:
        return at + 8 if end - at >= 8 else -1
    if wire == 5:
        return at + 4 if end - at >= 4 else -1
    return -1


@compiled
def read_word(buf: Any, at: int) -> Any:
    """Return eight bytes as a little-endian number."""
    first = U64(at)
    return (
        U64(buf[first])
        | U64(buf[first + U64(1)]) << U64(8)
        | U64(buf[first + U64(2)]) << U64(16)
        | U64(buf[first + U64(3)]) << U64(24)
        | U64(buf[first + U64(4)]) << U64(32)
        | U64(buf[first + U64(5)]) << U64(40)
        | U64(buf[first + U64(6)]) << U64(48)
        | U64(buf[first + U64(7)]) << U64(56)
    )

"""Compiled writers of single bits: what the chunks of Prometheus' `tsdb/chunkenc` are made of."""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled

NO_WIDTH: Final = 255
"""Stands for the leading zeros of a value that has not changed yet."""

_U64: Final = np.uint64


@compiled
def put_varint(out: Any, at: int, number: Any) -> int:
    """Write *number* as protobuf does, in whole bytes, and return where it ends."""
    while number >= _U64(0x80):
        out[at] = np.uint8(number & _U64(0x7F)) | np.uint8(0x80)
        number >>= _U64(7)
        at += 1
    out[at] = np.uint8(number)
    return at + 1


@compiled
def put_bits(out: Any, at: int, free: int, number: Any, count: int) -> Any:
    """
    Write the low *count* bits of *number*; *free* bits of the byte at *at* are unused.

    Returns the same two of the next bit. The byte after the last one that is full is zeroed.
    """
    while count > 0:
        taken = min(free, count)
        piece = (number >> _U64(count - taken)) & ((_U64(1) << _U64(taken)) - _U64(1))
        out[at] |= np.uint8(piece << _U64(free - taken))
        free -= taken
        count -= taken
        if free == 0:
            at += 1
            out[at] = 0
            free = 8
    return at, free


@compiled
def _leading_zeros(number: Any) -> int:
    count = 0
    for shift in (32, 16, 8, 4, 2, 1):
        if number >> _U64(64 - shift) == _U64(0):
            count += shift
            number <<= _U64(shift)
    return count


@compiled
def _trailing_zeros(number: Any) -> int:
    count = 0
    for shift in (32, 16, 8, 4, 2, 1):
        if number << _U64(64 - shift) == _U64(0):
            count += shift
            number >>= _U64(shift)
    return count


@compiled
def put_changed(
    out: Any, at: int, free: int, changed: Any, leading_before: int, trailing_before: int
) -> Any:
    """
    Write the bits in which a value differs from the one before (the Gorilla paper, section 4.1).

    Zeros around the last change that was written are *leading_before* (`NO_WIDTH` at first) and
    *trailing_before*; they are returned as they are now, behind what `put_bits` returns.
    """
    if changed == _U64(0):
        at, free = put_bits(out, at, free, _U64(0), 1)
        return at, free, leading_before, trailing_before
    at, free = put_bits(out, at, free, _U64(1), 1)
    leading = min(_leading_zeros(changed), 31)
    trailing = _trailing_zeros(changed)
    if leading_before != NO_WIDTH and leading >= leading_before and trailing >= trailing_before:
        at, free = put_bits(out, at, free, _U64(0), 1)
    else:
        leading_before, trailing_before = leading, trailing
        at, free = put_bits(out, at, free, _U64(1), 1)
        at, free = put_bits(out, at, free, _U64(leading), 5)
        # 64 bits are written as 0, of which there never are that many.
        at, free = put_bits(out, at, free, _U64((64 - leading - trailing) & 63), 6)
    width = 64 - leading_before - trailing_before
    at, free = put_bits(out, at, free, changed >> _U64(trailing_before), width)
    return at, free, leading_before, trailing_before


@compiled
def put_chunk(
    out: Any, at: int, scratch: Any, size: int, kind: int, first_ms: int, last_ms: int
) -> int:
    """
    Write the first *size* bytes of *scratch* as a chunk, field 2 of a `ChunkedSeries`.

    *kind* is its encoding's number. Its head is put together behind it, in 32 bytes of *scratch*.
    Returns where it ends.
    """
    head = size
    scratch[head] = 0x08
    end = put_varint(scratch, head + 1, _U64(first_ms))
    scratch[end] = 0x10
    end = put_varint(scratch, end + 1, _U64(last_ms))
    scratch[end] = 0x18
    scratch[end + 1] = kind
    scratch[end + 2] = 0x22
    end = put_varint(scratch, end + 3, _U64(size))
    out[at] = 0x12
    at = put_varint(out, at + 1, _U64(end - head + size))
    out[at : at + end - head] = scratch[head:end]
    at += end - head
    out[at : at + size] = scratch[:size]
    return at + size

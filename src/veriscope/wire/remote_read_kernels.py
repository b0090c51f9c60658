"""
Compiled writers of remote read answers: samples as protobuf, as XOR chunks, and CRC-32C.

The XOR chunk is that of Prometheus' `tsdb/chunkenc`: times as differences of differences, values
by the bits in which they differ from the one before.
"""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled
from veriscope.wire.chunk_bits_kernels import (
    NO_WIDTH,
    put_bits,
    put_changed,
    put_chunk,
    put_varint,
)

SAMPLE_BYTES: Final = 22
"""The most that `write_samples` writes for a sample."""
CHUNK_SAMPLES: Final = 120
"""Samples of a chunk, as Prometheus cuts them."""
XOR: Final = 1
"""The number of this encoding."""
CHUNK_BYTES: Final = 64
"""The most that `write_chunks` writes around a chunk's samples."""
CHUNKED_SAMPLE_BYTES: Final = 20
"""The most that `write_chunks` writes for a sample: 68 bits of time, 77 of value."""

_U64: Final = np.uint64


def _crc_table() -> Any:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_CRC: Final = _crc_table()


@compiled
def crc32c(data: Any) -> Any:
    """Return the CRC-32 of *data* with Castagnoli's polynomial."""
    found = np.uint32(0xFFFFFFFF)
    for byte in data:
        found = _CRC[(found ^ byte) & np.uint32(0xFF)] ^ (found >> np.uint32(8))
    return found ^ np.uint32(0xFFFFFFFF)


@compiled
def write_samples(
    starts: Any, stops: Any, timestamps_ms: Any, bits: Any, out: Any, ends: Any
) -> None:
    """Write the samples of each row as fields 2 of a `TimeSeries`; `ends[row]` is where it ends."""
    at = 0
    for row in range(len(starts)):
        for place in range(starts[row], stops[row]):
            begin = at
            out[at] = 0x12
            at += 2
            out[at] = 0x09
            at += 1
            value = bits[place]
            for _ in range(8):
                out[at] = np.uint8(value & _U64(0xFF))
                value >>= _U64(8)
                at += 1
            out[at] = 0x10
            at = put_varint(out, at + 1, _U64(timestamps_ms[place]))
            out[begin + 1] = at - begin - 2
        ends[row] = at


@compiled
def _put_bytes_of_varint(out: Any, at: int, free: int, number: Any) -> Any:
    while number >= _U64(0x80):
        at, free = put_bits(out, at, free, (number & _U64(0x7F)) | _U64(0x80), 8)
        number >>= _U64(7)
    return put_bits(out, at, free, number, 8)


@compiled
def _xor_chunk(out: Any, begin: int, timestamps_ms: Any, bits: Any, first: int, last: int) -> int:
    """Write the chunk of samples *first* to *last* (exclusive) and return where it ends."""
    count = last - first
    out[begin] = np.uint8(count >> 8)
    out[begin + 1] = np.uint8(count & 0xFF)
    at = begin + 2
    out[at] = 0
    free = 8
    delta_before = 0
    leading, trailing = NO_WIDTH, 0
    for place in range(first, last):
        if place == first:
            time = timestamps_ms[place]
            zigzag = (_U64(time) << _U64(1)) ^ _U64(time >> 63)
            at, free = _put_bytes_of_varint(out, at, free, zigzag)
            at, free = put_bits(out, at, free, bits[place], 64)
            continue
        delta = timestamps_ms[place] - timestamps_ms[place - 1]
        if place == first + 1:
            at, free = _put_bytes_of_varint(out, at, free, _U64(delta))
        else:
            change = delta - delta_before
            if change == 0:
                at, free = put_bits(out, at, free, _U64(0), 1)
            elif -8191 <= change <= 8192:
                at, free = put_bits(out, at, free, _U64(0b10), 2)
                at, free = put_bits(out, at, free, _U64(change), 14)
            elif -65535 <= change <= 65536:
                at, free = put_bits(out, at, free, _U64(0b110), 3)
                at, free = put_bits(out, at, free, _U64(change), 17)
            elif -524287 <= change <= 524288:
                at, free = put_bits(out, at, free, _U64(0b1110), 4)
                at, free = put_bits(out, at, free, _U64(change), 20)
            else:
                at, free = put_bits(out, at, free, _U64(0b1111), 4)
                at, free = put_bits(out, at, free, _U64(change), 64)
        delta_before = delta
        at, free, leading, trailing = put_changed(
            out, at, free, bits[place] ^ bits[place - 1], leading, trailing
        )
    return at if free == 8 else at + 1


@compiled
def write_chunks(
    starts: Any,
    stops: Any,
    timestamps_ms: Any,
    bits: Any,
    scratch: Any,
    out: Any,
    ends: Any,
    chunk_ends: Any,
) -> int:
    """
    Write the samples of each row as fields 2, chunks, of a `ChunkedSeries`.

    `ends[row]` is the number of chunks up to the row's last, `chunk_ends` where each chunk ends.
    Returns how many chunks there are.
    """
    at, chunks = 0, 0
    for row in range(len(starts)):
        first = starts[row]
        while first < stops[row]:
            last = min(first + CHUNK_SAMPLES, stops[row])
            size = _xor_chunk(scratch, 0, timestamps_ms, bits, first, last)
            times = timestamps_ms[first], timestamps_ms[last - 1]
            at = put_chunk(out, at, scratch, size, XOR, times[0], times[1])
            chunk_ends[chunks] = at
            chunks += 1
            first = last
        ends[row] = chunks
    return chunks

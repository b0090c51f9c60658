"""A slow, obvious reader of remote read answers, for our own and for Prometheus'."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from veriscope.signals import Labels

XOR, FLOAT_HISTOGRAM = 1, 3
UNKNOWN, RESET, NO_RESET, GAUGE = range(4)


@dataclass(frozen=True)
class Histogram:
    """One sample of a chunk of histograms; numbers as their eight bytes, buckets by index."""

    schema: int
    hint: int
    threshold: bytes
    count: bytes
    zero_count: bytes
    sum: bytes
    positive: tuple[tuple[int, bytes], ...] = ()
    negative: tuple[tuple[int, bytes], ...] = ()
    bounds: tuple[bytes, ...] = ()


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a protobuf message."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(data):
        tag = number()
        match tag & 7:
            case 0:
                yield tag >> 3, number()
            case 1:
                yield tag >> 3, struct.unpack_from("<d", data, at)[0]
                at += 8
            case 2:
                size = number()
                yield tag >> 3, data[at : at + size]
                at += size
    assert at == len(data)


def labels_of(parts: list[bytes]) -> Labels:
    """Return labels from their messages."""
    pairs = [dict(fields(part)) for part in parts]
    return tuple((pair[1].decode(), pair.get(2, b"").decode()) for pair in pairs)


class Bits:
    """Reads a chunk bit by bit."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        """Return the next *count* bits."""
        self._left -= count
        assert self._left >= 0
        return self._number >> self._left & (1 << count) - 1

    def varint(self) -> int:
        """Return the next varint, of whole bytes from wherever it begins."""
        value = shift = 0
        while True:
            byte = self.take(8)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def prefixed(self) -> tuple[int, int]:
        """Return a number whose prefix says how many bits it has, and how many."""
        ones = 0
        while ones < 8 and self.take(1):
            ones += 1
        width = (0, 3, 6, 9, 12, 18, 25, 56, 64)[ones]
        return self.take(width), width

    def unsigned(self) -> int:
        """Return such a number as it is."""
        return self.prefixed()[0]

    def signed(self) -> int:
        """Return such a number in two's complement."""
        number, width = self.prefixed()
        if width == 64:
            return number - (1 << 64) * (number >> 63)
        return signed(number, width) if width else 0


class Changing:
    """A value of which the bits are written that differ from the one before."""

    def __init__(self, bits: Bits) -> None:
        self._bits = bits
        self._value = self._leading = self._trailing = 0
        self._known = False

    def next(self) -> bytes:
        """Return the eight bytes of the next value."""
        bits = self._bits
        if not self._known:
            self._known, self._value = True, bits.take(64)
        elif bits.take(1):
            if bits.take(1):
                self._leading, width = bits.take(5), bits.take(6) or 64
                self._trailing = 64 - self._leading - width
            self._value ^= bits.take(64 - self._leading - self._trailing) << self._trailing
        return struct.pack("<Q", self._value)


def signed(number: int, bits: int) -> int:
    """Return the two's complement *number*; the greatest one is not negative in this format."""
    return number - (1 << bits) if number > 1 << bits - 1 else number


def read_chunk(data: bytes) -> list[tuple[int, bytes]]:
    """Return times and the bytes of values, as Prometheus' XOR chunk has them."""
    bits = Bits(data[2:])
    found: list[tuple[int, bytes]] = []
    time = delta = 0
    value = Changing(bits)
    for place in range(int.from_bytes(data[:2], "big")):
        if place == 0:
            zigzag = bits.varint()
            time = zigzag >> 1 ^ -(zigzag & 1)
        elif place == 1:
            delta = bits.varint()
        elif bits.take(1):
            size = 14
            for wider in (17, 20, 64):
                if not bits.take(1):
                    break
                size = wider
            change = bits.take(size)
            delta += change - (1 << 64) * (change >> 63) if size == 64 else signed(change, size)
        time += delta
        found.append((time, value.next()))
    return found


def read_histogram_chunk(data: bytes) -> list[tuple[int, Histogram]]:
    """Return times and histograms, as Prometheus' float histogram chunk has them."""
    bits = Bits(data[3:])
    header = (UNKNOWN, NO_RESET, RESET, GAUGE)[data[2] >> 6]
    exponent = bits.take(8)
    threshold = struct.pack("<d", 2.0 ** (exponent - 244) if exponent else 0.0)
    if exponent == 255:
        threshold = struct.pack("<Q", bits.take(64))
    schema = bits.signed()
    positive, negative = _indices(bits), _indices(bits)
    bounds = _bounds(bits) if schema == -53 else ()
    count, zero_count, total = Changing(bits), Changing(bits), Changing(bits)
    sides = [[Changing(bits) for _ in side] for side in (positive, negative)]
    found: list[tuple[int, Histogram]] = []
    time = delta = 0
    for place in range(int.from_bytes(data[:2], "big")):
        if place == 0:
            time = bits.signed()
        else:
            delta += bits.signed()
            time += delta
        numbers = count.next(), zero_count.next(), total.next()
        up, down = (
            tuple((index, value.next()) for index, value in zip(*side, strict=True))
            for side in ((positive, sides[0]), (negative, sides[1]))
        )
        hint = header if place == 0 or header == GAUGE else NO_RESET
        found.append((time, Histogram(schema, hint, threshold, *numbers, up, down, bounds)))
    return found


def _indices(bits: Bits) -> list[int]:
    """Return which buckets the spans of a chunk name."""
    found: list[int] = []
    end = 0
    for _ in range(bits.unsigned()):
        length = bits.unsigned()
        first = end + bits.signed()
        found += range(first, first + length)
        end = first + length
    return found


def _bounds(bits: Bits) -> tuple[bytes, ...]:
    found = []
    for _ in range(bits.unsigned()):
        thousandths = bits.unsigned()
        found.append(
            struct.pack("<d", (thousandths - 1) / 1000)
            if thousandths
            else struct.pack("<Q", bits.take(64))
        )
    return tuple(found)


def read_frames(data: bytes) -> Iterator[tuple[int, Labels, list[list[tuple[int, Any]]]]]:
    """
    Yield query, labels and chunks of each frame.

    Asserts that the checksums are right, and that each chunk's head says what is in it.
    """
    at = 0
    while at < len(data):
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        [checksum] = struct.unpack_from(">I", data, at)
        message = data[at + 4 : at + 4 + size]
        at += 4 + size
        assert checksum == slow_crc32c(message)
        found = list(fields(message))
        [series] = [value for number, value in found if number == 1]
        parts = list(fields(series))
        chunks = [dict(fields(value)) for number, value in parts if number == 2]
        samples = [READERS[chunk[3]](chunk[4]) for chunk in chunks]
        for chunk, inside in zip(chunks, samples, strict=True):
            assert (chunk[1], chunk[2]) == (inside[0][0], inside[-1][0])
        labels = labels_of([value for number, value in parts if number == 1])
        yield dict(found).get(2, 0), labels, samples


READERS: dict[int, Any] = {XOR: read_chunk, FLOAT_HISTOGRAM: read_histogram_chunk}


def slow_crc32c(data: bytes) -> int:
    """Return the checksum bit by bit."""
    found = 0xFFFFFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (0x82F63B78 if found & 1 else 0)
    return found ^ 0xFFFFFFFF

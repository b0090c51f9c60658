"""
Prometheus remote write 1.0: an encoder, and the snappy block format.

`remote_write_v1` reads it. Specification: https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

import cramjam
import numpy as np

from veriscope.signals import InvalidInputError, Labels, LimitExceededError, SampleBatch
from veriscope.wire.protobuf_fields import delimited, varint

CONTENT_TYPE: Final = "application/x-protobuf"

# Three bytes of snappy's format mean 64 at most.
_MAX_EXPANSION: Final = 22

# What an `Unpacker` keeps of memory at a time: room for most messages, never for the largest.
_LEAST_ROOM_BYTES: Final = 256 << 10
_MOST_ROOM_BYTES: Final = 4 << 20

METRIC_TYPES: Final = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)
"""The metric types by their number in the message."""


def encode(batch: SampleBatch) -> bytes:
    """Return *batch* as an uncompressed `WriteRequest`. Metadata is sent along."""
    order = np.argsort(batch.series, kind="stable")
    starts = np.searchsorted(batch.series[order], np.arange(len(batch.labels) + 1))
    times, values = batch.timestamps_ms[order].tolist(), batch.values[order].tolist()
    out = bytearray()
    for index, labels in enumerate(batch.labels):
        start, end = int(starts[index]), int(starts[index + 1])
        if start == end:
            continue
        samples = zip(times[start:end], values[start:end], strict=True)
        series = encode_labels(labels) + b"".join(_sample(time, value) for time, value in samples)
        out += delimited(1, series)
    for known in batch.metadata:
        fields = (known.name, known.help, known.unit)
        numbered = zip((2, 4, 5), fields, strict=True)
        strings = b"".join(delimited(number, text.encode()) for number, text in numbered)
        out += delimited(3, b"\x08" + varint(METRIC_TYPES.index(known.type)) + strings)
    return bytes(out)


@lru_cache(maxsize=1 << 14)  # a sender's series are the same from batch to batch
def encode_labels(labels: Labels) -> bytes:
    """Return the fields of a `TimeSeries` that are its labels."""
    return b"".join(
        delimited(1, delimited(1, name.encode()) + delimited(2, value.encode()))
        for name, value in labels
    )


def compress(message: bytes) -> bytes:
    """Return *message* in snappy's block format, as remote write sends it."""
    return bytes(cramjam.snappy.compress_raw(message))


def is_small(body: bytes, most: int) -> bool:
    """Return whether *body*, a snappy block, says that it unpacks to no more than *most* bytes."""
    try:
        return int(cramjam.snappy.decompress_raw_len(body)) <= most
    except (cramjam.DecompressionError, ValueError):
        return False


def decompress(body: bytes, max_bytes: int) -> bytes:
    """
    Return the message in a snappy block.

    Raises `LimitExceededError` where it announces more than *max_bytes* (nothing is unpacked
    then), `InvalidInputError` where it is not a whole snappy block.
    """
    room = bytearray(_announced(body, max_bytes))
    _decompress_into(body, room)
    return bytes(room)


class Unpacker:
    """
    Unpacks snappy blocks into memory that is used again and again; safe to use from many threads.

    Fresh memory for each message would cost several times what unpacking does, for the system
    clears it page by page.
    """

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    @contextmanager
    def unpacked(self, body: bytes, max_bytes: int) -> Iterator[memoryview]:
        """Lend the message in *body*, until the block is left; raises as `decompress` does."""
        size = _announced(body, max_bytes)
        try:
            room = self._free.pop()
        except IndexError:
            room = bytearray()
        if len(room) < size:
            room = bytearray(max(size, _LEAST_ROOM_BYTES))
        try:
            _decompress_into(body, memoryview(room)[:size])
            yield memoryview(room)[:size].toreadonly()
        finally:
            if len(room) <= _MOST_ROOM_BYTES:
                self._free.append(room)


def _announced(body: bytes, max_bytes: int) -> int:
    try:
        announced = int(cramjam.snappy.decompress_raw_len(body))
    except (cramjam.DecompressionError, ValueError) as error:
        raise InvalidInputError(f"the body is not snappy-compressed: {error}") from error
    if announced > max_bytes:
        raise LimitExceededError(
            f"the body unpacks to {announced:,} bytes, {max_bytes:,} allowed "
            "(ingest.max_message_bytes); send smaller requests"
        )
    if announced > _MAX_EXPANSION * len(body):
        # Before any memory is taken for it, which then would have to be cleared.
        raise InvalidInputError(
            f"the snappy body is truncated or corrupt: {len(body):,} bytes cannot unpack to the"
            f" {announced:,} that it announces"
        )
    return announced


def _decompress_into(body: bytes, room: bytearray | memoryview) -> None:
    try:
        cramjam.snappy.decompress_raw_into(body, room)
    except cramjam.DecompressionError as error:
        raise InvalidInputError(f"the snappy body is truncated or corrupt: {error}") from error


def _sample(time_ms: int, value: float) -> bytes:
    return delimited(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _time(time_ms))


@lru_cache(maxsize=16)  # the samples of a batch mostly share their time
def _time(time_ms: int) -> bytes:
    return varint(time_ms & 0xFFFF_FFFF_FFFF_FFFF)  # a negative int64 is its two's complement

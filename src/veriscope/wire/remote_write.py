"""
Prometheus remote write 1.0: the message, its framing, an encoder and the snappy block format.

The engine decodes the message; Python only frames and compresses it. Specification:
https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

import cramjam
import numpy as np

from veriscope.signals import InvalidInputError, Labels, LimitExceededError, SampleBatch

SCHEMA: Final = Path(__file__).with_name("remote_write.proto")
"""The file that describes the parts of `prometheus.WriteRequest` that are stored."""

MESSAGE: Final = "WriteRequest"
"""The message of `SCHEMA` that is a request body."""

CONTENT_TYPE: Final = "application/x-protobuf"


def varint(number: int) -> bytes:
    """Return *number* (≥ 0) as a protobuf varint."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def frame(bodies: Iterable[bytes]) -> bytes:
    """
    Join messages into one length-delimited stream.

    A message that is cut short cannot reach into the one behind it, as it could if bodies were
    joined end to end: the reader is held to the announced length.
    """
    return b"".join(part for body in bodies for part in (varint(len(body)), body))


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
        series = _labels(labels) + b"".join(_sample(time, value) for time, value in samples)
        out += _delimited(1, series)
    for known in batch.metadata:
        fields = (known.name, known.help, known.unit)
        numbered = zip((2, 4, 5), fields, strict=True)
        strings = b"".join(_delimited(number, text.encode()) for number, text in numbered)
        out += _delimited(3, b"\x08" + varint(_TYPES.index(known.type)) + strings)
    return bytes(out)


def compress(message: bytes) -> bytes:
    """Return *message* in snappy's block format, as remote write sends it."""
    return bytes(cramjam.snappy.compress_raw(message))


def decompress(body: bytes, max_bytes: int) -> bytes:
    """
    Return the message in a snappy block.

    Raises `LimitExceededError` where it announces more than *max_bytes* (nothing is unpacked
    then), `InvalidInputError` where it is not a whole snappy block.
    """
    try:
        announced = int(cramjam.snappy.decompress_raw_len(body))
    except (cramjam.DecompressionError, ValueError) as error:
        raise InvalidInputError(f"the body is not snappy-compressed: {error}") from error
    if announced > max_bytes:
        raise LimitExceededError(
            f"the body unpacks to {announced:,} bytes, {max_bytes:,} allowed "
            "(ingest.max_message_bytes); send smaller requests"
        )
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise InvalidInputError(f"the snappy body is truncated or corrupt: {error}") from error


_TYPES: Final = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)


def _delimited(field: int, content: bytes) -> bytes:
    return bytes((field << 3 | 2,)) + varint(len(content)) + content


@lru_cache(maxsize=1 << 14)  # a sender's series are the same from batch to batch
def _labels(labels: Labels) -> bytes:
    return b"".join(
        _delimited(1, _delimited(1, name.encode()) + _delimited(2, value.encode()))
        for name, value in labels
    )


def _sample(time_ms: int, value: float) -> bytes:
    return _delimited(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _time(time_ms))


@lru_cache(maxsize=16)  # the samples of a batch mostly share their time
def _time(time_ms: int) -> bytes:
    return varint(time_ms & 0xFFFF_FFFF_FFFF_FFFF)  # a negative int64 is its two's complement

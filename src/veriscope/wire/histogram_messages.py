"""Native histograms as messages: of remote read, and of the exposition format."""

import struct
from collections.abc import Iterator
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.histograms import Buckets, Histograms
from veriscope.wire.protobuf_fields import delimited, varint

N = TypeVar("N", np.int32, np.float64)
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF


def write_histograms(histograms: Histograms, timestamps_ms: NDArray[np.int64]) -> list[bytes]:
    """
    Return each of *histograms* as field 4 of a `TimeSeries`, with floats for counts.

    Numbers of fields are those of `prometheus.Histogram` in `types.proto`.
    """
    negative, positive = _buckets(histograms.negative, 8), _buckets(histograms.positive, 11)
    found: list[bytes] = []
    for place, (time_ms, schema, hint) in enumerate(
        zip(
            timestamps_ms.tolist(),
            histograms.schema.tolist(),
            histograms.reset_hint.tolist(),
            strict=True,
        )
    ):
        content = b"".join(
            (
                _double(2, histograms.count[place]),
                _double(3, histograms.sum[place]),
                b"\x20" + varint(_zigzag(schema)),
                _double(5, histograms.zero_threshold[place]),
                _double(7, histograms.zero_count[place]),
                next(negative),
                next(positive),
                b"\x70" + varint(hint),
                b"\x78" + varint(time_ms & _U64),
                _doubles(16, _run(histograms.bounds.offsets, histograms.bounds.values, place)),
            )
        )
        found.append(delimited(4, content))
    return found


def exposed_histograms(histograms: Histograms) -> list[bytes]:
    """
    Return each of *histograms* as an `io.prometheus.client.Histogram`, with floats for counts.

    That message knows no bounds of custom buckets: those are classic buckets there, cumulative.
    """
    negative, positive = _buckets(histograms.negative, 9), _buckets(histograms.positive, 12)
    custom = histograms.custom.tolist()
    found: list[bytes] = []
    for place, schema in enumerate(histograms.schema.tolist()):
        sides = next(negative), next(positive)
        content = _double(2, histograms.sum[place]) + _double(4, histograms.count[place])
        if custom[place]:
            content += b"".join(_classic_buckets(histograms, place))
        else:
            content += b"".join(
                (
                    b"\x28" + varint(_zigzag(schema)),
                    _double(6, histograms.zero_threshold[place]),
                    _double(8, histograms.zero_count[place]),
                    *sides,
                )
            )
        found.append(content)
    return found


def _classic_buckets(histograms: Histograms, place: int) -> Iterator[bytes]:
    bounds = _run(histograms.bounds.offsets, histograms.bounds.values, place).tolist()
    counts = np.zeros(len(bounds) + 1)
    positive = histograms.positive
    index = _run(positive.offsets, positive.index, place)
    counts[index] = _run(positive.offsets, positive.count, place)
    for bound, total in zip([*bounds, np.inf], np.cumsum(counts).tolist(), strict=True):
        yield delimited(3, _double(2, bound) + _double(4, total))


def _buckets(buckets: Buckets, field: int) -> Iterator[bytes]:
    """Yield the spans (number *field*) and counts (*field* + 2) of each histogram."""
    for place in range(len(buckets.offsets) - 1):
        index = _run(buckets.offsets, buckets.index, place)
        counts = _run(buckets.offsets, buckets.count, place)
        yield b"".join(_spans(field, index)) + _doubles(field + 2, counts)


def _spans(field: int, index: NDArray[np.int32]) -> Iterator[bytes]:
    """Yield runs of neighbouring buckets, each by its distance from the end of the one before."""
    if not len(index):
        return
    starts = np.flatnonzero(np.diff(index, prepend=index[0] - 2) != 1)
    lengths = np.diff(starts, append=len(index)).tolist()
    end = 0
    for first, length in zip(index[starts].tolist(), lengths, strict=True):
        yield delimited(field, b"\x08" + varint(_zigzag(first - end)) + b"\x10" + varint(length))
        end = first + length


def _run(offsets: NDArray[np.int64], values: NDArray[N], place: int) -> NDArray[N]:
    return values[offsets[place] : offsets[place + 1]]


def _double(field: int, value: float) -> bytes:
    return bytes((field << 3 | 1,)) + struct.pack("<d", value)


def _doubles(field: int, values: NDArray[np.float64]) -> bytes:
    if not len(values):
        return b""
    return delimited(field, np.ascontiguousarray(values, dtype="<f8").tobytes())


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1

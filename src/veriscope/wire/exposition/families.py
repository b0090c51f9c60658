"""The protobuf format written: delimited `MetricFamily` messages of samples without a type."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from typing import Final

from veriscope.wire.protobuf_fields import delimited, varint

MEDIA_TYPE: Final = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF


class FamilyType(IntEnum):
    """The types that are written, numbered as `io.prometheus.client.MetricType`."""

    UNTYPED = 3
    HISTOGRAM = 4
    GAUGE_HISTOGRAM = 5


@dataclass(frozen=True, slots=True)
class ExposedSample:
    """One sample as it is to be written; *value* is eight bytes, or a histogram's message."""

    name: str
    labels: Sequence[tuple[str, str]]
    time_ms: int
    type: FamilyType
    value: bytes

    @classmethod
    def of_float(
        cls, name: str, labels: Sequence[tuple[str, str]], time_ms: int, value: float
    ) -> "ExposedSample":
        """Return a sample that is a number."""
        return cls(name, labels, time_ms, FamilyType.UNTYPED, struct.pack("<d", value))


def write_families(samples: Sequence[ExposedSample]) -> Iterator[bytes]:
    """Yield a family for each run of neighbouring *samples* with the same name and type."""
    for (name, kind), members in groupby(samples, key=lambda each: (each.name, each.type)):
        metrics = b"".join(delimited(4, _metric(each)) for each in members)
        family = delimited(1, name.encode()) + b"\x18" + varint(kind) + metrics
        yield varint(len(family)) + family


def _metric(sample: ExposedSample) -> bytes:
    labels = (
        delimited(1, delimited(1, name.encode()) + delimited(2, value.encode()))
        for name, value in sample.labels
    )
    time = b"\x30" + varint(sample.time_ms & _U64)
    if sample.type is FamilyType.UNTYPED:
        return b"".join((*labels, delimited(5, b"\x09" + sample.value), time))
    return b"".join((*labels, time, delimited(7, sample.value)))

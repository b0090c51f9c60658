"""
The reader of remote write 1.0, `prometheus.WriteRequest`.

Specification: https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import InvalidInputError, MetricMetadata
from veriscope.wire import remote_write_kernels as kernels
from veriscope.wire.protobuf_fields import MALFORMED, fields
from veriscope.wire.remote_write_columns import LabelSpans, WriteColumns, to_metadata
from veriscope.wire.remote_write_points import (
    TIMES_OFF,
    RawLabels,
    check_count,
    read_exemplars,
    read_histograms,
)

MAX_SAMPLES: Final = 4_000_000
"""Samples of one request, and series, that are taken; so many of them are no honest message."""
MAX_METADATA: Final = 200_000

_NAME: Final = 2
_HELP: Final = 4
_UNIT: Final = 5
_TEXTS: Final = (_NAME, _HELP, _UNIT)
_NO_SPANS: Final = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """Where the parts of a message are; see `remote_write_kernels.walk_v1`."""

    series: NDArray[np.int64]
    keys: NDArray[np.uint64]
    sample_series: NDArray[np.int32]
    times_ms: NDArray[np.int64]
    bits: NDArray[np.uint64]
    point_series: NDArray[np.int32]
    points: NDArray[np.int64]
    metadata: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> "Walked":
        """Return room for as much as *counts* says."""
        series, samples, exemplars, histograms, metadata = counts[:5].tolist()
        points = max(exemplars, histograms)
        return cls(
            series=np.empty((series, 2), dtype=np.int64),
            keys=np.empty((series, 2), dtype=np.uint64),
            sample_series=np.empty(samples, dtype=np.int32),
            times_ms=np.empty(samples, dtype=np.int64),
            bits=np.empty(samples, dtype=np.uint64),
            point_series=np.empty((2, points), dtype=np.int32),
            points=np.empty((2, points, 2), dtype=np.int64),
            metadata=np.empty((metadata, 2), dtype=np.int64),
            counts=np.zeros(kernels.COUNTS, dtype=np.int64),
        )

    def walk(self, buffer: NDArray[np.uint8], key: tuple[int, int], *, fill: bool) -> None:
        """Walk over *buffer*; raises `InvalidInputError` where it is malformed."""
        good = kernels.walk_v1(
            buffer,
            np.uint64(key[0]),
            np.uint64(key[1]),
            fill,
            self.series,
            self.keys,
            self.sample_series,
            self.times_ms,
            self.bits,
            self.point_series,
            self.points,
            self.metadata,
            self.counts,
        )
        if not good:
            raise InvalidInputError(MALFORMED)


@dataclass(frozen=True, slots=True, eq=False)
class _Senders:
    """Series as they stand in the message."""

    message: Callable[[], bytes]
    spans: NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """What the places take in memory."""
        return self.spans.nbytes

    def labels(self, places: NDArray[np.int64]) -> LabelSpans:
        """Return the labels of the series at *places*."""
        return labels_of(self.message(), self.spans[places])


def decode_v1(
    body: bytes | memoryview, key: tuple[int, int], recall: Callable[[], bytes] | None = None
) -> WriteColumns:
    """
    Read a `prometheus.WriteRequest`; *key* is the secret under which labels are hashed.

    With *recall*, which gives the body again, nothing refers to *body* afterwards.
    Raises `InvalidInputError` where it is malformed or some other message, or has a time before
    1970 or after 2100; `LimitExceededError` where it holds too much.
    """
    walked = walk(body, key)
    if walked.counts[kernels.TIMES_OFF]:
        raise InvalidInputError(TIMES_OFF)
    if not len(walked.series) and not len(walked.metadata):
        raise InvalidInputError(
            "the body is protobuf, but not a WriteRequest: it has no time series and no metadata"
        )
    exemplars, histograms = walked.counts[kernels.EXEMPLARS], walked.counts[kernels.HISTOGRAMS]
    buffer = np.frombuffer(body, dtype=np.uint8)
    histogram_times, _, found = read_histograms(buffer, walked.points[1, :histograms])
    times, values, labels = read_exemplars(body, walked.points[0, :exemplars], _inline_labels)
    return WriteColumns(
        keys=walked.keys,
        series=walked.sample_series,
        timestamps_ms=walked.times_ms,
        values=walked.bits.view(np.float64),
        histogram_series=walked.point_series[1, :histograms],
        histogram_times_ms=histogram_times,
        histograms=found,
        exemplar_series=walked.point_series[0, :exemplars],
        exemplar_times_ms=times,
        exemplar_values=values,
        exemplar_labels=labels,
        senders=_Senders(cache(recall or partial(bytes, body)), walked.series),
        families=[bytes(body[start:end]) for start, end in walked.metadata.tolist()],
    )


def walk(body: bytes | memoryview, key: tuple[int, int]) -> Walked:
    """Return where the parts of *body* are; raises as `decode_v1` does."""
    buffer = np.frombuffer(body, dtype=np.uint8)
    counted = Walked.of(np.zeros(kernels.COUNTS, dtype=np.int64))
    counted.walk(buffer, key, fill=False)
    check_count(int(counted.counts[kernels.SERIES]), MAX_SAMPLES, "series")
    check_count(int(counted.counts[kernels.SAMPLES]), MAX_SAMPLES, "samples")
    check_count(int(counted.counts[kernels.METADATA]), MAX_METADATA, "messages of metadata")
    walked = Walked.of(counted.counts)
    walked.walk(buffer, key, fill=True)
    return walked


def labels_of(body: bytes, spans: NDArray[np.int64]) -> LabelSpans:
    """
    Return the labels of the series at *spans* of *body*, as they were sent.

    Raises `InvalidInputError` where a label is malformed.
    """
    buffer = np.frombuffer(body, dtype=np.uint8)
    nothing = np.empty((0, 4), dtype=np.int64)
    count = kernels.walk_labels(buffer, spans, False, _NO_SPANS[:, 0], nothing)
    if count < 0:
        raise InvalidInputError(
            MALFORMED if count == -1 else f"a series has more than {kernels.MAX_LABELS} labels"
        )
    offsets = np.empty(len(spans) + 1, dtype=np.int64)
    pairs = np.empty((count, 4), dtype=np.int64)
    kernels.walk_labels(buffer, spans, True, offsets, pairs)
    return LabelSpans(body, offsets, pairs)


def parse_metadata(message: bytes) -> MetricMetadata:
    """Read a `prometheus.MetricMetadata`; raises `InvalidInputError` where it is malformed."""
    kind, texts = 0, dict.fromkeys(_TEXTS, b"")
    for number, content in fields(message):
        if number in texts and isinstance(content, bytes):
            texts[number] = content
        elif number == 1 and isinstance(content, int):
            kind = content
        elif number in texts or number == 1:
            raise InvalidInputError(MALFORMED)
    return to_metadata(kind, *texts.values())


def _inline_labels(spelt: list[int | bytes]) -> RawLabels:
    # An exemplar keeps its labels as a series does: as messages in field 1.
    found: RawLabels = []
    for content in spelt:
        pair = {1: b"", 2: b""}
        if not isinstance(content, bytes):
            raise InvalidInputError(MALFORMED)
        for number, text in fields(content):
            if number in pair:
                if not isinstance(text, bytes):
                    raise InvalidInputError(MALFORMED)
                pair[number] = text
        found.append((pair[1], pair[2]))
    return found

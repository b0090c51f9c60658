"""
The reader of remote write 2.0, `io.prometheus.write.v2.Request`.

Specification: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import InvalidInputError, LimitExceededError
from veriscope.wire import remote_write2_kernels as kernels
from veriscope.wire.protobuf_fields import MALFORMED, packed_varints
from veriscope.wire.remote_write_columns import LabelSpans, WriteColumns
from veriscope.wire.remote_write_kernels import MAX_LABELS
from veriscope.wire.remote_write_points import (
    TIMES_OFF,
    RawLabels,
    check_count,
    read_exemplars,
    read_histograms,
)
from veriscope.wire.remote_write_v1 import MAX_SAMPLES

_MAX_REFS: Final = 2 * MAX_LABELS
# A few long symbols, referred to by short numbers, can mean more text than any memory holds.
_MAX_LABEL_BYTES: Final = 256 << 20
_NEVER: Final = 2**31 - 1
_NO_SYMBOL: Final = "a reference leads to no symbol of the request"


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """Where the parts of a message are; see `remote_write2_kernels.walk_v2`."""

    symbols: NDArray[np.int64]
    offsets: NDArray[np.int64]
    refs: NDArray[np.int32]
    sample_series: NDArray[np.int32]
    times_ms: NDArray[np.int64]
    starts_ms: NDArray[np.int64]
    bits: NDArray[np.uint64]
    created_ms: NDArray[np.int64]
    point_series: NDArray[np.int32]
    points: NDArray[np.int64]
    metadata: NDArray[np.int32]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> "Walked":
        """Return room for as much as *counts* says."""
        series, samples, exemplars, histograms, symbols, _, refs = counts.tolist()
        points = max(exemplars, histograms)
        return cls(
            symbols=np.empty((symbols, 2), dtype=np.int64),
            offsets=np.zeros(series + 1, dtype=np.int64),
            refs=np.empty(refs, dtype=np.int32),
            sample_series=np.empty(samples, dtype=np.int32),
            times_ms=np.empty(samples, dtype=np.int64),
            starts_ms=np.empty(samples, dtype=np.int64),
            bits=np.empty(samples, dtype=np.uint64),
            created_ms=np.empty(series, dtype=np.int64),
            point_series=np.empty((2, points), dtype=np.int32),
            points=np.empty((2, points, 2), dtype=np.int64),
            metadata=np.zeros((series, 3), dtype=np.int32),
            counts=np.zeros(kernels.COUNTS, dtype=np.int64),
        )

    def walk(self, buffer: NDArray[np.uint8], *, fill: bool) -> None:
        """Walk over *buffer*; raises `InvalidInputError` where it is malformed."""
        good = kernels.walk_v2(
            buffer,
            fill,
            self.symbols,
            self.offsets,
            self.refs,
            self.sample_series,
            self.times_ms,
            self.starts_ms,
            self.bits,
            self.created_ms,
            self.point_series,
            self.points,
            self.metadata,
            self.counts,
        )
        if not good:
            raise InvalidInputError(MALFORMED)


@dataclass(frozen=True, slots=True, eq=False)
class _Senders:
    """Series as references to symbols."""

    message: Callable[[], bytes]
    walked: Walked

    @property
    def nbytes(self) -> int:
        """What the places take in memory."""
        walked = self.walked
        places = (walked.symbols, walked.offsets, walked.refs, walked.metadata, walked.created_ms)
        return sum(column.nbytes for column in places)

    def labels(self, places: NDArray[np.int64]) -> LabelSpans:
        """Return the labels of the series at *places*."""
        walked = self.walked
        starts, ends = walked.offsets[places], walked.offsets[places + 1]
        offsets = np.concatenate(([0], np.cumsum(ends - starts)))
        # The references of the series at *places*, one after the other.
        refs = walked.refs[np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts)]
        lengths = walked.symbols[:, 1] - walked.symbols[:, 0]
        if int(lengths[refs].sum()) > _MAX_LABEL_BYTES:
            raise LimitExceededError(
                f"the labels of the request's new series have more than {_MAX_LABEL_BYTES:,} bytes"
                " in all; send smaller requests"
            )
        return LabelSpans(self.message(), offsets // 2, walked.symbols[refs].reshape(-1, 4))

    def metadata(self, place: int) -> tuple[int, bytes, bytes]:
        """Return type, help and unit that stand beside the series at *place*."""
        kind, text, unit = self.walked.metadata[place].tolist()
        symbols, message = self.walked.symbols, self.message()
        (text_start, text_end), (unit_start, unit_end) = symbols[text], symbols[unit]
        return kind, message[text_start:text_end], message[unit_start:unit_end]


def decode_v2(
    body: bytes | memoryview, key: tuple[int, int], recall: Callable[[], bytes] | None = None
) -> WriteColumns:
    """
    Read an `io.prometheus.write.v2.Request`; *key* is the secret under which labels are hashed.

    With *recall*, which gives the body again, nothing refers to *body* afterwards. Raises as
    `remote_write_v1.decode_v1` does.
    """
    walked = walk(body)
    if walked.counts[kernels.TIMES_OFF]:
        raise InvalidInputError(TIMES_OFF)
    if not len(walked.symbols) and len(walked.offsets) == 1:
        raise InvalidInputError(
            "the body is protobuf, but not an io.prometheus.write.v2.Request:"
            " it has no symbols and no time series"
        )
    series = len(walked.offsets) - 1
    keys = np.empty((series, 2), dtype=np.uint64)
    described = np.empty(series, dtype=np.uint64)
    buffer = np.frombuffer(body, dtype=np.uint8)
    kernels.hash_series(
        buffer,
        walked.symbols,
        walked.offsets,
        walked.refs,
        walked.metadata,
        np.uint64(key[0]),
        np.uint64(key[1]),
        keys,
        described,
    )
    exemplars, histograms = walked.counts[kernels.EXEMPLARS], walked.counts[kernels.HISTOGRAMS]
    spans = walked.points[1, :histograms]
    histogram_times, histogram_starts, found = read_histograms(buffer, spans)

    def referred_labels(spelt: list[int | bytes]) -> RawLabels:
        return _pairs(body, walked, _refs(spelt))

    times, values, labels = read_exemplars(body, walked.points[0, :exemplars], referred_labels)
    histogram_series = walked.point_series[1, :histograms]
    senders = _Senders(cache(recall or partial(bytes, body)), walked)
    return WriteColumns(
        keys=keys,
        series=walked.sample_series,
        timestamps_ms=walked.times_ms,
        values=walked.bits.view(np.float64),
        histogram_series=histogram_series,
        histogram_times_ms=histogram_times,
        histograms=found,
        exemplar_series=walked.point_series[0, :exemplars],
        exemplar_times_ms=times,
        exemplar_values=values,
        exemplar_labels=labels,
        senders=senders,
        described=described,
        metadata=senders.metadata,
        starts_ms=_starts(walked.starts_ms, walked.created_ms, walked.sample_series),
        histogram_starts_ms=_starts(histogram_starts, walked.created_ms, histogram_series),
    )


def walk(body: bytes | memoryview) -> Walked:
    """Return where the parts of *body* are; raises as `decode_v2` does."""
    buffer = np.frombuffer(body, dtype=np.uint8)
    counted = Walked.of(np.zeros(kernels.COUNTS, dtype=np.int64))
    counted.walk(buffer, fill=False)
    check_count(int(counted.counts[kernels.SERIES]), MAX_SAMPLES, "series")
    check_count(int(counted.counts[kernels.SAMPLES]), MAX_SAMPLES, "samples")
    check_count(int(counted.counts[kernels.SYMBOLS]), MAX_SAMPLES, "symbols")
    walked = Walked.of(counted.counts)
    walked.walk(buffer, fill=True)
    _check_refs(walked)
    return walked


def _starts(
    own_ms: NDArray[np.int64], created_ms: NDArray[np.int64], series: NDArray[np.int32]
) -> NDArray[np.int64] | None:
    """Return when each point began to count: its own start, else that of its series."""
    if created_ms.any():
        own_ms = np.where(own_ms == 0, created_ms[series], own_ms)
    return own_ms if own_ms.any() else None


def _check_refs(walked: Walked) -> None:
    lengths = np.diff(walked.offsets)
    if np.any(lengths % 2):
        raise InvalidInputError("a series has an odd number of references to its labels")
    if np.any(lengths > _MAX_REFS):
        raise InvalidInputError(f"a series has more than {MAX_LABELS} labels")
    known = len(walked.symbols)
    texts = walked.metadata[walked.metadata.any(axis=1), 1:]
    if np.any(walked.refs >= known) or np.any(texts >= known):
        raise InvalidInputError(_NO_SYMBOL)


def _pairs(body: bytes | memoryview, walked: Walked, refs: NDArray[np.int32]) -> RawLabels:
    if len(refs) % 2:
        raise InvalidInputError("an exemplar has an odd number of references to its labels")
    if len(refs) and int(refs.max()) >= len(walked.symbols):
        raise InvalidInputError(_NO_SYMBOL)
    texts = [bytes(body[start:end]) for start, end in walked.symbols[refs].tolist()]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _refs(spelt: list[int | bytes]) -> NDArray[np.int32]:
    """Return the references of an exemplar, packed or one by one."""
    found: list[int] = []
    for content in spelt:
        found += [content] if isinstance(content, int) else packed_varints(content)
    return np.array([min(ref, _NEVER) for ref in found], dtype=np.int32)

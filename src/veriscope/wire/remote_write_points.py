"""Native histograms and exemplars of remote write messages, from the bytes of each."""

import struct
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import InvalidInputError, Labels, LimitExceededError
from veriscope.signals.histograms import GREATEST_SCHEMA, Buckets, Histograms, Runs
from veriscope.wire import remote_write_histogram_kernels as kernels
from veriscope.wire.protobuf_fields import MALFORMED, fields
from veriscope.wire.remote_write_kernels import LAST_MS

RawLabels: TypeAlias = list[tuple[bytes, bytes]]
"""Names and values as they were sent: in any order, and not checked."""

TIMES_OFF: Final = "a timestamp is not between 1970 and 2100; send Unix milliseconds"
# Fields of an exemplar, of either version.
_LABELS: Final = 1
_VALUE: Final = 2
_TIME: Final = 3
_MAX_EXEMPLARS: Final = 100_000
_MAX_LABELS: Final = 128
_MAX_LABEL_BYTES: Final = 4_096


def read_histograms(
    buffer: NDArray[np.uint8], spans: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Histograms]:
    """
    Return time, start (0 where none was sent) and content of the histograms at *spans*.

    Raises `InvalidInputError` where one is malformed or not what Prometheus accepts.
    """
    if not len(spans):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), Histograms.none()
    totals = np.zeros(3, dtype=np.int64)
    _walk(buffer, spans, 0, totals, fill=False)
    numbers, bits, offsets, indices, counts = _walk(buffer, spans, len(spans), totals, fill=True)
    times_ms = numbers[:, 0].copy()
    if len(times_ms) and (times_ms.min() < 0 or times_ms.max() >= LAST_MS):
        raise InvalidInputError(TIMES_OFF)
    floats = [column.copy() for column in bits.view(np.float64).T]
    found = Histograms(
        schema=numbers[:, 1].astype(np.int8),
        reset_hint=numbers[:, 2].astype(np.int8),
        count=floats[0],
        sum=floats[1],
        zero_threshold=floats[2],
        zero_count=floats[3],
        positive=Buckets(offsets[0], indices[0], counts[0].view(np.float64)),
        negative=Buckets(offsets[1], indices[1], counts[1].view(np.float64)),
        bounds=Runs(offsets[2], counts[2].view(np.float64)),
    ).at_most(GREATEST_SCHEMA)
    found.check()
    if numbers[:, 3].any():
        raise InvalidInputError(
            f"histogram {int(numbers[:, 3].argmax())}: its count is not the sum of its buckets"
            " (or less than that, where its sum is NaN); mend the sender"
        )
    return times_ms, numbers[:, 4].copy(), found


_Walked: TypeAlias = tuple[
    NDArray[np.int64],
    NDArray[np.uint64],
    NDArray[np.int64],
    tuple[NDArray[np.int32], NDArray[np.int32]],
    tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]],
]


def _walk(
    buffer: NDArray[np.uint8],
    spans: NDArray[np.int64],
    rows: int,
    totals: NDArray[np.int64],
    *,
    fill: bool,
) -> _Walked:
    positive, negative, bounds = totals.tolist() if fill else (0, 0, 0)
    counts = (
        np.zeros(positive, dtype=np.uint64),
        np.zeros(negative, dtype=np.uint64),
        np.zeros(bounds, dtype=np.uint64),
    )
    walked = (
        np.zeros((rows, 5), dtype=np.int64),
        np.zeros((rows, 4), dtype=np.uint64),
        np.zeros((3, rows + 1), dtype=np.int64),
        (np.zeros(positive, dtype=np.int32), np.zeros(negative, dtype=np.int32)),
        counts,
    )
    floats = (counts[0].view(np.float64), counts[1].view(np.float64))
    answer = kernels.walk_histograms(buffer, spans, fill, *walked, floats, totals)
    if answer == kernels.UNEVEN:
        raise InvalidInputError(
            "a native histogram has other numbers of buckets in its spans than counts"
        )
    if answer != kernels.GOOD:
        raise InvalidInputError(MALFORMED)
    return walked


def read_exemplars(
    body: bytes | memoryview,
    spans: NDArray[np.int64],
    labels_of: Callable[[list[int | bytes]], RawLabels],
) -> tuple[NDArray[np.int64], NDArray[np.float64], tuple[Labels, ...]]:
    """
    Return time (0 where none was sent), value and own labels of the exemplars at *spans*.

    *labels_of* makes labels of what stands in field 1. Raises `InvalidInputError` where one is
    malformed, `LimitExceededError` where there are too many.
    """
    check_count(len(spans), _MAX_EXEMPLARS, "exemplars")
    times, values, labels = [], [], []
    for start, end in spans.tolist():
        time, value, spelt = 0, bytes(8), list[int | bytes]()
        for number, content in fields(bytes(body[start:end])):
            if number == _LABELS:
                spelt.append(content)
            elif number == _VALUE and isinstance(content, bytes) and len(content) == len(value):
                value = content
            elif number == _TIME and isinstance(content, int):
                time = content
            elif number in {_VALUE, _TIME}:
                raise InvalidInputError(MALFORMED)
        times.append(time)
        values.append(value)
        labels.append(_checked(labels_of(spelt)))
    if any(time >= LAST_MS for time in times):
        raise InvalidInputError(TIMES_OFF)
    numbers = struct.unpack(f"<{len(values)}d", b"".join(values))
    return np.array(times, dtype=np.int64), np.array(numbers), tuple(labels)


def check_count(found: int, allowed: int, what: str) -> None:
    """Raise `LimitExceededError` where a request has more than *allowed* of a thing."""
    if found > allowed:
        raise LimitExceededError(
            f"the request has {found:,} {what}, {allowed:,} allowed; send smaller requests"
        )


def _checked(raw: Iterable[tuple[bytes, bytes]]) -> Labels:
    pairs = sorted(pair for pair in raw if pair[1])
    size = sum(len(name) + len(value) for name, value in pairs)
    if size > _MAX_LABEL_BYTES or len(pairs) > _MAX_LABELS:
        raise InvalidInputError(
            f"the labels of an exemplar have more than {_MAX_LABEL_BYTES:,} bytes"
        )
    if not all(name for name, _ in pairs) or len(dict(pairs)) != len(pairs):
        raise InvalidInputError("an exemplar has an empty label name, or the same one twice")
    try:
        return tuple((name.decode(), value.decode()) for name, value in pairs)
    except UnicodeDecodeError as error:
        raise InvalidInputError("a label of an exemplar is not valid UTF-8") from error

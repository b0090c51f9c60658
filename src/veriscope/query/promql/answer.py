"""Answers as JSON: the `data` object of Prometheus' API, written column by column."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veriscope.query.promql.engine import QueryResult, ResultKind
from veriscope.query.promql.floats import format_float, format_floats
from veriscope.signals import Labels, Matrix, RaggedSamples

_CHUNK_POINTS: Final = 1 << 18
"""Points written at a time: some 6 MB of text."""
_encoder: Final = msgspec.json.Encoder()


def encode(result: QueryResult) -> Iterator[bytes]:
    """
    Yield *result* as the JSON object `{"resultType": …, "result": …}`, in chunks.

    Times are in seconds with up to three decimals, values are strings without exponents, and
    points that are not present are left out.
    """
    yield f'{{"resultType":"{result.kind}","result":'.encode()
    value = result.value
    if isinstance(value, Matrix):
        yield from _list(_vector(value) if result.kind is ResultKind.VECTOR else _matrix(value))
    elif isinstance(value, RaggedSamples):
        yield from _list(_ragged(value))
    else:
        text = value if isinstance(value, str) else format_float(float(value[0]))
        time = format_float(result.grid.start_ms / 1000)
        yield b"[" + time.encode() + b"," + _encoder.encode(text) + b"]"
    yield b"}"


def _list(items: Iterator[bytes]) -> Iterator[bytes]:
    """Put brackets around *items*, each of which ends in a comma."""
    yield b"["
    last = next(items, None)
    for item in items:
        if last is not None:
            yield last
        last = item
    if last is not None:
        yield last[:-1]
    yield b"]"


def _vector(vector: Matrix) -> Iterator[bytes]:
    """Yield the series of a vector at a single step."""
    points = _points(
        vector.grid.times_ms()[np.zeros(len(vector.labels), dtype=int)], vector.values[:, 0]
    )
    text, offsets = _buffers(points)
    yield from _joined(
        b'{"metric":'
        + _metric(labels)
        + b',"value":'
        + text[offsets[row] : offsets[row + 1] - 1]
        + b"},"
        for row, labels in enumerate(vector.labels)
    )


def _matrix(matrix: Matrix) -> Iterator[bytes]:
    """Yield the series of a matrix, some rows at a time."""
    height = max(1, _CHUNK_POINTS // max(1, len(matrix.grid)))
    times = _time_texts(matrix.grid.times_ms())
    for start in range(0, len(matrix.labels), height):
        present = matrix.present[start : start + height]
        row, step = np.nonzero(present)
        values = matrix.values[start : start + height][row, step]
        points = _with_times(times.take(pa.array(step)), values)
        ends = np.concatenate(([0], np.cumsum(present.sum(axis=1))))
        yield _series(matrix.labels[start : start + height], points, ends)


def _ragged(samples: RaggedSamples) -> Iterator[bytes]:
    """Yield the series of raw samples, one at a time."""
    for row, labels in enumerate(samples.labels):
        begin, end = int(samples.offsets[row]), int(samples.offsets[row + 1])
        points = _points(samples.timestamps_ms[begin:end], samples.values[begin:end])
        yield _series((labels,), points, np.array([0, end - begin]))


def _series(labels: tuple[Labels, ...], points: pa.Array, ends: NDArray[np.int64]) -> bytes:
    """Return series whose points are consecutive parts of *points*, cut at *ends*."""
    text, offsets = _buffers(points)
    cuts = offsets[ends].tolist()
    parts: list[bytes | memoryview] = []
    for row, metric in enumerate(labels):
        parts += (
            b'{"metric":',
            _metric(metric),
            b',"values":[',
            text[cuts[row] : cuts[row + 1] - 1],
            b"]},",
        )
    return b"".join(parts)


def _joined(items: Iterator[bytes]) -> Iterator[bytes]:
    if text := b"".join(items):
        yield text


def _points(times_ms: NDArray[np.int64], values: NDArray[np.float64]) -> pa.Array:
    """Return `[time,"value"],` for each sample."""
    return _with_times(_time_texts(times_ms), values)


def _with_times(times: pa.Array, values: NDArray[np.float64]) -> pa.Array:
    return pc.binary_join_element_wise(times, format_floats(values), '"],', "")


def _time_texts(times_ms: NDArray[np.int64]) -> pa.Array:
    """Return `[seconds,"` for each time."""
    seconds = format_floats(times_ms / 1000)
    return pc.binary_join_element_wise("[", seconds, ',"', "")


def _buffers(points: pa.Array) -> tuple[memoryview, NDArray[np.int32]]:
    """Return a string column's bytes, and where each string starts and ends in them."""
    _, offsets, text = points.buffers()
    count = len(points) + 1
    starts = np.frombuffer(offsets, dtype=np.int32, count=count, offset=4 * points.offset)
    return memoryview(text if text is not None else b""), starts


def _metric(labels: Labels) -> bytes:
    return _encoder.encode(dict(labels))

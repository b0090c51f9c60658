"""From the kernels' columns to batches, one for each block of label sets."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Labels, MetricMetadata, SampleBatch
from veriscope.signals.exemplars import ExemplarBatch
from veriscope.signals.histograms import Buckets, HistogramBatch, Histograms, Runs
from veriscope.wire.otlp.metrics.layout import NativeColumn as N
from veriscope.wire.otlp.metrics.layout import Natives, Rows
from veriscope.wire.otlp.metrics.layout import SampleColumn as S

Batch: TypeAlias = SampleBatch | HistogramBatch | ExemplarBatch
Blocks: TypeAlias = Mapping[int, tuple[Labels, ...]]


def tell(metadata: tuple[MetricMetadata, ...]) -> SampleBatch:
    """Return a batch of nothing but *metadata*."""
    none = np.empty(0, np.int64)
    return SampleBatch((), none.astype(np.uint32), none, np.empty(0), metadata)


def empty_rows(rows: int, columns: int) -> Rows:
    """Return room for so many samples or exemplars."""
    made = np.empty((rows, columns), np.int64)
    return made, made.view(np.float64)


def empty_natives(rows: int, buckets: int) -> Natives:
    """Return room for so many native histograms, with so many buckets of each sign in all."""
    made = np.empty((rows, len(N)), np.int64)
    return (
        made,
        made.view(np.float64),
        np.empty((2, buckets), np.int32),
        np.empty((2, buckets)),
        np.empty(buckets, np.int64),
    )


def sample_batches(samples: Rows, count: int, blocks: Blocks) -> Iterator[SampleBatch]:
    """Return the first *count* samples."""
    rows, reals = samples[0][:count], samples[1][:count]
    for block, own in _by_block(rows[:, S.BLOCK]):
        yield SampleBatch(
            blocks[block],
            rows[own, S.SERIES].astype(np.uint32),
            rows[own, S.TIME_MS].copy(),
            reals[own, S.VALUE].copy(),
        )


def histogram_batches(natives: Natives, count: int, blocks: Blocks) -> Iterator[HistogramBatch]:
    """Return the first *count* native histograms."""
    if not count:
        return
    rows, values = natives[0][:count], _histograms(natives, count)
    for block, own in _by_block(rows[:, N.BLOCK]):
        yield HistogramBatch(
            blocks[block],
            rows[own, N.SERIES].astype(np.uint32),
            rows[own, N.TIME_MS].copy(),
            values if isinstance(own, slice) else values.take(own),
        )


def exemplar_batches(
    exemplars: Rows, count: int, blocks: Blocks, labels_of: Callable[[list[int]], Labels]
) -> Iterator[ExemplarBatch]:
    """Return the first *count* exemplars; *labels_of* gives a row's own labels."""
    rows, reals = exemplars[0][:count], exemplars[1][:count]
    for block, own in _by_block(rows[:, S.BLOCK]):
        yield ExemplarBatch(
            blocks[block],
            rows[own, S.SERIES].astype(np.uint32),
            rows[own, S.TIME_MS].copy(),
            reals[own, S.VALUE].copy(),
            tuple(map(labels_of, rows[own].tolist())),
        )


def _by_block(
    block: NDArray[np.int64],
) -> Iterator[tuple[int, slice | NDArray[np.int64]]]:
    """Return each block, and the rows of it in their order."""
    if not len(block):
        return
    first = int(block[0])
    if np.all(block == first):
        yield first, slice(None)
        return
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(block)], strict=True):
        yield int(block[order[start]]), order[start:stop]


def _histograms(natives: Natives, count: int) -> Histograms:
    rows, reals = natives[0][:count], natives[1][:count]
    bounds = _offsets(rows[:, N.BOUNDS_END])
    return Histograms(
        schema=rows[:, N.SCHEMA].astype(np.int8),
        reset_hint=np.zeros(count, np.int8),
        count=reals[:, N.COUNT].copy(),
        sum=reals[:, N.SUM].copy(),
        zero_threshold=reals[:, N.ZERO_THRESHOLD].copy(),
        zero_count=reals[:, N.ZERO_COUNT].copy(),
        positive=_buckets(natives, 0, _offsets(rows[:, N.POSITIVE_END])),
        negative=_buckets(natives, 1, _offsets(rows[:, N.NEGATIVE_END])),
        bounds=Runs(bounds, natives[4][: bounds[-1]].view(np.float64)),
    )


def _buckets(natives: Natives, sign: int, offsets: NDArray[np.int64]) -> Buckets:
    end = offsets[-1]
    return Buckets(offsets, natives[2][sign, :end], natives[3][sign, :end])


def _offsets(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), ends))

"""Remote read's chunks: of floats, of native histograms, and of both in the order of time."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import HistogramSamples, Segment
from veriscope.signals.histograms import CUSTOM_BUCKETS
from veriscope.wire import histogram_chunk_kernels, remote_read_kernels


@dataclass(frozen=True, slots=True, eq=False)
class Chunks:
    """
    Chunks end to end, each a field 2 of a `ChunkedSeries`, by row and time.

    Those of row *i* are `row_ends[i - 1]` to `row_ends[i]` (exclusive); chunk *c* ends at
    `ends[c]` of `data`.
    """

    data: memoryview
    ends: NDArray[np.int64]
    row_ends: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Chunks end to end, with row and first time of each."""

    data: memoryview
    ends: NDArray[np.int64]
    rows: NDArray[np.int64]
    first_ms: NDArray[np.int64]


def write_chunks(segment: Segment) -> Chunks:
    """Return the samples of each row in chunks."""
    native = segment.histograms
    if native is None or not len(native.rows):
        return _float_chunks(segment, segment.starts, segment.stops)
    starts, stops, rows, before = _runs(segment, native)
    floats = _float_chunks(segment, starts, stops)
    counts = np.diff(floats.row_ends, prepend=0)
    within = np.arange(len(floats.ends)) - np.repeat(floats.row_ends - counts, counts)
    places = np.repeat(starts, counts) + within * remote_read_kernels.CHUNK_SAMPLES
    first = _Pieces(
        floats.data, floats.ends, np.repeat(rows, counts), segment.timestamps_ms[places]
    )
    return _merged(first, _histogram_chunks(native, before), len(segment))


def _runs(segment: Segment, native: HistogramSamples) -> tuple[NDArray[np.int64], ...]:
    """
    Return the floats in runs that no histogram interrupts: their starts, stops and rows.

    And, of each histogram, how many floats its row has before it.
    """
    starts, stops = segment.starts.tolist(), segment.stops.tolist()
    before = np.zeros(len(native.rows), dtype=np.int64)
    runs: list[tuple[int, int, int]] = []
    ends = np.searchsorted(native.rows, np.arange(len(segment) + 1)).tolist()
    for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if start == stop:
            continue
        mine = slice(ends[row], ends[row + 1])
        cuts = np.searchsorted(segment.timestamps_ms[start:stop], native.timestamps_ms[mine])
        before[mine] = cuts
        edges = np.unique([0, *cuts, stop - start]) + start
        runs += zip(edges[:-1].tolist(), edges[1:].tolist(), [row] * len(edges), strict=False)
    columns = np.array(runs, dtype=np.int64).reshape(-1, 3)
    return columns[:, 0].copy(), columns[:, 1].copy(), columns[:, 2].copy(), before


def _float_chunks(segment: Segment, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Chunks:
    counts = stops - starts
    kernels = remote_read_kernels
    most = int((-(-counts // kernels.CHUNK_SAMPLES)).sum())
    size = int(counts.sum()) * kernels.CHUNKED_SAMPLE_BYTES + most * kernels.CHUNK_BYTES
    out, scratch = np.empty(size, dtype=np.uint8), np.empty(1 << 13, dtype=np.uint8)
    row_ends, ends = np.zeros(len(starts), dtype=np.int64), np.zeros(most, dtype=np.int64)
    bits = segment.values.view(np.uint64)
    kernels.write_chunks(starts, stops, segment.timestamps_ms, bits, scratch, out, row_ends, ends)
    return Chunks(out.data, ends, row_ends)


def _histogram_chunks(native: HistogramSamples, before: NDArray[np.int64]) -> _Pieces:
    """Return the chunks of *native*; one with more floats *before* it than the last begins one."""
    kernels, values = histogram_chunk_kernels, native.values
    first = np.ones(len(native.rows), dtype=np.bool_)
    first[1:] = (np.diff(native.rows) != 0) | (np.diff(before) != 0)
    sizes = kernels.HISTOGRAM_BYTES + kernels.BOUND_BYTES * values.bounds.lengths
    sizes += kernels.BUCKET_BYTES * (values.positive.lengths + values.negative.lengths)
    out = np.empty(int(sizes.sum()), dtype=np.uint8)
    widest = int(sizes.max())
    starts, ends = np.zeros((2, len(native.rows)), dtype=np.int64)
    count = kernels.write_histogram_chunks(
        np.cumsum(first),
        native.timestamps_ms,
        (values.schema, values.reset_hint, values.stale, values.zero_threshold),
        (values.count, values.zero_count, values.sum),
        (values.positive.offsets, values.positive.index, values.positive.count),
        (values.negative.offsets, values.negative.index, values.negative.count),
        (values.bounds.offsets, values.bounds.values),
        CUSTOM_BUCKETS,
        np.empty(kernels.CHUNK_BYTES + widest, dtype=np.uint8),
        np.zeros((widest, 2), dtype=np.int64),
        out,
        starts,
        ends,
    )
    places = starts[:count]
    return _Pieces(out.data, ends[:count], native.rows[places], native.timestamps_ms[places])


def _merged(first: _Pieces, second: _Pieces, rows: int) -> Chunks:
    pieces = [
        part.data[begin:end]
        for part in (first, second)
        for begin, end in pairwise([0, *part.ends.tolist()])
    ]
    owners = np.concatenate([first.rows, second.rows])
    order = np.lexsort((np.concatenate([first.first_ms, second.first_ms]), owners))
    sorted_pieces = [pieces[place] for place in order.tolist()]
    ends = np.cumsum([len(piece) for piece in sorted_pieces], dtype=np.int64)
    row_ends = np.cumsum(np.bincount(owners, minlength=rows))
    return Chunks(memoryview(b"".join(sorted_pieces)), ends, row_ends)

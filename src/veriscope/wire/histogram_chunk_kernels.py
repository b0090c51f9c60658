"""
Compiled writer of the chunks of native histograms: the float histogram chunk of `tsdb/chunkenc`.

Such a chunk says once which buckets there are, and then of each histogram how time, count, zero
bucket, sum and every bucket differ from the one before. A reader takes it that no counter was
reset within a chunk.
"""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled
from veriscope.wire.chunk_bits_kernels import NO_WIDTH, put_bits, put_changed, put_chunk

FLOAT_HISTOGRAM: Final = 3
"""The number of this encoding."""
CHUNK_HISTOGRAMS: Final = 120
"""The most histograms of a chunk."""
CHUNK_BYTES: Final = 1 << 16
"""A chunk takes no more histograms once it has so many bytes."""
HISTOGRAM_BYTES: Final = 160
"""The most that is written of a histogram and around it, apart from its buckets and bounds."""
BUCKET_BYTES: Final = 26
"""The most that is written of a bucket: 18 where it begins a span, 8 of its count."""
BOUND_BYTES: Final = 9

_UNKNOWN, _RESET, _NO_RESET, _GAUGE = 0, 1, 2, 3
_HEADERS: Final = (0b00, 0b10, 0b01, 0b11)
"""What a chunk begins with by the hint of its first histogram."""
_HEAD_BYTES: Final = 3
_U64: Final = np.uint64


@compiled
def _put_uint(out: Any, at: int, free: int, number: Any) -> Any:
    """Write *number* in a number of bits that a prefix tells."""
    if number == _U64(0):
        return put_bits(out, at, free, number, 1)
    prefix = 0b10
    length = 2
    for width in (3, 6, 9, 12, 18, 25, 56):
        if number >> _U64(width) == _U64(0):
            at, free = put_bits(out, at, free, _U64(prefix), length)
            return put_bits(out, at, free, number, width)
        prefix = (prefix << 1) + 2
        length += 1
    at, free = put_bits(out, at, free, _U64(0xFF), 8)
    return put_bits(out, at, free, number, 64)


@compiled
def _put_int(out: Any, at: int, free: int, number: Any) -> Any:
    """Write *number* likewise; the greatest of each width is not negative."""
    if number == 0:
        return put_bits(out, at, free, _U64(0), 1)
    prefix = 0b10
    length = 2
    for width in (3, 6, 9, 12, 18, 25, 56):
        if -(1 << (width - 1)) < number <= 1 << (width - 1):
            at, free = put_bits(out, at, free, _U64(prefix), length)
            return put_bits(out, at, free, _U64(number), width)
        prefix = (prefix << 1) + 2
        length += 1
    at, free = put_bits(out, at, free, _U64(0xFF), 8)
    return put_bits(out, at, free, _U64(number), 64)


@compiled
def _put_spans(out: Any, at: int, free: int, index: Any, first: int, last: int) -> Any:
    """Write which buckets there are: runs of neighbours, each by length and distance."""
    spans = 0
    for place in range(first, last):
        if place == first or index[place] != index[place - 1] + 1:
            spans += 1
    at, free = _put_uint(out, at, free, _U64(spans))
    end: Any = 0
    place = first
    while place < last:
        stop = place + 1
        while stop < last and index[stop] == index[stop - 1] + 1:
            stop += 1
        at, free = _put_uint(out, at, free, _U64(stop - place))
        at, free = _put_int(out, at, free, np.int64(index[place]) - end)
        end = np.int64(index[stop - 1]) + 1
        place = stop
    return at, free


@compiled
def _same(values: Any, offsets: Any, place: int) -> bool:
    """Tell whether run *place* of *values* is that before it."""
    before, first, last = offsets[place - 1], offsets[place], offsets[place + 1]
    return np.array_equal(values[before:first], values[first:last])


@compiled
def _falls(counts: Any, offsets: Any, place: int) -> Any:
    """Tell whether a bucket of *place* has less than before, where both have the same buckets."""
    before, first, last = offsets[place - 1], offsets[place], offsets[place + 1]
    return np.any(counts[first:last] < counts[before:first])


@compiled
def _goes_on(
    place: int, runs: Any, fixed: Any, numbers: Any, positive: Any, negative: Any, bounds: Any
) -> bool:
    """Tell whether histogram *place* may stand in the chunk of the one before it."""
    schema, hint, stale, threshold = fixed
    if runs[place] != runs[place - 1] or stale[place] or stale[place - 1]:
        return False
    if schema[place] != schema[place - 1] or threshold[place] != threshold[place - 1]:
        return False
    if hint[place] == _RESET or (hint[place] == _GAUGE) != (hint[place - 1] == _GAUGE):
        return False
    if not (
        _same(positive[1], positive[0], place)
        and _same(negative[1], negative[0], place)
        and _same(bounds[1], bounds[0], place)
    ):
        return False
    if hint[place] != _UNKNOWN:
        return True
    return not (
        numbers[0][place] < numbers[0][place - 1]
        or numbers[1][place] < numbers[1][place - 1]
        or _falls(positive[2], positive[0], place)
        or _falls(negative[2], negative[0], place)
    )


@compiled
def _begin(
    out: Any, place: int, fixed: Any, positive: Any, negative: Any, bounds: Any, custom: int
) -> Any:
    """Write what a chunk says of all its histograms, that of the first, *place*."""
    schema, hint, stale, threshold = fixed
    out[0] = 0
    out[1] = 0
    out[2] = np.uint8(_HEADERS[hint[place]] << 6)
    at, free = _HEAD_BYTES, 8
    out[at] = 0
    if stale[place]:
        return put_bits(out, at, free, _U64(0), 8 + 1 + 1 + 1)
    if threshold[place] == 0.0:
        at, free = put_bits(out, at, free, _U64(0), 8)
    else:
        at, free = put_bits(out, at, free, _U64(0xFF), 8)
        at, free = put_bits(out, at, free, threshold[place : place + 1].view(np.uint64)[0], 64)
    at, free = _put_int(out, at, free, np.int64(schema[place]))
    for offsets, index, _ in (positive, negative):
        at, free = _put_spans(out, at, free, index, offsets[place], offsets[place + 1])
    if schema[place] == custom:
        first, last = bounds[0][place], bounds[0][place + 1]
        at, free = _put_uint(out, at, free, _U64(last - first))
        for number in range(first, last):
            # Short forms of some bounds are left to those who keep them on disk.
            at, free = put_bits(out, at, free, _U64(0), 1)
            bits = bounds[1][number : number + 1].view(np.uint64)[0]
            at, free = put_bits(out, at, free, bits, 64)
    return at, free


@compiled
def _put_values(
    out: Any, at: int, free: int, values: Any, first: int, last: int, before: int, widths: Any
) -> Any:
    """Write `values[first:last]`: how each differs from that at *before*, or whole if negative."""
    for step in range(last - first):
        bits = values[first + step : first + step + 1].view(np.uint64)[0]
        if before < 0:
            at, free = put_bits(out, at, free, bits, 64)
            widths[step, 0] = NO_WIDTH
            widths[step, 1] = 0
            continue
        changed = bits ^ values[before + step : before + step + 1].view(np.uint64)[0]
        at, free, leading, trailing = put_changed(
            out, at, free, changed, widths[step, 0], widths[step, 1]
        )
        widths[step, 0], widths[step, 1] = leading, trailing
    return at, free


@compiled
def _put_histogram(
    out: Any, at: int, free: int, place: int, whole: bool, stale: bool,
    numbers: Any, positive: Any, negative: Any, widths: Any,
) -> Any:  # fmt: skip
    """Write count, zero bucket, sum and buckets; *whole* ones as they are, else what changed."""
    used = 0
    for values in numbers:
        before = -1 if whole else place - 1
        at, free = _put_values(
            out, at, free, values, place, place + 1, before, widths[used : used + 1]
        )
        used += 1
    if stale:
        return at, free
    for offsets, _, counts in (positive, negative):
        first, last = offsets[place], offsets[place + 1]
        before = -1 if whole else offsets[place - 1]
        at, free = _put_values(
            out, at, free, counts, first, last, before, widths[used : used + last - first]
        )
        used += last - first
    return at, free


@compiled
def write_histogram_chunks(
    runs: Any, timestamps_ms: Any, fixed: Any, numbers: Any, positive: Any, negative: Any,
    bounds: Any, custom: int, scratch: Any, widths: Any, out: Any, chunk_starts: Any,
    chunk_ends: Any,
) -> int:  # fmt: skip
    """
    Write histograms as fields 2, chunks, of `ChunkedSeries`, and return how many chunks there are.

    Those of one chunk have the same number in *runs*. *fixed* is schema, hint, staleness and zero
    threshold of each; *numbers* count, zero bucket and sum; *positive* and *negative* are offsets,
    index and counts of their buckets, *bounds* offsets and values. Schema *custom* has bounds.
    `chunk_starts[c]` is the first histogram of chunk *c*, `chunk_ends[c]` where it ends in *out*.
    """
    at = chunks = place = 0
    while place < len(runs):
        first = place
        size, free = _begin(scratch, place, fixed, positive, negative, bounds, custom)
        size, free = _put_int(scratch, size, free, timestamps_ms[place])
        delta_before = 0
        while True:
            size, free = _put_histogram(
                scratch, size, free, place, place == first, fixed[2][place],
                numbers, positive, negative, widths,
            )  # fmt: skip
            place += 1
            if (
                place == len(runs)
                or place - first == CHUNK_HISTOGRAMS
                or size > CHUNK_BYTES
                or not _goes_on(place, runs, fixed, numbers, positive, negative, bounds)
            ):
                break
            delta = timestamps_ms[place] - timestamps_ms[place - 1]
            size, free = _put_int(scratch, size, free, delta - delta_before)
            delta_before = delta
        scratch[1] = np.uint8(place - first)
        size = size if free == 8 else size + 1
        times = timestamps_ms[first], timestamps_ms[place - 1]
        at = put_chunk(out, at, scratch, size, FLOAT_HISTOGRAM, times[0], times[1])
        chunk_starts[chunks] = first
        chunk_ends[chunks] = at
        chunks += 1
    return chunks

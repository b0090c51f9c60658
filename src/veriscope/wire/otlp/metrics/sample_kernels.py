"""Machine code that makes samples of the data points of numbers, histograms and summaries."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import STALE_BITS
from veriscope.signals.compiled import compiled
from veriscope.wire.otlp.metrics.layout import Rows, SampleColumn, Sums
from veriscope.wire.otlp.metrics.point_kernels import AGAIN, number_at
from veriscope.wire.otlp.metrics.wire_kernels import Bytes, next_field, signed
from veriscope.wire.protobuf_kernels import read_word

_VALUE: Final = int(SampleColumn.VALUE)


@compiled
def emit(out: Rows, at: int, block: int, series: int, count: int, time_ms: int, bits: int) -> int:
    """Say *bits* of *count* series; return the next free row."""
    rows = out[0]
    for place in range(count):
        row = rows[at + place]
        row[0], row[1], row[2], row[3] = block, series + place, time_ms, bits
    return at + count


@compiled
def sum_up(sums: Sums, state: int, verdict: int, out: Rows, at: int, count: int) -> None:
    """Add *count* samples from *at* to their sums where they are new, and say these."""
    heads, numbers = sums
    reals = out[1]
    base = heads[state, 2]
    for place in range(count):
        if verdict != AGAIN:
            numbers[base + place] += reals[at + place, _VALUE]
        reals[at + place, _VALUE] = numbers[base + place]


@compiled
def fill_classic(buffer: Bytes, fields: NDArray[np.int64], out: Rows, at: int, width: int) -> None:
    """Fill count, sum, buckets and `+Inf` of a histogram."""
    rows, reals = out
    count = float(number_at(buffer, fields, 0x21))
    reals[at, _VALUE] = count
    place = at + 1
    if fields[0x29, 0] >= 0:
        rows[place, _VALUE] = signed(read_word(buffer, fields[0x29, 0]))
        place += 1
    total = np.uint64(0)
    counts_at = fields[0x32, 0]
    while place < at + width - 1:
        total += read_word(buffer, counts_at)
        reals[place, _VALUE] = float(total)
        counts_at += 8
        place += 1
    reals[place, _VALUE] = count


@compiled
def fill_summary(
    buffer: Bytes,
    begin: int,
    end: int,
    fields: NDArray[np.int64],
    out: Rows,
    at: int,
    block: int,
    series: int,
    time_ms: int,
    is_stale: bool,
) -> int:
    """Read a summary: count, sum, quantiles; return the next free row."""
    rows, reals = out
    first = at
    at = emit(out, at, block, series, 2, time_ms, 0)
    reals[first, _VALUE] = float(number_at(buffer, fields, 0x21))
    rows[first + 1, _VALUE] = signed(number_at(buffer, fields, 0x29))
    while begin < end:
        tag, inside, begin = next_field(buffer, begin, end)
        if tag == 0x32:
            bits = 0
            while inside < begin:
                inner, place, inside = next_field(buffer, inside, begin)
                if inner == 0x11:
                    bits = signed(read_word(buffer, place))
            at = emit(out, at, block, series + at - first, 1, time_ms, bits)
    if is_stale:
        for place in range(first, at):
            rows[place, _VALUE] = STALE_BITS
    return at

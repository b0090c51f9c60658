"""Machine code that makes native histograms of the data points of histograms."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled
from veriscope.wire.otlp.metrics.exponential_kernels import (
    MAX_SCALE,
    add_exponential,
    packed_counts,
    sparse_buckets,
)
from veriscope.wire.otlp.metrics.layout import (
    Exponentials,
    Natives,
    Sums,
)
from veriscope.wire.otlp.metrics.point_kernels import AGAIN, length, number_at
from veriscope.wire.otlp.metrics.wire_kernels import Bytes, signed, varint
from veriscope.wire.protobuf_kernels import read_word

_MAX_BUCKETS: Final = 10_000


@compiled
def open_native(
    out: Natives, row: int, block: int, series: int, time_ms: int, schema: int, threshold: float
) -> None:
    """Begin a native histogram without observations."""
    rows, reals = out[0], out[1]
    own = rows[row]
    own[0], own[1], own[2], own[3], own[4], own[5], own[6] = block, series, time_ms, schema, 0, 0, 0
    reals[row, 7] = threshold
    for column in range(8, 11):
        own[column] = rows[row - 1, column] if row > 0 else 0


@compiled
def copy_bounds(buffer: Bytes, fields: NDArray[np.int64], out: Natives, row: int) -> None:
    """Append the bounds of a histogram to those of *row*."""
    rows, bounds = out[0], out[4]
    at, place = fields[0x3A, 0], rows[row, 10]
    for _ in range(length(fields, 0x3A)):
        bounds[place] = signed(read_word(buffer, at))
        at += 8
        place += 1
    rows[row, 10] = place


@compiled
def fill_custom(
    buffer: Bytes,
    fields: NDArray[np.int64],
    out: Natives,
    row: int,
    sums: Sums,
    state: int,
    verdict: int,
) -> None:
    """Fill count, sum and buckets of a histogram with custom buckets."""
    rows, reals, index, counts, _ = out
    heads, numbers = sums
    counted, counts_at = length(fields, 0x32), fields[0x32, 0]
    reals[row, 4] = float(number_at(buffer, fields, 0x21))
    rows[row, 5] = signed(number_at(buffer, fields, 0x29))
    base = 0
    if state >= 0:
        base = heads[state, 2]
        if verdict != AGAIN:
            numbers[base] += reals[row, 4]
            numbers[base + 1] += reals[row, 5]
        reals[row, 4], reals[row, 5] = numbers[base], numbers[base + 1]
    place = rows[row, 8]
    for bucket in range(counted):
        value = float(read_word(buffer, counts_at + 8 * bucket))
        if state >= 0:
            if verdict != AGAIN:
                numbers[base + 2 + bucket] += value
            value = numbers[base + 2 + bucket]
        if value > 0:
            index[0, place], counts[0, place] = bucket, value
            place += 1
    rows[row, 8] = place


@compiled
def add_up(buffer: Bytes, fields: NDArray[np.int64], is_custom: bool) -> bool:
    """Return whether buckets hold as many observations as their histogram says."""
    total = np.uint64(0)
    counted = 0
    if is_custom:
        counted = length(fields, 0x32)
        for bucket in range(counted):
            total += read_word(buffer, fields[0x32, 0] + 8 * bucket)
        if counted > 0 and counted != length(fields, 0x3A) + 1:
            return False
    else:
        total = number_at(buffer, fields, 0x39)
        for tag in (0x42, 0x4A):
            if fields[tag, 0] >= 0:
                _, at, stop = packed_counts(buffer, fields[tag, 0], fields[tag, 1])
                while at < stop:
                    value, at = varint(buffer, at, stop)
                    total += value
                    counted += signed(value != 0)
    if counted > _MAX_BUCKETS:
        return False
    count, sum_bits = number_at(buffer, fields, 0x21), number_at(buffer, fields, 0x29)
    # With a NaN observed, which no bucket takes, buckets hold fewer than all.
    is_nan = sum_bits & np.uint64(0x7FFF_FFFF_FFFF_FFFF) > np.uint64(0x7FF0_0000_0000_0000)
    return bool(total <= count if is_nan else total == count)


@compiled
def fill_exponential(
    buffer: Bytes, fields: NDArray[np.int64], out: Natives, row: int, scale: int
) -> bool:
    """Fill count, sum and buckets of an exponential histogram; False where an index is absurd."""
    rows, reals, index, counts, _ = out
    reals[row, 4] = float(number_at(buffer, fields, 0x21))
    rows[row, 5] = signed(number_at(buffer, fields, 0x29))
    reals[row, 6] = float(number_at(buffer, fields, 0x39))
    for sign in range(2):
        tag = 0x42 + 8 * sign
        if fields[tag, 0] >= 0:
            place = sparse_buckets(
                buffer,
                fields[tag, 0],
                fields[tag, 1],
                max(scale - MAX_SCALE, 0),
                index[sign],
                counts[sign],
                rows[row, 8 + sign],
            )
            if place < 0:
                return False
            rows[row, 8 + sign] = place
    return True


@compiled
def sum_exponential(
    buffer: Bytes,
    fields: NDArray[np.int64],
    out: Natives,
    row: int,
    scale: int,
    sums: Exponentials,
    own: int,
    verdict: int,
) -> bool:
    """Add an exponential histogram to its sum where it is new, and say the sum."""
    rows, reals, index, counts, _ = out
    sum_rows, sum_reals, sum_counts = sums
    if verdict != AGAIN:
        sides = np.zeros((2, 2), np.int64)
        for sign in range(2):
            if fields[0x42 + 8 * sign, 0] >= 0:
                sides[sign, 0] = fields[0x42 + 8 * sign, 0]
                sides[sign, 1] = fields[0x42 + 8 * sign, 1]
        if not add_exponential(buffer, sums, own, scale, reals[row, 7], sides):
            return False
        sum_reals[own, 5] += float(number_at(buffer, fields, 0x21))
        sum_at = rows[row]
        sum_at[5] = signed(number_at(buffer, fields, 0x29))
        sum_reals[own, 6] += reals[row, 5]
        sum_reals[own, 7] += float(number_at(buffer, fields, 0x39))
    rows[row, 3] = sum_rows[own, 0]
    for column in range(3):
        reals[row, 4 + column] = sum_reals[own, 5 + column]
    for sign in range(2):
        place, first = rows[row, 8 + sign], sum_rows[own, 1 + sign]
        for bucket in range(sum_rows[own, 3 + sign]):
            if sum_counts[own, sign, bucket] > 0:
                index[sign, place] = first + bucket + 1
                counts[sign, place] = sum_counts[own, sign, bucket]
                place += 1
        rows[row, 8 + sign] = place
    return True

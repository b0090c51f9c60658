"""Compiled reader of native histograms as remote write 1.0 and 2.0 spell them."""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled
from veriscope.wire.protobuf_kernels import read_length, read_tag, read_varint, read_word, skip

U64: Final = np.uint64
_MAX_INDEX: Final = 1 << 30

# Where `walk_histograms` counts.
POSITIVE: Final = 0
NEGATIVE: Final = 1
BOUNDS: Final = 2

# What it answers.
GOOD: Final = 0
MALFORMED: Final = 1
UNEVEN: Final = 2
"""Spans that do not have as many buckets as there are counts."""


@compiled
def _signed(value: Any) -> Any:
    """Return the number that *value* is in zigzag encoding."""
    return np.int64(value >> U64(1)) ^ -np.int64(value & U64(1))


@compiled
def _is_nan(bits: Any) -> Any:
    return bits & U64(0x7FFFFFFFFFFFFFFF) > U64(0x7FF0000000000000)


@compiled
def _span(buf: Any, at: int, end: int) -> Any:
    """Return offset and length of a bucket span; the length is -1 where it is malformed."""
    offset, length = U64(0), U64(0)
    while at < end:
        tag, at = read_tag(buf, at, end)
        if at < 0:
            return 0, -1
        if tag == 0x08:
            offset, at = read_varint(buf, at, end)
        elif tag == 0x10:
            length, at = read_varint(buf, at, end)
        elif tag >> 3 <= 2:
            return 0, -1
        else:
            at = skip(buf, at, end, tag)
        if at < 0:
            return 0, -1
    return _signed(offset & U64(0xFFFFFFFF)), np.int64(length & U64(0xFFFFFFFF))


@compiled
def _deltas(buf: Any, at: int, end: int, last: Any, out: Any, place: int, fill: bool) -> Any:
    """
    Write the counts that add up to *last* and what follows.

    Return how many they are, the newest, and their sum.
    """
    count = 0
    total = U64(0)
    while at < end:
        value, at = read_varint(buf, at, end)
        if at < 0:
            return -1, last, total
        last += _signed(value)
        total += U64(last)
        if fill:
            out[place + count] = np.float64(last)
        count += 1
    return count, last, total


@compiled
def _doubles(buf: Any, at: int, end: int, out: Any, place: int, fill: bool) -> int:
    """Write numbers as they are and return how many."""
    if (end - at) % 8:
        return -1
    count = 0
    while at < end:
        if fill:
            out[place + count] = read_word(buf, at)
        at += 8
        count += 1
    return count


@compiled
def walk_histograms(
    buf: Any,
    spans: Any,
    fill: bool,
    numbers: Any,
    bits: Any,
    offsets: Any,
    indices: Any,
    counts: Any,
    floats: Any,
    totals: Any,
) -> int:
    """
    Read the histograms at *spans*; the first walk counts in *totals*, the second fills.

    Of histogram *h*: `numbers[h]` is time, schema, reset hint, whether its integers do not add
    up to its count (to more than that, where its sum is NaN), and start; `bits[h]` the bits of
    count, sum, zero threshold and zero count; `offsets[kind, h]` where its positive and negative
    buckets and its bounds begin. Index and count of buckets go to `indices[kind]` and
    `counts[kind]`; `floats` is a view of `counts[:2]` and bounds (`counts[2]`) as bits.
    """
    totals[:] = 0
    for row in range(len(spans)):
        at, end = spans[row, 0], spans[row, 1]
        time = start_time = U64(0)
        schema = U64(0)
        hint = U64(0)
        count = total = threshold = zeros = U64(0)
        observed = in_zero = in_buckets = U64(0)
        is_float = False
        positive = negative = 0
        buckets_positive = buckets_negative = 0
        deltas_positive = deltas_negative = 0
        last_positive = last_negative = np.int64(0)
        index_positive = index_negative = np.int64(0)
        first_positive, first_negative = totals[0], totals[1]
        bounds = totals[2]
        if fill:
            offsets[0, row], offsets[1, row], offsets[2, row] = totals[0], totals[1], totals[2]
        while at < end:
            tag, at = read_tag(buf, at, end)
            if at < 0:
                return MALFORMED
            number, wire = tag >> 3, tag & 7
            if number in (8, 11):
                if wire != 2:
                    return MALFORMED
                start, at = read_length(buf, at, end)
                if at < 0:
                    return MALFORMED
                offset, length = _span(buf, start, at)
                if length < 0:
                    return MALFORMED
                if length > len(buf):
                    return UNEVEN
                if number == 11:
                    index_positive += offset
                    if abs(index_positive) + length > _MAX_INDEX:
                        return UNEVEN
                    if fill:
                        for _ in range(length):
                            indices[0][first_positive + positive] = index_positive
                            positive += 1
                            index_positive += 1
                    else:
                        positive += length
                        index_positive += length
                    if positive > len(buf):
                        return UNEVEN
                else:
                    index_negative += offset
                    if abs(index_negative) + length > _MAX_INDEX:
                        return UNEVEN
                    if fill:
                        for _ in range(length):
                            indices[1][first_negative + negative] = index_negative
                            negative += 1
                            index_negative += 1
                    else:
                        negative += length
                        index_negative += length
                    if negative > len(buf):
                        return UNEVEN
            elif number in (9, 12):
                if wire == 2:
                    start, at = read_length(buf, at, end)
                    stop = at
                elif wire == 0:
                    start = at
                    _, at = read_varint(buf, at, end)
                    stop = at
                else:
                    return MALFORMED
                if at < 0:
                    return MALFORMED
                if number == 12:
                    place = first_positive + deltas_positive
                    found, last_positive, more = _deltas(
                        buf, start, stop, last_positive, floats[0], place, fill
                    )
                    deltas_positive += found
                else:
                    place = first_negative + deltas_negative
                    found, last_negative, more = _deltas(
                        buf, start, stop, last_negative, floats[1], place, fill
                    )
                    deltas_negative += found
                if found < 0:
                    return MALFORMED
                in_buckets += more
            elif number in (10, 13, 16):
                if wire == 2:
                    start, at = read_length(buf, at, end)
                elif wire == 1:
                    start = at
                    at = skip(buf, at, end, tag)
                else:
                    return MALFORMED
                if at < 0:
                    return MALFORMED
                if number == 13:
                    place = first_positive + buckets_positive
                    found = _doubles(buf, start, at, counts[0], place, fill)
                    buckets_positive += found
                elif number == 10:
                    place = first_negative + buckets_negative
                    found = _doubles(buf, start, at, counts[1], place, fill)
                    buckets_negative += found
                else:
                    found = _doubles(buf, start, at, counts[2], bounds, fill)
                    bounds += found
                if found < 0:
                    return MALFORMED
            elif number in (2, 3, 5, 7):
                if wire != 1 or end - at < 8:
                    return MALFORMED
                word = read_word(buf, at)
                at += 8
                if number == 2:
                    count, is_float = word, True
                elif number == 3:
                    total = word
                elif number == 5:
                    threshold = word
                else:
                    zeros = word
            elif number in (1, 4, 6, 14, 15, 17):
                if wire != 0:
                    return MALFORMED
                value, at = read_varint(buf, at, end)
                if at < 0:
                    return MALFORMED
                if number == 1:
                    count, is_float = np.float64(value).view(np.uint64), False
                    observed = value
                elif number == 4:
                    schema = value
                elif number == 6:
                    zeros = np.float64(value).view(np.uint64)
                    in_zero = value
                elif number == 14:
                    hint = value
                elif number == 15:
                    time = value
                else:
                    start_time = value
            else:
                at = skip(buf, at, end, tag)
                if at < 0:
                    return MALFORMED
        given = (buckets_positive, buckets_negative)
        other = (deltas_positive, deltas_negative)
        if not is_float:
            given, other = other, given
        if given[0] != positive or given[1] != negative or other[0] != 0 or other[1] != 0:
            return UNEVEN
        totals[0] += positive
        totals[1] += negative
        totals[2] = bounds
        if fill:
            numbers[row, 0] = np.int64(time)
            signed = _signed(schema & U64(0xFFFFFFFF))
            numbers[row, 1] = signed if -128 < signed <= 52 else -128
            numbers[row, 2] = np.int64(hint) if hint < U64(100) else 100
            in_buckets += in_zero
            off = in_buckets > observed or (in_buckets < observed and not _is_nan(total))
            numbers[row, 3] = off and not is_float
            numbers[row, 4] = np.int64(start_time)
            bits[row, 0], bits[row, 1], bits[row, 2], bits[row, 3] = count, total, threshold, zeros
    if fill:
        for kind in range(3):
            offsets[kind, len(spans)] = totals[kind]
    return GOOD

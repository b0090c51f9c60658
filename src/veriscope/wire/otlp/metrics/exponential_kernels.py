"""Machine code for the buckets of exponential histograms: reading, and adding up deltas."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled
from veriscope.wire.otlp.metrics.layout import ExponentialColumn, Exponentials
from veriscope.wire.otlp.metrics.wire_kernels import Bytes, next_field, varint, zigzag

MAX_BUCKETS: Final = 160
"""Buckets of each sign that a sum of deltas has at most; past it its scale is reduced."""

MIN_SCALE: Final = -4
MAX_SCALE: Final = 8
"""Native histograms have schemas between these two."""

_MAX_INDEX: Final = 1 << 31
_LONGEST_SHIFT: Final = 40  # leaves but the sign of any index


_SCALE: Final = int(ExponentialColumn.SCALE)
_FIRST: Final = int(ExponentialColumn.POSITIVE_FIRST)
_LENGTH: Final = int(ExponentialColumn.POSITIVE_LENGTH)
_COUNT: Final = int(ExponentialColumn.COUNT)
_SUM: Final = int(ExponentialColumn.SUM)
_ZERO_COUNT: Final = int(ExponentialColumn.ZERO_COUNT)
_ZERO_THRESHOLD: Final = int(ExponentialColumn.ZERO_THRESHOLD)


@compiled
def packed_counts(buffer: Bytes, begin: int, end: int) -> tuple[int, int, int]:
    """Return the offset of a `Buckets` message and where its packed counts begin and end."""
    offset = at = stop = 0
    while begin < end:
        tag, inside, begin = next_field(buffer, begin, end)
        if tag == 0x08:
            value, _ = varint(buffer, inside, begin)
            offset = zigzag(value)
        elif tag == 0x12:
            at, stop = inside, begin
    return offset, at, stop


@compiled
def sparse_buckets(
    buffer: Bytes,
    begin: int,
    end: int,
    shift: int,
    index: NDArray[np.int32],
    count: NDArray[np.float64],
    place: int,
) -> int:
    """
    Append the buckets that are not empty, their scale reduced by *shift*, as Prometheus has them.

    Bucket *i* of Prometheus is bucket *i - 1* of OpenTelemetry. Returns the next free place, or
    -1 where an index is beyond any that a number can have.
    """
    first = place
    number, at, stop = packed_counts(buffer, begin, end)
    shift = min(shift, _LONGEST_SHIFT)
    while at < stop:
        value, at = varint(buffer, at, stop)
        if value != 0:
            own = (number >> shift) + 1
            if own >= _MAX_INDEX or own < -_MAX_INDEX:
                return -1
            if place > first and index[place - 1] == own:
                count[place - 1] += float(value)
            else:
                index[place] = own
                count[place] = float(value)
                place += 1
        number += 1
    return place


@compiled
def _extent(buffer: Bytes, begin: int, end: int) -> tuple[int, int]:
    """Return the first and the last index of buckets that are not empty; 0, -1 without any."""
    first, last = 0, -1
    number, at, stop = packed_counts(buffer, begin, end)
    while at < stop:
        value, at = varint(buffer, at, stop)
        if value != 0:
            if last < first:
                first = number
            last = number
        number += 1
    return first, last


@compiled
def _reduce(sums: Exponentials, row: int, sign: int, shift: int) -> None:
    """Merge each 2**shift buckets into one; in place, for no bucket moves up."""
    rows, _, counts = sums
    first, length = rows[row, _FIRST + sign], rows[row, _LENGTH + sign]
    if shift == 0 or length == 0:
        return
    low = first >> shift
    for bucket in range(length):
        value = counts[row, sign, bucket]
        counts[row, sign, bucket] = 0.0
        counts[row, sign, ((first + bucket) >> shift) - low] += value
    rows[row, _FIRST + sign] = low
    rows[row, _LENGTH + sign] = ((first + length - 1) >> shift) - low + 1


@compiled
def _widen(sums: Exponentials, row: int, sign: int, first: int, last: int) -> None:
    """Make room for the indexes from *first* to *last*."""
    rows, _, counts = sums
    length = rows[row, _LENGTH + sign]
    move = 0
    if length == 0:
        rows[row, _FIRST + sign] = first
    elif rows[row, _FIRST + sign] > first:
        move = rows[row, _FIRST + sign] - first
        rows[row, _FIRST + sign] = first
        for bucket in range(length - 1, -1, -1):
            counts[row, sign, bucket + move] = counts[row, sign, bucket]
        for bucket in range(move):
            counts[row, sign, bucket] = 0.0
    length += move
    needed = max(length, last - rows[row, _FIRST + sign] + 1)
    for bucket in range(length, needed):
        counts[row, sign, bucket] = 0.0
    rows[row, _LENGTH + sign] = needed


@compiled
def _fits(sums: Exponentials, row: int, sign: int, shift: int, first: int, last: int) -> bool:
    """Return whether own buckets, reduced by *shift*, and *first* to *last* are few enough."""
    rows = sums[0]
    length = rows[row, _LENGTH + sign]
    if length > 0:
        own_first = rows[row, _FIRST + sign] >> shift
        own_last = (rows[row, _FIRST + sign] + length - 1) >> shift
        first = own_first if last < first else min(first, own_first)
        last = max(last, own_last)
    return last - first < MAX_BUCKETS


@compiled
def add_exponential(
    buffer: Bytes,
    sums: Exponentials,
    row: int,
    scale: int,
    zero_threshold: float,
    sides: NDArray[np.int64],
) -> bool:
    """
    Add the buckets of a point to those of *row*, at the finest scale at which all are few enough.

    `sides[sign]` is where the point's `Buckets` message of a sign begins and ends. With another
    zero threshold than before the sum begins anew. Returns False, and changes nothing, where no
    scale is coarse enough: no number has such an index.
    """
    rows, reals, counts = sums
    extents = np.empty((2, 2), np.int64)
    for sign in range(2):
        extents[sign, 0], extents[sign, 1] = _extent(buffer, sides[sign, 0], sides[sign, 1])
    kept_0, kept_1 = rows[row, _LENGTH], rows[row, _LENGTH + 1]
    anew = reals[row, _COUNT] == 0 or reals[row, _ZERO_THRESHOLD] != zero_threshold
    if anew:
        rows[row, _LENGTH] = rows[row, _LENGTH + 1] = 0
    own = min(scale, MAX_SCALE) if anew else rows[row, _SCALE]
    target = min(own, scale)
    fits = False
    while not fits and target >= MIN_SCALE:
        reduced = min(scale - target, _LONGEST_SHIFT)
        fits = True
        for sign in range(2):
            first, last = extents[sign, 0] >> reduced, extents[sign, 1] >> reduced
            fits = fits and _fits(sums, row, sign, own - target, first, last)
        if not fits:
            target -= 1
    if not fits:
        rows[row, _LENGTH], rows[row, _LENGTH + 1] = kept_0, kept_1
        return False
    if anew:
        reals[row, _COUNT] = reals[row, _SUM] = reals[row, _ZERO_COUNT] = 0.0
        reals[row, _ZERO_THRESHOLD] = zero_threshold
    rows[row, _SCALE] = target
    reduced = min(scale - target, _LONGEST_SHIFT)
    for sign in range(2):
        _reduce(sums, row, sign, own - target)
        if extents[sign, 1] < extents[sign, 0]:
            continue
        _widen(sums, row, sign, extents[sign, 0] >> reduced, extents[sign, 1] >> reduced)
        number, at, stop = packed_counts(buffer, sides[sign, 0], sides[sign, 1])
        while at < stop:
            value, at = varint(buffer, at, stop)
            if value != 0:
                place = (number >> reduced) - rows[row, _FIRST + sign]
                counts[row, sign, place] += float(value)
            number += 1
    return True

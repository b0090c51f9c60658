"""Machine code that finds the data points in OTLP metric requests, and the stream of each."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled
from veriscope.wire.otlp.metrics.layout import Places, Table
from veriscope.wire.otlp.metrics.wire_kernels import (
    Bytes,
    are_varints,
    is_message,
    next_field,
    signed,
    varint,
)
from veriscope.wire.protobuf_kernels import read_word
from veriscope.wire.siphash_kernels import Sip, sip_bytes, sip_end, sip_start, sip_word

TOO_FEW_ROWS: Final = -1
"""There are more resources, metrics or points than rows for them."""

NOT_PLAIN: Final = -2
"""The request is malformed, or in an unusual spelling."""

# In the order of their fields in a metric: 5, 7, 9, 10, 11.
_DATA_TAGS: Final = (0x2A, 0x3A, 0x4A, 0x52, 0x5A)
# By kind: the tags of attributes and exemplars of a point; a summary has no exemplars.
_ATTRIBUTES: Final = (0x3A, 0x3A, 0x4A, 0x0A, 0x3A)
_EXEMPLARS: Final = (0x2A, 0x2A, 0x42, 0x5A, -1)
_HISTOGRAM: Final = 2
_EXPONENTIAL: Final = 3
_SUMMARY: Final = 4
_TARGET_INFO: Final = np.uint64(0x7461726765745F69)
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)
_NEVER: Final = (1 << 63) - 1
_END_NS: Final = 4_102_444_800_000_000_000


@compiled
def look_up(table: Table, low: Any, high: Any) -> Any:
    """Return the stream of a hash, or -1."""
    slots, lows, highs = table
    mask = len(slots) - 1
    slot = signed(low & np.uint64(mask))
    while slots[slot] >= 0:
        stream = slots[slot]
        if lows[stream] == low and highs[stream] == high:
            return signed(stream)
        slot = (slot + 1) & mask
    return -1


@compiled
def enter(table: Table, first: int, count: int) -> None:
    """Give the streams from *first* to *count* their slots."""
    slots, lows, _ = table
    mask = len(slots) - 1
    for stream in range(first, count):
        slot = signed(lows[stream] & np.uint64(mask))
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = stream


@compiled
def _buckets_are_plain(buffer: Bytes, at: int, end: int) -> bool:
    seen = 0
    while at < end:
        tag, begin, at = next_field(buffer, at, end)
        if tag == 0x12:
            seen += 1
            if not are_varints(buffer, begin, at):
                return False
        if tag < 0 or tag == 0x10 or seen > 1:
            return False
    return True


@compiled
def _shape(buffer: Bytes, at: int, end: int, kind: int, sip: Sip) -> tuple[bool, Sip]:
    """
    Take in what tells which series a point has: its bounds, its quantiles, whether it has a sum.

    False where the point is not plain.
    """
    bounds_begin = bounds_end = counts_begin = counts_end = -1
    has_sum = positive = negative = 0
    while at < end:
        tag, begin, at = next_field(buffer, at, end)
        if kind == _HISTOGRAM:
            if tag == 0x29:
                has_sum = 1
            elif tag == 0x31 or tag == 0x39:  # noqa: PLR1714 - compiled to two comparisons
                return False, sip
            elif tag == 0x32:
                if counts_begin >= 0 or (at - begin) % 8:
                    return False, sip
                counts_begin, counts_end = begin, at
            elif tag == 0x3A:
                if bounds_begin >= 0 or (at - begin) % 8:
                    return False, sip
                bounds_begin, bounds_end = begin, at
        elif kind == _EXPONENTIAL:
            if tag == 0x42:
                positive += 1
            elif tag == 0x4A:
                negative += 1
            if (tag == 0x42 or tag == 0x4A) and not _buckets_are_plain(buffer, begin, at):  # noqa: PLR1714 - as above
                return False, sip
        elif kind == _SUMMARY and tag == 0x32:
            quantile = _ZERO
            while begin < at:
                inner, place, begin = next_field(buffer, begin, at)
                if inner < 0:
                    return False, sip
                if inner == 0x09:
                    quantile = read_word(buffer, place)
            sip = sip_word(sip, quantile)
    if positive > 1 or negative > 1:
        return False, sip
    if kind == _HISTOGRAM:
        counts = np.uint64((counts_end - counts_begin) // 8)
        sip = sip_word(sip, (counts << _ONE) | np.uint64(has_sum))
        sip = sip_bytes(sip, buffer, bounds_begin, bounds_end)
    return True, sip


@compiled
def _point(
    buffer: Bytes, begin: int, end: int, kind: int, key_low: Any, key_high: Any
) -> tuple[int, Any, Any, Any]:
    """Return exemplars (-1: not plain), time and hash of the data point in a range."""
    attributes, exemplars = _ATTRIBUTES[kind], _EXEMPLARS[kind]
    time_ns = _ZERO
    first = last = -1
    count = 0
    at = begin
    while at < end:
        start = at
        tag, inside, at = next_field(buffer, at, end)
        if tag < 0:
            return -1, time_ns, _ZERO, _ZERO
        if tag == attributes:
            if first < 0:
                first = start
            elif last != start:
                return -1, time_ns, _ZERO, _ZERO
            last = at
        elif tag == 0x19:
            time_ns = read_word(buffer, inside)
        elif tag == exemplars:
            count += 1
            if not is_message(buffer, inside, at):
                return -1, time_ns, _ZERO, _ZERO
    sip = sip_bytes(sip_start(key_low, key_high), buffer, first, last)
    if kind >= _HISTOGRAM:
        is_plain, sip = _shape(buffer, begin, end, kind, sip)
        if not is_plain:
            return -1, time_ns, _ZERO, _ZERO
    low, high = sip_end(sip)
    return count, time_ns, low, high


@compiled
def _metric(
    buffer: Bytes, at: int, end: int, row: Any, key_low: Any, key_high: Any
) -> tuple[int, int, Any, Any]:
    """
    Fill the columns of a metric from `NAME_BEGIN` on; return the range of its data, and its hash.

    The range is -1, -1 where the metric is not plain, and empty where it has no data.
    """
    data_begin = data_end = 0
    row[5:14] = 0
    kinds = 0
    while at < end:
        tag, begin, at = next_field(buffer, at, end)
        if tag == 0x0A:
            row[5], row[6] = begin, at
        elif tag == 0x12:
            row[7], row[8] = begin, at
        elif tag == 0x1A:
            row[9], row[10] = begin, at
        elif tag < 0:
            return -1, -1, key_low, key_high
        else:
            for kind in range(5):
                if tag == _DATA_TAGS[kind]:
                    row[11] = kind
                    data_begin, data_end = begin, at
                    kinds += 1
    if kinds > 1:
        return -1, -1, key_low, key_high
    at = data_begin
    while at < data_end:
        tag, begin, at = next_field(buffer, at, data_end)
        if tag < 0:
            return -1, -1, key_low, key_high
        if tag == 0x10 or tag == 0x18:  # noqa: PLR1714 - compiled to two comparisons
            value, _ = varint(buffer, begin, at)
            if tag == 0x10:
                row[12] = signed(value & np.uint64(0xFF))
            else:
                row[13] = signed(value != _ZERO)
    sip = sip_start(key_low, key_high)
    for column in (5, 7, 9):
        sip = sip_bytes(sip, buffer, row[column], row[column + 1])
    sip = sip_word(sip, np.uint64(row[11] | row[12] << 8 | row[13] << 16))
    low, high = sip_end(sip)
    return data_begin, data_end, low, high


@compiled
def _heads(buffer: Bytes, at: int, end: int) -> tuple[bool, int, int, int, int]:
    """
    Return whether a `ResourceMetrics` or `ScopeMetrics` is plain, and where its two heads are.

    Those are the resource or the scope (an empty range without one), and the schema URL.
    """
    head_begin = head_end = schema_begin = schema_end = 0
    heads = 0
    while at < end:
        tag, begin, at = next_field(buffer, at, end)
        if tag == 0x0A:
            head_begin, head_end = begin, at
            heads += 1
        elif tag == 0x1A:
            schema_begin, schema_end = begin, at
        elif tag < 0:
            return False, 0, 0, 0, 0
    return heads <= 1, head_begin, head_end, schema_begin, schema_end


@compiled
def find_points(
    buffer: Bytes, key: NDArray[np.uint64], table: Table, places: Places
) -> tuple[int, int, int, int]:
    """
    Find every data point of the request in *buffer*.

    Returns how many rows of resources, metrics and points were filled, and the number of
    exemplars. All are `TOO_FEW_ROWS` where *places* is too small, and `NOT_PLAIN` where the
    request is malformed, or spells something in a way that encoders do not use (repeated
    messages that protobuf would merge, lists that are not packed, groups).
    """
    resource_rows, resource_hashes, metric_rows, point_rows, point_hashes = places
    resources = metrics = points = exemplars = 0
    too_few = (TOO_FEW_ROWS, TOO_FEW_ROWS, TOO_FEW_ROWS, TOO_FEW_ROWS)
    not_plain = (NOT_PLAIN, NOT_PLAIN, NOT_PLAIN, NOT_PLAIN)
    at_0, end_0 = 0, signed(len(buffer))
    while at_0 < end_0:
        tag, at_1, at_0 = next_field(buffer, at_0, end_0)
        end_1 = at_0
        if tag < 0:
            return not_plain
        if tag != 0x0A:
            continue
        good, begin, end, _, _ = _heads(buffer, at_1, end_1)
        if not good:
            return not_plain
        if resources >= len(resource_rows):
            return too_few
        low, high = sip_end(sip_bytes(sip_start(key[0], key[1]), buffer, begin, end))
        info_low, info_high = sip_end(sip_word(sip_start(low, high), _TARGET_INFO))
        own = resource_rows[resources]
        own[0], own[1] = begin, end
        own[2] = look_up(table, info_low, info_high)
        own[3], own[4] = _NEVER, 0
        resource_hashes[resources, 0] = info_low
        resource_hashes[resources, 1] = info_high
        while at_1 < end_1:
            tag, at_2, at_1 = next_field(buffer, at_1, end_1)
            end_2 = at_1
            if tag != 0x12:
                continue
            good, begin, end, schema_begin, schema_end = _heads(buffer, at_2, end_2)
            if not good:
                return not_plain
            sip = sip_bytes(sip_start(low, high), buffer, begin, end)
            scope_low, scope_high = sip_end(sip_bytes(sip, buffer, schema_begin, schema_end))
            while at_2 < end_2:
                tag, at_3, at_2 = next_field(buffer, at_2, end_2)
                if tag != 0x12:
                    continue
                if metrics >= len(metric_rows):
                    return too_few
                row = metric_rows[metrics]
                row[0], row[1], row[2] = resources, begin, end
                row[3], row[4] = schema_begin, schema_end
                at_3, end_3, metric_low, metric_high = _metric(
                    buffer, at_3, at_2, row, scope_low, scope_high
                )
                if at_3 < 0:
                    return not_plain
                while at_3 < end_3:
                    tag, begin_4, at_3 = next_field(buffer, at_3, end_3)
                    if tag != 0x0A:
                        continue
                    if points >= len(point_rows):
                        return too_few
                    count, time_ns, point_low, point_high = _point(
                        buffer, begin_4, at_3, row[11], metric_low, metric_high
                    )
                    if count < 0:
                        return not_plain
                    place = point_rows[points]
                    place[0], place[1], place[2] = metrics, begin_4, at_3
                    place[3] = look_up(table, point_low, point_high)
                    place[4] = signed(time_ns)
                    point_hashes[points, 0] = point_low
                    point_hashes[points, 1] = point_high
                    if 0 < place[4] < _END_NS:
                        own[3] = min(own[3], place[4])
                        own[4] = max(own[4], place[4])
                    points += 1
                    exemplars += count
                metrics += 1
        resources += 1
    return resources, metrics, points, exemplars

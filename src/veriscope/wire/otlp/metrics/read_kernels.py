"""Machine code that reads the data points of known streams into columns."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import STALE_BITS
from veriscope.signals.compiled import compiled
from veriscope.wire.otlp.metrics.exponential_kernels import MAX_BUCKETS, MAX_SCALE, MIN_SCALE
from veriscope.wire.otlp.metrics.layout import Exponentials, Natives, Outcome, Rows, Sums
from veriscope.wire.otlp.metrics.native_kernels import (
    add_up,
    copy_bounds,
    fill_custom,
    fill_exponential,
    open_native,
    sum_exponential,
)
from veriscope.wire.otlp.metrics.point_kernels import AGAIN, TAGS, length, number_at, spread
from veriscope.wire.otlp.metrics.sample_kernels import emit, fill_classic, fill_summary, sum_up
from veriscope.wire.otlp.metrics.wire_kernels import Bytes, next_field, signed, varint, zigzag
from veriscope.wire.protobuf_kernels import read_word

_SUM: Final = 1
_HISTOGRAM: Final = 2
_EXPONENTIAL: Final = 3
_MS: Final = 1_000_000
_END_MS: Final = 4_102_444_800_000
# No rate looks back further as a rule, and an old start would be one more row of an old week.
_START_WINDOW_MS: Final = 24 * 3_600_000
_CUSTOM_SCHEMA: Final = -53
_DEFAULT_ZERO_THRESHOLD: Final = 1e-128

# What `_advance` says, beside `AGAIN`.
_ADD: Final = 0
_BEGIN: Final = 1

_REFUSED: Final = int(Outcome.REFUSED)
_BAD_TIME: Final = int(Outcome.BAD_TIME)
_NO_VALUE: Final = int(Outcome.NO_VALUE)
_OUT_OF_ORDER: Final = int(Outcome.OUT_OF_ORDER)
_OLDER_START: Final = int(Outcome.OLDER_START)
_BAD_SCALE: Final = int(Outcome.BAD_SCALE)
_BAD_BUCKETS: Final = int(Outcome.BAD_BUCKETS)


@compiled
def _advance(sums: Sums, state: int, start_ns: int, time_ns: int) -> int:
    """
    Return what to do with a delta: add it, begin with it, say the sum again; else an outcome < 0.

    A client that got no answer sends a point again: that one is stored already, and not added.
    """
    head = sums[0][state]
    if head[1] == 0:
        head[0], head[1] = start_ns, time_ns
        return _BEGIN
    if start_ns > 0 and start_ns < head[0]:
        return -_OLDER_START
    if time_ns < head[1]:
        return -_OUT_OF_ORDER
    if time_ns == head[1]:
        return AGAIN
    head[1] = time_ns
    return _ADD


@compiled
def _id_at(buffer: Bytes, begin: int, end: int, length: int) -> int:
    """Return *begin* where an id of *length* bytes is, not all of them zero; else -1."""
    if end - begin != length:
        return -1
    for place in range(begin, end):
        if buffer[place] != 0:
            return begin
    return -1


@compiled
def _exemplar(buffer: Bytes, begin: int, end: int, time_ms: int, out: Rows, row: int) -> bool:
    """Read an exemplar into *row*; False where it has no value, or an absurd time."""
    rows, reals = out
    own = rows[row]
    own[2], own[4], own[5], own[6], own[7] = time_ms, -1, -1, 0, 0
    has_value = False
    at = begin
    while at < end:
        tag, inside, at = next_field(buffer, at, end)
        if tag == 0x11:
            own_ms = signed(read_word(buffer, inside)) // _MS
            if own_ms < 0 or own_ms >= _END_MS:
                return False
            if own_ms > 0:
                own[2] = own_ms
        elif tag == 0x19:
            has_value = True
            own[3] = signed(read_word(buffer, inside))
        elif tag == 0x31:
            has_value = True
            reals[row, 3] = float(signed(read_word(buffer, inside)))
        elif tag == 0x22:
            own[5] = _id_at(buffer, inside, at, 8)
        elif tag == 0x2A:
            own[4] = _id_at(buffer, inside, at, 16)
        elif tag == 0x3A:
            own[6], own[7] = begin, end
    return has_value


@compiled
def _bucket_of(
    buffer: Bytes, fields: NDArray[np.int64], value: float, bits: NDArray[np.int64]
) -> Any:
    """Return which of a histogram's series, count being 0, an observation belongs to."""
    series = 1 + signed(fields[0x29, 0] >= 0)
    buckets = min(length(fields, 0x32), length(fields, 0x3A))
    for bucket in range(buckets):
        bits[0] = signed(read_word(buffer, fields[0x3A, 0] + 8 * bucket))
        if value <= bits.view(np.float64)[0]:
            return series + bucket
    return series + buckets


@compiled
def read_points(
    buffer: Bytes,
    metrics: NDArray[np.int64],
    points: NDArray[np.int64],
    streams: NDArray[np.int64],
    sums: Sums,
    exponentials: Exponentials,
    is_custom: bool,
    has_zeros: bool,
    now: int,
    outcomes: NDArray[np.int8],
    samples: Rows,
    natives: Natives,
    exemplars: Rows,
) -> tuple[int, int, int]:
    """
    Read *points*, whose streams are all known, and add up what are deltas.

    With *is_custom* histograms with explicit bounds become native ones; with *has_zeros* 0 is also
    said where a sum that is no delta starts. Fills *outcomes*, an
    `Outcome` a point, and returns how many rows of samples, native histograms and exemplars were
    filled; there must be room for all (`room` counts it). *now* marks streams as used.
    """
    heads = sums[0]
    sample_rows, sample_reals = samples
    native_rows = natives[0]
    exemplar_rows, exemplar_reals = exemplars
    at = row = example = 0
    fields = np.empty((TAGS, 2), np.int64)
    bits = np.empty(1, np.int64)
    for point in range(len(points)):
        metric, begin, end = points[point, 0], points[point, 1], points[point, 2]
        time_ns, kind = points[point, 4], metrics[metric, 11]
        stream = streams[points[point, 3]]
        block, series, state = stream[0], stream[1], stream[3]
        stream[5] = now
        if stream[2] != 0:
            outcomes[point] = _REFUSED
            continue
        time_ms = time_ns // _MS
        if time_ns <= 0 or time_ms >= _END_MS:
            outcomes[point] = _BAD_TIME
            continue
        spread(buffer, begin, end, fields)
        is_native = kind == _EXPONENTIAL or (kind == _HISTOGRAM and is_custom)
        flags_tag = 0x50 if _HISTOGRAM <= kind <= _EXPONENTIAL else 0x40
        is_stale = False
        if fields[flags_tag, 0] >= 0:
            is_stale = buffer[fields[flags_tag, 0]] & 1 != 0
        start_ns = signed(number_at(buffer, fields, 0x11))
        if start_ns < 0 or start_ns >= time_ns:
            start_ns = 0
        scale = 0
        threshold = 0.0
        if kind == _EXPONENTIAL:
            if fields[0x30, 0] >= 0:
                value, _ = varint(buffer, fields[0x30, 0], fields[0x30, 1])
                scale = zigzag(value)
            bits[0] = signed(number_at(buffer, fields, 0x71))
            threshold = bits.view(np.float64)[0]
            if not threshold > 0:
                threshold = _DEFAULT_ZERO_THRESHOLD
            if scale < MIN_SCALE:
                outcomes[point] = _BAD_SCALE
                continue
        has_counts = is_native and not is_stale
        if has_counts and (threshold == np.inf or not add_up(buffer, fields, kind == _HISTOGRAM)):
            outcomes[point] = _BAD_BUCKETS
            continue
        if kind <= _SUM and not is_stale and fields[0x21, 0] < 0 and fields[0x31, 0] < 0:
            outcomes[point] = _NO_VALUE
            continue
        verdict = _ADD
        if is_stale:
            state = -1
        if state >= 0:
            verdict = _advance(sums, state, start_ns, time_ns)
            if verdict < 0:
                outcomes[point] = -verdict
                continue
        # What is said at the start of a sum may be the last word of the one before it.
        start_ms = start_ns // _MS + 1 if start_ns > 0 else 0
        begins = state >= 0 and verdict == _BEGIN and 0 < start_ms < time_ms and stream[4] != 0
        if has_zeros and state < 0 and _SUM <= kind <= _EXPONENTIAL and not is_stale:
            start_ms = start_ns // _MS
            begins = stream[6] < start_ms < time_ms and stream[4] != 0
            begins = begins and time_ms - start_ms <= _START_WINDOW_MS
            stream[6] = max(stream[6], time_ms)
        outcomes[point] = 0
        if is_native:
            schema = min(scale, MAX_SCALE) if kind == _EXPONENTIAL else _CUSTOM_SCHEMA
            first = row
            if begins:
                open_native(natives, row, block, series, start_ms, schema, threshold)
                if kind == _HISTOGRAM:
                    copy_bounds(buffer, fields, natives, row)
                row += 1
            open_native(natives, row, block, series, time_ms, schema, threshold)
            good = True
            if kind == _HISTOGRAM:
                copy_bounds(buffer, fields, natives, row)
            if is_stale:
                native_rows[row, 5] = STALE_BITS
            elif kind == _HISTOGRAM:
                fill_custom(buffer, fields, natives, row, sums, state, verdict)
            elif state < 0:
                good = fill_exponential(buffer, fields, natives, row, scale)
            else:
                good = sum_exponential(
                    buffer, fields, natives, row, scale, exponentials, heads[state, 2], verdict
                )
                native_rows[first, 3] = native_rows[row, 3]
            row += 1
            if not good:
                row = first
                outcomes[point] = _BAD_BUCKETS
                continue
        elif kind <= _HISTOGRAM:
            width = 1
            if kind == _HISTOGRAM:
                width = 2 + min(length(fields, 0x32), length(fields, 0x3A))
                width += signed(fields[0x29, 0] >= 0)
            if begins:
                at = emit(samples, at, block, series, width, start_ms, 0)
            first = at
            at = emit(samples, at, block, series, width, time_ms, STALE_BITS)
            if not is_stale:
                if kind == _HISTOGRAM:
                    fill_classic(buffer, fields, samples, first, width)
                elif fields[0x21, 0] >= fields[0x31, 0]:
                    sample_rows[first, 3] = signed(read_word(buffer, fields[0x21, 0]))
                else:
                    sample_reals[first, 3] = float(signed(read_word(buffer, fields[0x31, 0])))
                if state >= 0:
                    sum_up(sums, state, verdict, samples, first, width)
        else:
            at = fill_summary(
                buffer, begin, end, fields, samples, at, block, series, time_ms, is_stale
            )
        exemplar_tag = 0x42 if kind == _HISTOGRAM else 0x5A if kind == _EXPONENTIAL else 0x2A
        if fields[exemplar_tag, 0] >= 0 and kind <= _EXPONENTIAL:
            place = begin
            while place < end:
                tag, inside, place = next_field(buffer, place, end)
                if tag == exemplar_tag and _exemplar(
                    buffer, inside, place, time_ms, exemplars, example
                ):
                    own = exemplar_rows[example]
                    own[0], own[1] = block, series
                    if kind == _HISTOGRAM and not is_custom:
                        own[1] += _bucket_of(buffer, fields, exemplar_reals[example, 3], bits)
                    example += 1
    return at, row, example


@compiled
def room(
    metrics: NDArray[np.int64],
    points: NDArray[np.int64],
    streams: NDArray[np.int64],
    is_custom: bool,
    has_zeros: bool,
) -> tuple[int, int, int]:
    """Return how many samples, native histograms and buckets *points* can become at most."""
    samples = natives = buckets = 0
    for point in range(len(points)):
        kind, state = metrics[points[point, 0], 11], streams[points[point, 3], 3]
        size = points[point, 2] - points[point, 1]
        factor = 1 if state < 0 and not has_zeros else 2
        if kind == _EXPONENTIAL or (kind == _HISTOGRAM and is_custom):
            natives += factor
            buckets += factor * size + (0 if state < 0 else MAX_BUCKETS)
        elif kind <= _SUM:
            samples += factor
        elif kind == _HISTOGRAM:
            # A bucket takes eight bytes of a bound and eight of a count.
            samples += factor * (3 + size // 16)
        else:
            samples += 2 + size // 2
    return samples, natives, buckets

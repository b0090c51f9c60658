"""
Compiled walks over a remote write message: bytes to columns, never past the end of the bytes.

A walk is called twice: first it counts, with arrays that are empty, then it fills arrays of just
that size. Stricter than the format demands: groups, and known fields of another wire type, are
taken for another message.
"""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled
from veriscope.wire.protobuf_kernels import read_length, read_tag, read_varint, read_word, skip
from veriscope.wire.siphash_kernels import sip_bytes, sip_end, sip_start

U64: Final = np.uint64
LAST_MS: Final = 4_102_444_800_000
"""The first millisecond of 2100."""

MAX_LABELS: Final = 256
"""Labels of a series that are looked at, empty ones included."""

# Where a walk counts.
SERIES: Final = 0
SAMPLES: Final = 1
EXEMPLARS: Final = 2
HISTOGRAMS: Final = 3
METADATA: Final = 4
TIMES_OFF: Final = 5
COUNTS: Final = 6


@compiled
def read_sample(buf: Any, at: int, end: int) -> Any:
    """
    Return the bits of the value, the time, the start and whether the message is well-formed.

    Only 2.0 has a start, so this is the sample of both versions.
    """
    bits, time, start = U64(0), U64(0), U64(0)
    while at < end:
        tag, at = read_tag(buf, at, end)
        if at < 0:
            return bits, np.int64(0), np.int64(0), False
        if tag == 0x09:
            if end - at < 8:
                return bits, np.int64(0), np.int64(0), False
            bits = read_word(buf, at)
            at += 8
        elif tag == 0x10:
            time, at = read_varint(buf, at, end)
        elif tag == 0x18:
            start, at = read_varint(buf, at, end)
        elif tag >> 3 <= 2:
            return bits, np.int64(0), np.int64(0), False
        else:
            at = skip(buf, at, end, tag)
        if at < 0:
            return bits, np.int64(0), np.int64(0), False
    return bits, np.int64(time), np.int64(start), True


@compiled
def walk_v1(
    buf: Any,
    k0: Any,
    k1: Any,
    fill: bool,
    spans: Any,
    keys: Any,
    sample_series: Any,
    times: Any,
    bits: Any,
    point_series: Any,
    point_spans: Any,
    metadata: Any,
    counts: Any,
) -> bool:
    """
    Walk a `prometheus.WriteRequest` and tell whether it is well-formed.

    Writes `spans[s]` (start and end of series *s*) and `keys[s]` (the hash of its label fields,
    as they stand; zero where they do not stand together, for then it has none), columns of the
    samples, start and end of each exemplar (`point_*[0]`), histogram (`point_*[1]`) and metadata,
    and `counts`. What is inside labels, exemplars, histograms and metadata is not looked at.
    """
    counts[:] = 0
    at, size = 0, len(buf)
    series = samples = exemplars = histograms = known = off = 0
    while at < size:
        tag, at = read_tag(buf, at, size)
        if at < 0:
            return False
        if tag != 0x0A:
            if tag == 0x1A:
                start, at = read_length(buf, at, size)
                if at < 0:
                    return False
                if fill:
                    metadata[known, 0], metadata[known, 1] = start, at
                known += 1
            elif tag >> 3 in (1, 3):
                return False
            else:
                at = skip(buf, at, size, tag)
                if at < 0:
                    return False
            continue
        start, end = read_length(buf, at, size)
        if end < 0:
            return False
        at = start
        first = last = -1
        together = True
        while at < end:
            begun = at
            tag, at = read_tag(buf, at, end)
            if at < 0:
                return False
            if tag == 0x0A:
                _, at = read_length(buf, at, end)
                if at < 0:
                    return False
                if first < 0:
                    first = begun
                elif last != begun:
                    together = False
                last = at
            elif tag == 0x12:
                begun, at = read_length(buf, at, end)
                if at < 0:
                    return False
                if fill:
                    value, time, _, good = read_sample(buf, begun, at)
                    if not good:
                        return False
                    sample_series[samples] = series
                    times[samples] = time
                    bits[samples] = value
                    if time < 0 or time >= LAST_MS:
                        off += 1
                samples += 1
            elif tag in (0x1A, 0x22):
                kind = 1 if tag == 0x22 else 0
                begun, at = read_length(buf, at, end)
                if at < 0:
                    return False
                place = histograms if kind else exemplars
                if fill:
                    point_series[kind, place] = series
                    point_spans[kind, place, 0], point_spans[kind, place, 1] = begun, at
                histograms += kind
                exemplars += 1 - kind
            elif tag >> 3 <= 4:
                return False
            else:
                at = skip(buf, at, end, tag)
                if at < 0:
                    return False
        if fill:
            spans[series, 0], spans[series, 1] = start, end
            if together and first >= 0:
                sip = sip_bytes(sip_start(k0, k1), buf, first, last)
                keys[series, 0], keys[series, 1] = sip_end(sip)
            else:
                keys[series, 0], keys[series, 1] = U64(0), U64(0)
        series += 1
    counts[SERIES] = series
    counts[SAMPLES] = samples
    counts[EXEMPLARS] = exemplars
    counts[HISTOGRAMS] = histograms
    counts[METADATA] = known
    counts[TIMES_OFF] = off
    return True


@compiled
def walk_labels(buf: Any, spans: Any, fill: bool, offsets: Any, pairs: Any) -> int:
    """
    Find the labels in the messages at *spans* and return how many there are.

    It is -1 where they are malformed, -2 where one has more than `MAX_LABELS`. Any message whose
    field 1 is a `Label` will do. Writes where the labels of each message begin
    in *pairs* to *offsets*, and start and end of name and value of each label to *pairs*.
    """
    found = 0
    for row in range(len(spans)):
        at, end = spans[row, 0], spans[row, 1]
        first = found
        if fill:
            offsets[row] = found
        while at < end:
            tag, at = read_tag(buf, at, end)
            if at < 0:
                return -1
            if tag != 0x0A:
                at = skip(buf, at, end, tag)
                if at < 0:
                    return -1
                continue
            at, last = read_length(buf, at, end)
            if last < 0:
                return -1
            name = name_end = value = value_end = at
            while at < last:
                tag, at = read_tag(buf, at, last)
                if at < 0:
                    return -1
                if tag == 0x0A:
                    name, name_end = read_length(buf, at, last)
                    at = name_end
                elif tag == 0x12:
                    value, value_end = read_length(buf, at, last)
                    at = value_end
                elif tag >> 3 <= 2:
                    return -1
                else:
                    at = skip(buf, at, last, tag)
                if at < 0:
                    return -1
            if fill:
                pairs[found, 0], pairs[found, 1] = name, name_end
                pairs[found, 2], pairs[found, 3] = value, value_end
            found += 1
            if found - first > MAX_LABELS:
                return -2
    if fill:
        offsets[len(spans)] = found
    return found

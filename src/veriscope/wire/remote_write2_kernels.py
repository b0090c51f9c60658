"""Compiled walk over a remote write 2.0 message; see `remote_write_kernels`."""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled
from veriscope.wire.protobuf_kernels import read_length, read_tag, read_varint, skip
from veriscope.wire.remote_write_kernels import LAST_MS, read_sample
from veriscope.wire.siphash_kernels import sip_bytes, sip_end, sip_start, sip_word

U64: Final = np.uint64

# Where `walk_v2` counts.
SERIES: Final = 0
SAMPLES: Final = 1
EXEMPLARS: Final = 2
HISTOGRAMS: Final = 3
SYMBOLS: Final = 4
TIMES_OFF: Final = 5
REFS: Final = 6
COUNTS: Final = 7


@compiled
def read_refs(buf: Any, at: int, end: int, refs: Any, place: int, fill: bool) -> int:
    """Write references to symbols and return how many; -1 where they are malformed."""
    count = 0
    while at < end:
        value, at = read_varint(buf, at, end)
        if at < 0:
            return -1
        if fill:
            # What is too large for a symbol stays too large.
            refs[place + count] = np.int32(min(value, U64(0x7FFFFFFF)))
        count += 1
    return count


@compiled
def _metadata(buf: Any, at: int, end: int, row: Any) -> bool:
    """Write type, help and unit to *row* and tell whether the message is well-formed."""
    while at < end:
        tag, at = read_tag(buf, at, end)
        if at < 0:
            return False
        number = tag >> 3
        if number in (1, 3, 4):
            if tag & 7 != 0:
                return False
            value, at = read_varint(buf, at, end)
            if at < 0:
                return False
            row[0 if number == 1 else number - 2] = np.int32(min(value, U64(0x7FFFFFFF)))
        else:
            at = skip(buf, at, end, tag)
            if at < 0:
                return False
    return True


@compiled
def walk_v2(
    buf: Any,
    fill: bool,
    symbols: Any,
    offsets: Any,
    refs: Any,
    sample_series: Any,
    times: Any,
    starts: Any,
    bits: Any,
    created: Any,
    point_series: Any,
    point_spans: Any,
    metadata: Any,
    counts: Any,
) -> bool:
    """
    Walk an `io.prometheus.write.v2.Request` and tell whether it is well-formed.

    Writes start and end of each symbol, the references of series *s* (`refs` from `offsets[s]` on)
    and its metadata (type, and references to help and unit), columns of the samples, start and
    end of each exemplar (`point_*[0]`) and histogram (`point_*[1]`), and `counts`. A time of
    creation that stands beside the series, as it did up to 2.0-rc.3, goes to `created`.
    """
    counts[:] = 0
    at, size = 0, len(buf)
    series = samples = exemplars = histograms = strings = found = off = 0
    unused = np.zeros(3, dtype=np.int32)
    while at < size:
        tag, at = read_tag(buf, at, size)
        if at < 0:
            return False
        if tag == 0x22:
            start, at = read_length(buf, at, size)
            if at < 0:
                return False
            if fill:
                symbols[strings, 0], symbols[strings, 1] = start, at
            strings += 1
            continue
        if tag != 0x2A and tag >> 3 in (4, 5):
            return False
        if tag != 0x2A:
            at = skip(buf, at, size, tag)
            if at < 0:
                return False
            continue
        start, end = read_length(buf, at, size)
        if end < 0:
            return False
        at = start
        if fill:
            offsets[series] = found
            metadata[series] = 0
            created[series] = 0
        while at < end:
            tag, at = read_tag(buf, at, end)
            if at < 0:
                return False
            number, wire = tag >> 3, tag & 7
            if number in (1, 6):
                if wire == 2 and number == 1:
                    start, at = read_length(buf, at, end)
                elif wire == 0:
                    start = at
                    since, at = read_varint(buf, at, end)
                    if fill and number == 6:
                        created[series] = np.int64(since)
                else:
                    return False
                if at < 0:
                    return False
                if number == 1:
                    count = read_refs(buf, start, at, refs, found, fill)
                    if count < 0:
                        return False
                    found += count
            elif number >= 2 and number <= 5:
                if wire != 2:
                    return False
                start, at = read_length(buf, at, end)
                if at < 0:
                    return False
                if number == 2:
                    if fill:
                        value, time, since, good = read_sample(buf, start, at)
                        if not good:
                            return False
                        sample_series[samples] = series
                        times[samples] = time
                        starts[samples] = np.int64(since)
                        bits[samples] = value
                        if time < 0 or time >= LAST_MS:
                            off += 1
                    samples += 1
                elif number == 5:
                    if not _metadata(buf, start, at, metadata[series] if fill else unused):
                        return False
                else:
                    kind = 1 if number == 3 else 0
                    place = histograms if kind else exemplars
                    if fill:
                        point_series[kind, place] = series
                        point_spans[kind, place, 0], point_spans[kind, place, 1] = start, at
                    histograms += kind
                    exemplars += 1 - kind
            else:
                at = skip(buf, at, end, tag)
                if at < 0:
                    return False
        series += 1
    if fill:
        offsets[series] = found
    counts[SERIES] = series
    counts[SAMPLES] = samples
    counts[EXEMPLARS] = exemplars
    counts[HISTOGRAMS] = histograms
    counts[SYMBOLS] = strings
    counts[TIMES_OFF] = off
    counts[REFS] = found
    return True


@compiled
def hash_series(
    buf: Any,
    symbols: Any,
    offsets: Any,
    refs: Any,
    metadata: Any,
    k0: Any,
    k1: Any,
    keys: Any,
    described: Any,
) -> None:
    """
    Write the hash of each series' labels, and that of its metadata; zero where it has none.

    A symbol counts by what it says, not by its number. References are in range.
    """
    low = np.empty(len(symbols), dtype=np.uint64)
    high = np.empty(len(symbols), dtype=np.uint64)
    for symbol in range(len(symbols)):
        sip = sip_bytes(sip_start(k0, k1), buf, symbols[symbol, 0], symbols[symbol, 1])
        low[symbol], high[symbol] = sip_end(sip)
    for series in range(len(keys)):
        # Another key than that of the symbols: a symbol is no series.
        sip = sip_start(k1, k0)
        for place in range(offsets[series], offsets[series + 1]):
            ref = refs[place]
            sip = sip_word(sip_word(sip, low[ref]), high[ref])
        keys[series, 0], keys[series, 1] = U64(0), U64(0)
        if offsets[series] < offsets[series + 1]:
            keys[series, 0], keys[series, 1] = sip_end(sip)
        kind, text, unit = metadata[series, 0], metadata[series, 1], metadata[series, 2]
        described[series] = 0
        if kind != 0 or text != 0 or unit != 0:
            sip = sip_word(sip_start(k1, k0), U64(kind))
            sip = sip_word(sip_word(sip, low[text]), high[text])
            sip = sip_word(sip_word(sip, low[unit]), high[unit])
            described[series], _ = sip_end(sip)

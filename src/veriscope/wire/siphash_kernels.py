"""
The keyed hash by which series and streams are known again, compiled: SipHash-1-3 of 128 bits.

A pseudo-random function: who does not know the key cannot make two inputs of one hash. Aumasson
and Bernstein, https://www.aumasson.jp/siphash/siphash.pdf; with one round a word and three at the
end, as Rust and Python hash what strangers may choose, for hashes that nobody is shown.
"""

from typing import Any, Final, TypeAlias

import numpy as np

from veriscope.signals.compiled import compiled
from veriscope.wire.protobuf_kernels import read_word

U64: Final = np.uint64
Sip: TypeAlias = tuple[Any, Any, Any, Any]


@compiled
def _sip_round(v0: Any, v1: Any, v2: Any, v3: Any) -> Sip:
    v0 += v1
    v1 = (v1 << U64(13) | v1 >> U64(51)) ^ v0
    v0 = v0 << U64(32) | v0 >> U64(32)
    v2 += v3
    v3 = (v3 << U64(16) | v3 >> U64(48)) ^ v2
    v0 += v3
    v3 = (v3 << U64(21) | v3 >> U64(43)) ^ v0
    v2 += v1
    v1 = (v1 << U64(17) | v1 >> U64(47)) ^ v2
    v2 = v2 << U64(32) | v2 >> U64(32)
    return v0, v1, v2, v3


@compiled
def sip_start(k0: Any, k1: Any) -> Sip:
    """Begin a hash under the key (*k0*, *k1*)."""
    return (
        k0 ^ U64(0x736F6D6570736575),
        k1 ^ U64(0x646F72616E646F6D ^ 0xEE),
        k0 ^ U64(0x6C7967656E657261),
        k1 ^ U64(0x7465646279746573),
    )


@compiled
def sip_word(sip: Sip, value: Any) -> Sip:
    """Take in eight bytes."""
    v0, v1, v2, v3 = sip
    v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3 ^ value)
    return v0 ^ value, v1, v2, v3


@compiled
def sip_bytes(sip: Sip, buf: Any, at: int, end: int) -> Sip:
    """Take in how many bytes there are from *at* to *end*, and these."""
    sip = sip_word(sip, U64(end - at))
    while at + 8 <= end:
        sip = sip_word(sip, read_word(buf, at))
        at += 8
    if at < end:
        rest = U64(0)
        for place in range(end - at):
            rest |= U64(buf[U64(at + place)]) << U64(8 * place)
        sip = sip_word(sip, rest)
    return sip


@compiled
def sip_end(sip: Sip) -> tuple[Any, Any]:
    """Return the two halves of the hash."""
    v0, v1, v2, v3 = sip
    v2 ^= U64(0xEE)
    for _ in range(3):
        v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3)
    low = v0 ^ v1 ^ v2 ^ v3
    v1 ^= U64(0xDD)
    for _ in range(3):
        v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3)
    return low, v0 ^ v1 ^ v2 ^ v3

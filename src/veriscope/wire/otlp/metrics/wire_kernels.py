"""Machine code for protobuf's wire format and for the keyed hash of streams."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled

Bytes: TypeAlias = NDArray[np.uint8]
Sip: TypeAlias = tuple[Any, Any, Any, Any]

signed: Any = np.int64
"""Makes 64 bits a signed number, in a kernel."""

_LOW_BITS: Final = np.uint64(0x7F)
_WIRE_TYPE: Final = np.uint64(7)
_FIELD_SHIFT: Final = np.uint64(3)
_MAX_TAG: Final = np.uint64(0xFFFF_FFFF)
_ZERO: Final = np.uint64(0)
_WORD_BITS: Final = np.uint64(64)


@compiled
def varint(buffer: Bytes, at: int, end: int) -> tuple[Any, int]:
    """Return the varint at *at* and the place behind it; -1 where none ends before *end*."""
    value = _ZERO
    shift = 0
    while at < end and shift < 64:
        byte = buffer[at]
        at += 1
        value |= (np.uint64(byte) & _LOW_BITS) << np.uint64(shift)
        if byte < 0x80:
            return value, at
        shift += 7
    return value, -1


@compiled
def word(buffer: Bytes, at: int) -> Any:
    """Return the eight bytes at *at* as a little-endian number."""
    value = _ZERO
    for place in range(8):
        value |= np.uint64(buffer[at + place]) << np.uint64(8 * place)
    return value


@compiled
def next_field(buffer: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """
    Return tag, start and end of the content of the field at *at*; its end is the next one's start.

    The tag is -1 where there is no whole field before *end*, or a group, which OTLP has none of.
    """
    tag, at = varint(buffer, at, end)
    if at < 0 or tag > _MAX_TAG or tag >> _FIELD_SHIFT == _ZERO:
        return -1, end, end
    wire_type = signed(tag & _WIRE_TYPE)
    stop = -1
    if wire_type == 2:
        length, at = varint(buffer, at, end)
        if at >= 0 and length <= np.uint64(end - at):
            stop = at + signed(length)
    elif wire_type == 0:
        _, stop = varint(buffer, at, end)
    elif wire_type == 1:
        stop = at + 8
    elif wire_type == 5:
        stop = at + 4
    if stop < 0 or stop > end:
        return -1, end, end
    return signed(tag), at, stop


@compiled
def is_message(buffer: Bytes, at: int, end: int) -> bool:
    """Return whether whole fields fill the bytes from *at* to *end*."""
    while at < end:
        tag, _, at = next_field(buffer, at, end)
        if tag < 0:
            return False
    return True


@compiled
def are_varints(buffer: Bytes, at: int, end: int) -> bool:
    """Return whether whole varints fill the bytes from *at* to *end*."""
    while at < end:
        _, at = varint(buffer, at, end)
        if at < 0:
            return False
    return True


@compiled
def zigzag(value: Any) -> Any:
    """Return the signed number that protobuf spells as *value*, of 32 bits."""
    low = signed(value & _MAX_TAG)
    return (low >> 1) ^ -(low & 1)


@compiled
def _rotated(value: Any, count: Any) -> Any:
    return (value << count) | (value >> (_WORD_BITS - count))


_13: Final = np.uint64(13)
_16: Final = np.uint64(16)
_17: Final = np.uint64(17)
_21: Final = np.uint64(21)
_32: Final = np.uint64(32)


@compiled
def _sip_round(v0: Any, v1: Any, v2: Any, v3: Any) -> Sip:
    v0 += v1
    v1 = _rotated(v1, _13) ^ v0
    v0 = _rotated(v0, _32)
    v2 += v3
    v3 = _rotated(v3, _16) ^ v2
    v0 += v3
    v3 = _rotated(v3, _21) ^ v0
    v2 += v1
    v1 = _rotated(v1, _17) ^ v2
    v2 = _rotated(v2, _32)
    return v0, v1, v2, v3


_SIP_0: Final = np.uint64(0x736F6D6570736575)
_SIP_1: Final = np.uint64(0x646F72616E646F6D ^ 0xEE)
_SIP_2: Final = np.uint64(0x6C7967656E657261)
_SIP_3: Final = np.uint64(0x7465646279746573)
_SIP_LOW: Final = np.uint64(0xEE)
_SIP_HIGH: Final = np.uint64(0xDD)


@compiled
def sip_start(key_0: Any, key_1: Any) -> Sip:
    """
    Begin SipHash-1-3 with 128 bits under a key.

    Who does not know the key cannot make two streams that have the same hash. Source: Aumasson
    and Bernstein, "SipHash: a fast short-input PRF".
    """
    return key_0 ^ _SIP_0, key_1 ^ _SIP_1, key_0 ^ _SIP_2, key_1 ^ _SIP_3


@compiled
def sip_word(sip: Sip, value: Any) -> Sip:
    """Take in eight bytes."""
    v0, v1, v2, v3 = sip
    v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3 ^ value)
    return v0 ^ value, v1, v2, v3


@compiled
def sip_bytes(sip: Sip, buffer: Bytes, at: int, end: int) -> Sip:
    """Take in the bytes from *at* to *end*, and how many they are."""
    sip = sip_word(sip, np.uint64(end - at))
    while at + 8 <= end:
        sip = sip_word(sip, word(buffer, at))
        at += 8
    if at < end:
        rest = _ZERO
        for place in range(end - at):
            rest |= np.uint64(buffer[at + place]) << np.uint64(8 * place)
        sip = sip_word(sip, rest)
    return sip


@compiled
def sip_end(sip: Sip) -> tuple[Any, Any]:
    """Return the two halves of the hash."""
    v0, v1, v2, v3 = sip
    v2 ^= _SIP_LOW
    for _ in range(3):
        v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3)
    low = v0 ^ v1 ^ v2 ^ v3
    v1 ^= _SIP_HIGH
    for _ in range(3):
        v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3)
    return low, v0 ^ v1 ^ v2 ^ v3

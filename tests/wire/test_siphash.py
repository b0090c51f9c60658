"""The keyed hash of series and streams, held against a slow and obvious one."""

import struct
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from veriscope.wire.siphash_kernels import sip_bytes, sip_end, sip_start

KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
WORDS = st.integers(0, 2**64 - 1)


@numba.njit
def fast_siphash(buffer: Any, at: int, end: int, key: Any) -> Any:
    """Return what the kernels make of bytes; in a kernel, for outside words become signed."""
    return sip_end(sip_bytes(sip_start(key[0], key[1]), buffer, at, end))


def slow_siphash(
    words: Sequence[int], key: tuple[int, int], each: int = 1, last: int = 3
) -> tuple[int, int]:
    """Return SipHash of 128 bits as its paper has it: *each* rounds a word, *last* at the end."""
    mask = 2**64 - 1
    v = [0x736F6D6570736575, 0x646F72616E646F6D ^ 0xEE, 0x6C7967656E657261, 0x7465646279746573]
    v = [word ^ key[place % 2] for place, word in enumerate(v)]

    def turn(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & mask

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & mask
            v[2] = (v[2] + v[3]) & mask
            v[1], v[3] = turn(v[1], 13) ^ v[0], turn(v[3], 16) ^ v[2]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[1]) & mask
            v[0] = (v[0] + v[3]) & mask
            v[1], v[3] = turn(v[1], 17) ^ v[2], turn(v[3], 21) ^ v[0]
            v[2] = turn(v[2], 32)

    for word in words:
        v[3] ^= word
        rounds(each)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(last)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(last)
    return low, v[0] ^ v[1] ^ v[2] ^ v[3]


def test_the_slow_hash_is_siphash() -> None:
    """The paper's own vector of the empty message under the key 00 01 … 0f, with its rounds."""
    found = slow_siphash([0], KEY, each=2, last=4)
    assert struct.pack("<QQ", *found).hex() == "a3817f04ba25a8e66df67214c7550293"


@given(st.binary(max_size=40), st.binary(max_size=9), st.tuples(WORDS, WORDS))
def test_the_hash_of_any_bytes_is_siphash(
    message: bytes, before: bytes, key: tuple[int, int]
) -> None:
    """Every length of the last word, at any place, under any key; the length counts too."""
    buffer = np.frombuffer(before + message + b"\xff", dtype=np.uint8)
    first, end = len(before), len(before) + len(message)
    low, high = fast_siphash(buffer, first, end, np.array(key, dtype=np.uint64))
    padded = message + bytes(-len(message) % 8)
    words = [word for (word,) in struct.iter_unpack("<Q", padded)]
    assert (int(low), int(high)) == slow_siphash([len(message), *words], key)

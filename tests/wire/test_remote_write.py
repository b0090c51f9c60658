"""Framing, limits and encoding of remote write."""

import contextlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.signals import InvalidInputError, LimitExceededError, SampleBatch
from veriscope.wire import remote_write
from veriscope.wire.protobuf_fields import varint


@given(st.binary(max_size=2000))
def test_snappy_gives_back_what_it_took(message: bytes) -> None:
    """Compression is lossless."""
    assert remote_write.decompress(remote_write.compress(message), 2000) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_unpacked_or_refused(body: bytes) -> None:
    """Whatever arrives, the answer is a message or a reason."""
    with contextlib.suppress(InvalidInputError):
        assert len(remote_write.decompress(body, 10_000)) <= 10_000


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """The announced size is looked at first."""
    bomb = remote_write.compress(bytes(50_000_000))
    assert len(bomb) < 3_000_000
    with pytest.raises(LimitExceededError, match="50,000,000 bytes, 1,000 allowed"):
        remote_write.decompress(bomb, 1000)


def test_a_lie_is_refused_before_memory_is_taken_for_it() -> None:
    """No block of seven bytes unpacks to 64 MiB."""
    lie = varint(64 << 20) + b"\x08abc"
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match="8 bytes cannot unpack to the 67,108,864"):
            remote_write.decompress(lie, 64 << 20)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_shortest_block_is_no_lie() -> None:
    """What repeats is spelt with three bytes for 64."""
    message = bytes(60_000_000)
    assert remote_write.decompress(remote_write.compress(message), len(message)) == message
    copies = varint(1 + 64 * 1_000) + b"\x00a" + b"\xfe\x01\x00" * 1_000
    assert remote_write.decompress(copies, 100_000) == b"a" * (1 + 64 * 1_000)


def test_a_truncated_block_is_refused() -> None:
    """Half a block is not a message."""
    block = remote_write.compress(bytes(range(256)) * 10)
    with pytest.raises(InvalidInputError, match="truncated or corrupt"):
        remote_write.decompress(block[: len(block) // 2], 10_000)


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=4))
def test_a_lent_message_is_the_message(messages: list[bytes]) -> None:
    """Whatever was unpacked before it, longer or shorter."""
    unpacker = remote_write.Unpacker()
    for message in messages:
        with unpacker.unpacked(remote_write.compress(message), 2000) as lent:
            assert lent == message


def test_messages_are_unpacked_to_the_same_memory() -> None:
    """One after the other; never two at a time."""
    unpacker = remote_write.Unpacker()
    body = remote_write.compress(b"message")

    def address(lent: memoryview) -> int:
        return int(np.frombuffer(lent, dtype=np.uint8).ctypes.data)

    with unpacker.unpacked(body, 100) as one, unpacker.unpacked(body, 100) as other:
        both = {address(one), address(other)}
    assert len(both) == 2
    with unpacker.unpacked(body, 100) as again:
        assert address(again) in both


@pytest.mark.parametrize("body", [b"", b"\x05abc", remote_write.compress(bytes(99))[:-1]])
def test_what_cannot_be_unpacked_is_not_lent(body: bytes) -> None:
    """The reason is the same as where memory is not shared."""
    with (
        pytest.raises(InvalidInputError, match="snappy"),
        remote_write.Unpacker().unpacked(body, 1_000),
    ):
        pytest.fail("a broken message was lent")


@given(st.integers(0, 2**63 - 1))
def test_varints_are_protobufs(number: int) -> None:
    """Seven bits a byte, least first, the highest bit says that more follow."""
    encoded = varint(number)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded)) == number
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]


def test_a_series_without_samples_is_left_out() -> None:
    """Nothing is sent for it."""
    labels = ((("__name__", "a"),), (("__name__", "b"),))
    batch = SampleBatch(labels, np.array([1], dtype=np.uint32), np.array([5]), np.array([1.0]))
    assert b"a" not in remote_write.encode(batch).replace(b"__name__", b"")

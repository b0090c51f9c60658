"""Blocks of ClickHouse's `Native` format."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from veriscope.store import EngineError, Store
from veriscope.store.blocks import read_blocks

KINDS = {"UInt64": "<u8", "Int64": "<i8", "Float64": "<f8"}


def varint(value: int) -> bytes:
    """Return *value* as ClickHouse and protobuf write it."""
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)


def text(value: str) -> bytes:
    """Return *value* with its length before it."""
    return varint(len(value)) + value.encode()


def block(kinds: list[str], rows: int) -> bytes:
    """Return a block whose columns count up from their own place."""
    columns = [
        text(f"c{place}") + text(kind) + (np.arange(rows) + place).astype(KINDS[kind]).tobytes()
        for place, kind in enumerate(kinds)
    ]
    return varint(len(kinds)) + varint(rows) + b"".join(columns)


def read(body: bytes) -> list[tuple[NDArray[Any], ...]]:
    """Read all blocks of *body*."""
    return list(read_blocks(io.BytesIO(body)))


@given(
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4),
    st.lists(st.integers(0, 300), max_size=5),
)
def test_columns_are_read_as_they_were_written(kinds: list[str], sizes: list[int]) -> None:
    """Of every type and in every size; blocks without rows are passed over."""
    found = read(b"".join(block(kinds, rows) for rows in sizes))
    assert [len(columns[0]) for columns in found] == [rows for rows in sizes if rows]
    for columns in found:
        for place, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
            assert column.dtype == KINDS[kind]
            assert column.tolist() == (np.arange(len(column)) + place).tolist()


@given(st.data())
def test_an_answer_that_breaks_off_is_an_error(data: st.DataObject) -> None:
    """Wherever it does, but between two blocks."""
    body = block(["UInt64", "Float64"], 200)
    end = data.draw(st.integers(1, len(body) - 1))
    with pytest.raises(EngineError, match="broke off"):
        read(body + body[:end])


def test_other_types_are_refused() -> None:
    """Their bytes would be taken for something else."""
    with pytest.raises(EngineError, match="type b'String'"):
        read(varint(1) + varint(1) + text("c") + text("String") + text("x"))


def test_the_engine_streams_what_it_answers(store: Store) -> None:
    """All rows in their order, and a client that can be used again, whatever happened."""
    engine = store._engine
    sql = "SELECT number AS n, toInt64(number) - 5 AS i, number / 2 AS f FROM numbers({n:UInt64})"
    blocks = list(engine.stream(sql, {"n": 200_000}, {"max_block_size": 10_000}))
    assert len(blocks) > 1
    whole = [np.concatenate(columns) for columns in zip(*blocks, strict=True)]
    numbers = np.arange(200_000)
    for column, expected in zip(whole, (numbers, numbers - 5, numbers / 2), strict=True):
        np.testing.assert_array_equal(column, expected)
    for _ in range(6):
        unfinished = engine.stream(sql, {"n": 10_000_000})
        next(unfinished)
        unfinished.close()
    for _ in range(6):
        with pytest.raises(EngineError, match="throwIf"):
            list(engine.stream(f"{sql} WHERE NOT throwIf(number = 150000)", {"n": 200_000}))
    assert engine.query("SELECT 1 AS one")["one"].to_pylist() == [1]

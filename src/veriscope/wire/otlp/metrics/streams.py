"""The streams that are known: their hashes, their series, and what deltas have come to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Labels
from veriscope.wire.otlp.metrics.exponential_kernels import MAX_BUCKETS
from veriscope.wire.otlp.metrics.find_kernels import enter
from veriscope.wire.otlp.metrics.layout import ExponentialColumn as E
from veriscope.wire.otlp.metrics.layout import Exponentials, Sums, Table
from veriscope.wire.otlp.metrics.layout import StreamColumn as C
from veriscope.wire.otlp.metrics.names import Kind

Column = TypeVar("Column", bound=NDArray[Any])

NO_STATE: Final = -1

MANY_BLOCKS: Final = 16
"""Blocks of a request from which on its small ones are joined."""

# A sum of exponential histograms takes 2.7 kB.
_MAX_EXPONENTIALS: Final = 50_000
_SMALL_BLOCK: Final = 256


@dataclass(frozen=True, slots=True)
class NewStream:
    """A stream that was not known: its hash and its series, or why it is refused."""

    low: int
    high: int
    kind: Kind
    series: tuple[Labels, ...] = ()
    refusal: str = ""
    shape: tuple[float, ...] = ()
    """What tells histograms with custom buckets apart, see `Translator.series`."""
    is_delta: bool = False
    resets: bool = False
    """Whether its sum begins with 0, as those of counters and histograms do."""


class StreamTable:
    """
    What is remembered of streams, of *max_streams* at most: past it the older half is forgotten.

    A forgotten stream is translated again when it comes again; a sum of deltas then begins anew.
    Series stand in blocks, tuples of label sets that never change, so that the store can
    remember what it made of each.
    """

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self.count = 0
        self.table: Table = (_slots(16), np.empty(8, np.uint64), np.empty(8, np.uint64))
        self.rows = np.empty((8, len(C)), np.int64)
        self.blocks: dict[int, tuple[Labels, ...]] = {}
        self.refusals: dict[int, str] = {}
        self._next_block = 0
        self.sums: Sums = (np.zeros((1, 3), np.int64), np.zeros(1))
        self.exponentials = _exponentials(np.zeros((1, len(E)), np.int64))
        self._states: list[_State] = []
        self._state_of: dict[tuple[Kind, tuple[Labels, ...], tuple[float, ...]], int] = {}
        self._numbers = self._exponential_rows = 0

    def add(self, new: Sequence[NewStream], now: int) -> NDArray[np.int64]:
        """Remember streams as seen at turn *now*, and return their numbers."""
        first, end = self.count, self.count + len(new)
        self._make_room(end)
        block = self._add_block([labels for stream in new for labels in stream.series])
        _, low, high = self.table
        offset = 0
        for row, stream in enumerate(new, first):
            state, refused = self._state(stream), bool(stream.refusal)
            low[row], high[row] = stream.low, stream.high
            self.rows[row] = (block, offset, refused, state, stream.resets, now, 0)
            offset += len(stream.series)
            if refused:
                self.refusals[row] = stream.refusal
        self.count = end
        enter(self.table, first, end)
        return np.arange(first, end)

    def trim(self) -> None:
        """Forget the older half where there are too many; streams get other numbers by it."""
        if self.count > self._max_streams or self._exponential_rows > _MAX_EXPONENTIALS:
            self._forget()

    def join_small_blocks(self, touched: Iterable[int]) -> None:
        """
        Make one block of the small ones among *touched*, where they are many.

        A sender whose streams come one by one would else have its requests cut into as many
        batches. The store must remember the joined block anew, which each series sees twice or so.
        """
        small = [block for block in touched if len(self.blocks[block]) < _SMALL_BLOCK]
        if len(small) < MANY_BLOCKS:
            return
        joined = self._add_block([labels for block in small for labels in self.blocks[block]])
        bases = np.cumsum([0, *(len(self.blocks[block]) for block in small)])
        own = self.rows[: self.count]
        for block, base in zip(small, bases[:-1].tolist(), strict=True):
            moved = own[:, C.BLOCK] == block
            own[moved, C.OFFSET] += base
            own[moved, C.BLOCK] = joined
            del self.blocks[block]

    def _add_block(self, labels: list[Labels]) -> int:
        block = self._next_block
        self.blocks[block] = tuple(labels)
        self._next_block += 1
        return block

    def _state(self, stream: NewStream) -> int:
        """Return where *stream* is summed up: the same for other spellings of its attributes."""
        if not stream.is_delta or stream.refusal:
            return NO_STATE
        # Sums of other buckets are other sums, or they would run into those beside them.
        identity = (stream.kind, stream.series, stream.shape)
        if (known := self._state_of.get(identity)) is not None:
            return known
        state = self._state_of[identity] = len(self._states)
        heads, numbers = self.sums
        is_exponential = stream.kind is Kind.EXPONENTIAL_HISTOGRAM
        count = 2 + int(stream.shape[0]) if stream.shape else len(stream.series)
        base = self._exponential_rows if is_exponential else self._numbers
        if is_exponential:
            self._exponential_rows += 1
            rows = _longer(self.exponentials[0], self._exponential_rows)
            if rows is not self.exponentials[0]:
                self.exponentials = _exponentials(rows, _longer(self.exponentials[2], len(rows)))
            rows[base] = 0
        else:
            self._numbers += count
            numbers = _longer(numbers, self._numbers)
            numbers[base : self._numbers] = 0
        self._states.append(_State(is_exponential, count))
        heads = _longer(heads, state + 1)
        heads[state] = (0, 0, base)
        self.sums = (heads, numbers)
        return state

    def _make_room(self, count: int) -> None:
        slots, low, high = self.table
        self.rows = _longer(self.rows, count)
        self.table = (slots, _longer(low, count), _longer(high, count))
        if 2 * count > len(slots):
            self.table = (_slots(1 << (4 * count - 1).bit_length()), *self.table[1:])
            enter(self.table, 0, self.count)

    def _forget(self) -> None:
        """Keep the newer half of the streams, and what belongs to them."""
        used = self.rows[: self.count, C.USED]
        kept = np.sort(np.argsort(used, kind="stable")[self.count - self.count // 2 :])
        places = {old: new for new, old in enumerate(kept.tolist()) if old in self.refusals}
        self.refusals = {new: self.refusals[old] for old, new in places.items()}
        self.rows = self.rows[kept]
        self.count = len(kept)
        self.blocks = {
            block: self.blocks[block] for block in np.unique(self.rows[:, C.BLOCK]).tolist()
        }
        slots, low, high = self.table
        self.table = (_slots(len(slots)), low[kept], high[kept])
        enter(self.table, 0, self.count)
        self._forget_states()

    def _forget_states(self) -> None:
        """Keep the states that a stream has, and give them other numbers."""
        (heads, numbers), exponentials, identities = self.sums, self.exponentials, self._state_of
        self.sums = (np.zeros((1, 3), np.int64), np.zeros(1))
        self.exponentials = _exponentials(np.zeros((1, len(E)), np.int64))
        states, own = self._states, self.rows[:, C.STATE]
        kept = set(np.unique(own).tolist())
        self._states, self._state_of = [], {}
        self._numbers = self._exponential_rows = 0
        moved = {NO_STATE: NO_STATE}
        for (kind, series, shape), old in identities.items():
            if old not in kept:
                continue
            stream = NewStream(0, 0, kind, series, shape=shape, is_delta=True)
            new = moved[old] = self._state(stream)
            self.sums[0][new, :2] = heads[old, :2]
            base, old_base = self.sums[0][new, 2], heads[old, 2]
            if states[old].is_exponential:
                self.exponentials[0][base] = exponentials[0][old_base]
                self.exponentials[2][base] = exponentials[2][old_base]
            else:
                count = states[old].numbers
                self.sums[1][base : base + count] = numbers[old_base : old_base + count]
        own[:] = [moved[state] for state in own.tolist()]


@dataclass(frozen=True, slots=True)
class _State:
    is_exponential: bool
    numbers: int


def _slots(length: int) -> NDArray[np.int32]:
    return np.full(length, -1, np.int32)


def _exponentials(
    rows: NDArray[np.int64], counts: NDArray[np.float64] | None = None
) -> Exponentials:
    if counts is None:
        counts = np.zeros((len(rows), 2, MAX_BUCKETS))
    return rows, rows.view(np.float64), counts


def _longer(column: Column, length: int) -> Column:
    """Return *column* with room for *length* rows, at least twice as many where it must grow."""
    if length <= len(column):
        return column
    grown = np.zeros((max(length, 2 * len(column)), *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    return cast("Column", grown)

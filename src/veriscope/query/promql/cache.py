"""Answers that are kept for the next time they are asked, and never wrong about late samples."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np

from veriscope.query.promql.nodes import (
    Absent,
    AggregateNode,
    BinaryNode,
    Information,
    InstantCall,
    NegationNode,
    Newest,
    Node,
    RangeCall,
    Repeat,
    SamplesRead,
    SubqueryRead,
)
from veriscope.signals import Grid, LabelSets, Matrix

_NEVER: Final = -(2**62)
_ROW_BYTES: Final = 16
"""What an answer takes for each series beside its points, whose labels it shares."""
_OWN_BYTES: Final = 1_024
"""What an answer takes whatever is in it."""
_TEXT_BYTES: Final = 30
"""What a point takes as JSON, about."""
KEPT_TEXT_BYTES: Final = 256 << 10
"""Texts up to this length are kept beside their answers."""
_LARGEST_SHARE: Final = 4
"""An answer may take this part of the cache at most, so that one does not push out all others."""

_LOOK_EVERY_S: Final = 0.05
"""How often who waits for another's answer looks whether to go on waiting."""

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Up to when an answer looks at data.

    A step at *t* depends on data up to `t + ahead_ms`, and every step on data up to `pinned_ms`.
    """

    ahead_ms: int = _NEVER
    pinned_ms: int = _NEVER

    def __or__(self, other: "Reach") -> "Reach":
        """Return the reach of what depends on both."""
        return Reach(max(self.ahead_ms, other.ahead_ms), max(self.pinned_ms, other.pinned_ms))

    def last_ms(self, grid: Grid) -> int:
        """Return the last moment whose data the answer on *grid* depends on."""
        return max(grid.last_ms + self.ahead_ms, self.pinned_ms)


def reach(node: Node | None) -> Reach:
    """Return up to when *node* looks at data."""
    match node:
        case SamplesRead(grid, fetch, pinned=True):
            return Reach(pinned_ms=fetch.end_ms)
        case SamplesRead(grid, fetch):
            return Reach(ahead_ms=fetch.end_ms - grid.last_ms)
        case SubqueryRead(grid, inner, ends, pinned=pinned):
            return _of_subquery(reach(inner), ends.last_ms, grid, pinned=pinned)
        case Information(grid, inner, _, ends):
            # Where the first selector is pinned, so are the info metrics; a later one is no harm.
            return reach(inner) | Reach(ends.last_ms - grid.last_ms, ends.last_ms)
    found = Reach()
    for part in _parts(node):
        found |= reach(part)
    return found


def _of_subquery(inner: Reach, end_ms: int, grid: Grid, *, pinned: bool) -> Reach:
    """Return the reach of a subquery whose steps end at *end_ms* for the last step of *grid*."""
    if inner.ahead_ms == _NEVER:
        return inner
    if pinned:
        return Reach(pinned_ms=max(end_ms + inner.ahead_ms, inner.pinned_ms))
    return Reach(end_ms - grid.last_ms + inner.ahead_ms, inner.pinned_ms)


def _parts(node: Node | None) -> tuple[Node | None, ...]:  # noqa: PLR0911 - one arm for each kind
    match node:
        case Newest(samples=samples):
            return (samples,)
        case RangeCall(samples=samples, params=params):
            return (samples, *params)
        case InstantCall(args=args):
            return args
        case Absent(inner=inner) | NegationNode(inner=inner) | Repeat(inner=inner):
            return (inner,)
        case AggregateNode(inner=inner, param=param):
            return (inner, param)
        case BinaryNode(first=first, applied=applied):
            return (first, *[right for _, right in applied])
    return ()


@dataclass(slots=True, eq=False)
class Entry(Generic[A]):
    """An answer on *grid*, from data as it was at *version* of the source."""

    answer: A
    grid: Grid
    reach: Reach
    version: int
    nbytes: int


class AnswerCache(Generic[A]):
    """
    The answers of late, of at most *max_bytes*; safe from many threads.

    The same question asked by several at a time is answered once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, Entry[A]] = OrderedDict()
        self._bytes = 0
        self.evictions = 0
        """Answers that were dropped to make room, since the start."""
        self._running: dict[Hashable, threading.Event] = {}

    @property
    def nbytes(self) -> int:
        """What the answers take."""
        return self._bytes

    def get(self, key: Hashable) -> Entry[A] | None:
        """Return what is kept under *key*."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: Hashable, entry: Entry[A]) -> None:
        """Keep *entry* instead of what was under *key*, and drop what was longest unused."""
        with self._lock:
            old = self._entries.pop(key, None)
            self._bytes -= 0 if old is None else old.nbytes
            if entry.nbytes > self._max_bytes // _LARGEST_SHARE:
                return
            self._entries[key] = entry
            self._bytes += entry.nbytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._entries.popitem(last=False)[1].nbytes
                self.evictions += 1

    @contextmanager
    def turn(self, key: Hashable, is_over: Callable[[], bool]) -> Iterator[None]:
        """
        Wait for whoever answers *key* at the moment, if anybody does, until *is_over*.

        Inside of the context, others that ask the same wait likewise.
        """
        mine = threading.Event()
        with self._lock:
            other = self._running.setdefault(key, mine)
        if other is not mine:
            while not other.wait(_LOOK_EVERY_S) and not is_over():
                pass
        try:
            yield
        finally:
            if other is mine:
                with self._lock:
                    del self._running[key]
                mine.set()


def answer_bytes(answer: object) -> int:
    """Return what *answer* takes in memory, roughly."""
    if isinstance(answer, Matrix):
        text = _TEXT_BYTES * answer.values.size
        text = text if text <= KEPT_TEXT_BYTES else 0
        numbers = answer.values.nbytes + answer.present.nbytes
        return numbers + text + _ROW_BYTES * len(answer.labels) + _OWN_BYTES
    return _OWN_BYTES + (len(answer) if isinstance(answer, str) else 0)


def is_right(entry: Entry[A], changed_ms: int | None) -> bool:
    """
    Tell whether *entry* would be the same again.

    *changed_ms* is the least time of what has changed since: None where nothing has, below 0
    where it may be anything.
    """
    return changed_ms is None or 0 <= changed_ms > entry.reach.last_ms(entry.grid)


def reusable_steps(entry: Entry[A], grid: Grid, changed_ms: int | None) -> int:
    """
    Return how many of the first steps of *grid* are in *entry* and still right.

    For *changed_ms* see `is_right`.
    """
    old = entry.grid
    aligned = old.step_ms == grid.step_ms and (grid.start_ms - old.start_ms) % old.step_ms == 0
    if not aligned or not old.start_ms <= grid.start_ms <= old.last_ms:
        return 0
    until_ms = old.last_ms + 1
    if changed_ms is not None:
        if changed_ms < 0 or changed_ms <= entry.reach.pinned_ms:
            return 0
        until_ms = min(until_ms, changed_ms - entry.reach.ahead_ms)
    found = -((grid.start_ms - until_ms) // grid.step_ms)
    # One step at least is evaluated, so that there is something to continue with.
    return max(0, min(found, len(grid) - 1))


def joined(old: Matrix, new: Matrix, grid: Grid) -> Matrix:
    """
    Return the answer on *grid*: its first steps from *old*, and the steps of *new* after them.

    *old* starts at or before *grid*, and *new* ends with it.
    """
    first = (grid.start_ms - old.grid.start_ms) // grid.step_ms
    kept = len(grid) - len(new.grid)
    window = slice(first, first + kept)
    labels = old.labels
    shape = (len(labels), len(grid))
    places = np.arange(len(labels))
    if new.labels is not labels and new.labels != labels:
        numbers = {row: place for place, row in enumerate(labels)}
        places = np.array([numbers.setdefault(row, len(numbers)) for row in new.labels], dtype=int)
        labels = LabelSets(numbers)
        shape = (len(labels), len(grid))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    values[: len(old.labels), :kept] = old.values[:, window]
    present[: len(old.labels), :kept] = old.present[:, window]
    values[places, kept:] = new.values
    present[places, kept:] = new.present
    return Matrix(labels, grid, values, present)

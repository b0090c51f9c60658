"""Bounded buffers that know how old their entries are, whatever the wall clock does."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, Self, TypeVar, overload

from veriscope.signals import Clock, SystemClock

T = TypeVar("T")

_SYSTEM_CLOCK: Final = SystemClock()


class WindowedBuffer(Sequence[T], Generic[T]):
    """
    The newest *maxlen* entries, each with the monotonic time at which it was true.

    It can be used where the documents have a `deque(maxlen=…)`: `append`, `extend`, `popleft`,
    `clear`, `len`, iteration and indices. Every method may be called from any thread: a reader
    sees the entries of one moment, and there is no lock that a fork could leave taken.
    """

    def __init__(self, maxlen: int | None, clock: Clock = _SYSTEM_CLOCK) -> None:
        self._entries: deque[tuple[int, float, T]] = deque(maxlen=maxlen)
        self._numbers = itertools.count()
        self._taken = 0
        self._clock = clock
        self.maxlen: Final = maxlen

    def append(self, item: T, *, age_s: float | None = None) -> None:
        """
        Add *item*, which was true *age_s* seconds ago; the oldest entry goes when it is full.

        Without *age_s* an `item.timestamp` (a `datetime`, naive ones are local time) in the past
        tells the age; an item without one, or with one in the future, is as old as this call.
        """
        if age_s is None:
            age_s = self._age_s(item)
        taken_s = self._clock.monotonic_s() - age_s
        self._entries.append((next(self._numbers), taken_s, item))

    def extend(self, items: Iterable[T]) -> None:
        """Append each of *items*."""
        for item in items:
            self.append(item)

    def popleft(self) -> T:
        """Take the oldest entry out; `IndexError` without one."""
        item = self._entries.popleft()[2]
        self._taken += 1
        return item

    def clear(self) -> None:
        """Forget all entries and `dropped`."""
        self._entries.clear()
        self._numbers = itertools.count()
        self._taken = 0

    def recent(self, duration_s: float) -> list[T]:
        """Return what is younger than *duration_s* seconds, in the order it was appended."""
        since_s = self._clock.monotonic_s() - duration_s
        return [item for _, taken_s, item in self._snapshot() if taken_s > since_s]

    @property
    def dropped(self) -> int:
        """How many entries had to go because the buffer was full."""
        entries = self._snapshot()
        return max(0, entries[0][0] - self._taken) if entries else 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        return (item for _, _, item in self._snapshot())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [item for _, _, item in self._snapshot()[index]]
        return self._entries[index][2]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r}, maxlen={self.maxlen})"

    def _snapshot(self) -> list[tuple[int, float, T]]:
        while True:
            try:
                return list(self._entries)
            except RuntimeError:  # another thread appended half-way: look again
                continue

    def _age_s(self, item: T) -> float:
        told = getattr(item, "timestamp", None)
        if told is None or not hasattr(told, "timestamp"):
            return 0.0
        return max(0.0, self._clock.now_ms() / 1000 - float(told.timestamp()))


class BufferAttribute(Generic[T]):
    """
    An attribute of a monitor that is a `WindowedBuffer`, whatever is assigned to it.

    A `deque`, as the documents have it, or any other iterable gives its entries and its `maxlen`.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> WindowedBuffer[T]: ...
    def __get__(self, instance: object, owner: type) -> Self | WindowedBuffer[T]:
        """Return the buffer."""
        if instance is None:
            return self
        found: WindowedBuffer[T] = getattr(instance, self._name)
        return found

    def __set__(self, instance: object, given: Iterable[T]) -> None:
        """Take *given*, or what it holds."""
        if not isinstance(given, WindowedBuffer):
            entries, maxlen = given, getattr(given, "maxlen", None)
            given = WindowedBuffer(maxlen, getattr(instance, "_clock", _SYSTEM_CLOCK))
            given.extend(entries)
        setattr(instance, self._name, given)

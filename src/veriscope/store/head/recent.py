"""What was computed of late, to be handed out again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The last *size* values that were asked for, by key; safe to use from many threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what was kept under *key*."""
        with self._lock:
            if (found := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: K, value: V) -> V:
        """Keep *value* under *key* unless there is one by now; return the one that is kept."""
        with self._lock:
            kept = self._kept.setdefault(key, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
            return kept

    def put(self, key: K, value: V) -> V:
        """Keep *value* under *key*, whatever there was, and return it."""
        with self._lock:
            self._kept.pop(key, None)
        return self.keep(key, value)

    def found(self, key: K, compute: Callable[[], V]) -> V:
        """Return what is kept under *key*, computed where there is nothing."""
        kept = self.get(key)
        return self.keep(key, compute()) if kept is None else kept

    def copied(self) -> "Recent[K, V]":
        """Return another that begins with the same."""
        made: Recent[K, V] = Recent(self._size)
        with self._lock:
            made._kept.update(self._kept)
        return made

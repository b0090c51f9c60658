"""A lock that a forked child finds open, even if a thread of the parent held it."""

import os
from threading import RLock
from types import TracebackType
from typing import Final
from weakref import WeakSet


class ForkLock:
    """A re-entrant lock; in a forked child it is a new one, its holder not being there."""

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        """Open the lock, whoever holds it."""
        self._lock = RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()


_locks: Final[WeakSet[ForkLock]] = WeakSet()


def _renew_all() -> None:
    for lock in _locks:
        lock.renew()


os.register_at_fork(after_in_child=_renew_all)

"""What a child made by `fork` needs: open locks, and objects that begin anew there."""

import os
from collections.abc import Callable
from threading import RLock
from types import TracebackType
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from veriscope.signals.log import get_log

Owner = TypeVar("Owner")
_log = get_log(__name__)


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
# No WeakMethod: that one prints an error where an object and its class end in one breath.
_renewals: Final[WeakKeyDictionary[object, list[Callable[[Any], None]]]] = WeakKeyDictionary()


def in_forked_child(owner: Owner, renew: Callable[[Owner], None]) -> None:
    """
    Call *renew* with *owner* in each forked child, as long as *owner* lives.

    It finds every `ForkLock` open. No thread but the one that forked is there, and a lock of
    any other kind may be held by one that is not.
    """
    _renewals.setdefault(owner, []).append(renew)


def _begin_anew() -> None:
    for lock in list(_locks):
        lock.renew()
    for owner, methods in list(_renewals.items()):
        for renew in methods:
            try:
                renew(owner)
            except Exception:  # noqa: BLE001 - the others must begin anew all the same
                _log.exception("cannot begin anew after a fork", what=repr(owner))


os.register_at_fork(after_in_child=_begin_anew)

"""What a child made by `fork` needs: open locks, and objects that begin anew there."""

import os
from collections.abc import Callable
from threading import RLock
from types import TracebackType
from typing import Any, Final
from weakref import WeakMethod, WeakSet

from veriscope.signals.log import get_log

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
_renewals: Final[dict[WeakMethod[Any], None]] = {}


def in_forked_child(renew: Callable[[], None]) -> None:
    """
    Call *renew*, a method, in each forked child, as long as its object lives.

    It finds every `ForkLock` open. No thread but the one that forked is there, and a lock of
    any other kind may be held by one that is not.
    """
    _renewals[WeakMethod(renew, _forget)] = None


def _forget(renewal: WeakMethod[Any]) -> None:
    _renewals.pop(renewal, None)


def _begin_anew() -> None:
    for lock in list(_locks):
        lock.renew()
    for renewal in list(_renewals):
        renew = renewal()
        if renew is not None:
            try:
                renew()
            except Exception:  # noqa: BLE001 - the others must begin anew all the same
                _log.exception("cannot begin anew after a fork", what=repr(renew))


os.register_at_fork(after_in_child=_begin_anew)

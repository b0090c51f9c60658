"""Forks and the ends of processes, so that each process delivers its own data once."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakSet

_PATIENCE_S: Final = 0.5
"""The longest that a fork waits for an exporter that reads the registry."""


class _Forkable(Protocol):
    """What is held at a fork and begins anew in the child."""

    def hold(self, timeout_s: float) -> Callable[[], None] | None: ...

    def start_over(self) -> None: ...

    def shutdown(self, timeout_s: float) -> bool: ...

    @property
    def options(self) -> Any: ...


_watched: Final[WeakSet[Any]] = WeakSet()
_forking = threading.local()


def watch(exporter: _Forkable) -> None:
    """Hold *exporter* at each fork, start it over in the child, shut it down at a child's end."""
    _watched.add(exporter)
    _end_with_multiprocessing(exporter)


def _before() -> None:
    held = (exporter.hold(_PATIENCE_S) for exporter in list(_watched))
    _forking.releases = [release for release in held if release is not None]


def _after_in_parent() -> None:
    for release in _forking.releases:
        release()


def _after_in_child() -> None:
    for exporter in list(_watched):
        exporter.start_over()
        _end_with_multiprocessing(exporter)


def _end_with_multiprocessing(exporter: _Forkable) -> None:
    """
    Shut *exporter* down at the end of a process of `multiprocessing`, which skips `atexit`.

    Its finalisers are forgotten when such a process begins its work, so that they must be
    registered after that; this is what `register_after_fork` (which `spawn` honours too) is for.
    """
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.register_after_fork(exporter, _finish_last)
        _finish_last(exporter)


def _finish_last(exporter: _Forkable) -> None:
    process, util = sys.modules["multiprocessing.process"], sys.modules["multiprocessing.util"]
    if process.parent_process() is not None:
        # Priority 0 or more: run it whatever else happens, before the others are.
        util.Finalize(None, _finish, args=(exporter,), exitpriority=0)


def _finish(exporter: _Forkable) -> None:
    exporter.shutdown(exporter.options.shutdown_timeout_s)


os.register_at_fork(
    before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)

"""Telling work in another thread to stop, because nobody waits for its answer any more."""

import threading
from collections.abc import Callable

from veriscope.signals.errors import VeriscopeError


class WorkCancelledError(VeriscopeError):
    """Whoever asked has gone, so the work was stopped; nobody reads the answer."""


class Cancellation:
    """
    A token that is handed down with a piece of work; safe from many threads.

    Work that computes asks `check` now and then. Work that waits for somebody else, such as the
    storage engine, registers with `on_cancel` what makes that one stop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether the work is to stop."""
        return self._cancelled

    def cancel(self) -> None:
        """
        Stop the work; callbacks run here and now, each once, so they must not wait for anything.

        A second call does nothing.
        """
        with self._lock:
            self._cancelled = True
            callbacks, self._callbacks = list(self._callbacks.values()), {}
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raise `WorkCancelledError` once the work is to stop."""
        if self._cancelled:
            raise WorkCancelledError("the query was cancelled: its client has gone")

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call *callback* when the work is to stop, at once where that is so already.

        Returns what to call when the work has ended, so that the callback is forgotten. One that
        runs at that very moment may still be running then.
        """
        key = object()
        with self._lock:
            late = self._cancelled
            if not late:
                self._callbacks[key] = callback
        if late:
            callback()
        return lambda: self._forget(key)

    def _forget(self, key: object) -> None:
        with self._lock:
            self._callbacks.pop(key, None)

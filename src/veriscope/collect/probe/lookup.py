"""
Name look-ups that cost the host process nothing but a thread for each name.

`getaddrinfo` cannot be cancelled. In the event loop's own executor, as asyncio does it, a name
server that hangs would take the threads that the host needs, and hold up its exit.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any, TypeAlias

from veriscope.instrument.forking import in_forked_child

_Key: TypeAlias = tuple[str, int, int]
"""Host, port, family."""
_Found: TypeAlias = list[tuple[Any, ...]]


class Lookups:
    """Looks up names in daemon threads; those who ask for the same name wait together."""

    def __init__(self) -> None:
        self._start_over()
        in_forked_child(self, Lookups._start_over)

    async def addresses(self, host: str, port: int, family: int) -> list[tuple[int, Any]]:
        """Return family and address of each way to *host*; raises `socket.gaierror`."""
        key = (host, port, family)
        try:
            found = _getaddrinfo(key, socket.AI_NUMERICHOST)
        except socket.gaierror:
            # A caller that runs out of time leaves the look-up to the others.
            found = await asyncio.shield(asyncio.wrap_future(self._join(key)))
        return [(entry[0], entry[4]) for entry in found]

    def _start_over(self) -> None:
        """Know of no look-up: a parent's threads are not in its forked child."""
        self._lock = threading.Lock()
        self._running: dict[_Key, Future[_Found]] = {}

    def _join(self, key: _Key) -> "Future[_Found]":
        with self._lock:
            future = self._running.get(key)
            if future is None:
                future = Future()
                threading.Thread(
                    target=self._run, args=(key, future), name="veriscope-lookup", daemon=True
                ).start()
                self._running[key] = future
            return future

    def _run(self, key: _Key, future: "Future[_Found]") -> None:
        try:
            found = _getaddrinfo(key)
        except (OSError, UnicodeError) as error:
            self._forget(key)
            future.set_exception(error)
        else:
            self._forget(key)
            future.set_result(found)

    def _forget(self, key: _Key) -> None:
        with self._lock:
            self._running.pop(key, None)


def _getaddrinfo(key: _Key, flags: int = 0) -> _Found:
    host, port, family = key
    return list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags))

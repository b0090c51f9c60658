"""An end to every exchange: a time-out between two bytes does not bound their sum."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Timer
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection


@contextmanager
def cut_off_after(seconds: float, current: Callable[[], socket.socket | None]) -> Iterator[None]:
    """
    Shut down the socket that *current* gives, if the body is not done after *seconds*.

    Raises `TimeoutError` then: what was read until there looks like an answer that is whole.
    """
    is_late = Event()

    def cut_off() -> None:
        is_late.set()
        with suppress(OSError):  # the other side was quicker
            if (found := current()) is not None:
                found.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if is_late.is_set():
            raise TimeoutError("the whole took too long")


class _Plain(HTTPConnection):
    def getresponse(self) -> Any:
        """Read status and headers, all of them within the time-out."""
        with cut_off_after(self.timeout or 0.0, lambda: self.sock):
            return super().getresponse()


class _Encrypted(HTTPSConnection):
    def getresponse(self) -> Any:
        """Read status and headers, all of them within the time-out."""
        with cut_off_after(self.timeout or 0.0, lambda: self.sock):
            return super().getresponse()


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Encrypted


def bound(pool: urllib3.PoolManager) -> urllib3.PoolManager:
    """Return *pool*, whose answers begin within the time-out of their requests or not at all."""
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}
    return pool

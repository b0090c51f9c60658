"""Waiting for a worker."""

import time
from types import TracebackType
from typing import Self

from prometheus_client import Counter, Gauge, Histogram


class QueueTicket:
    """
    A request's place in the queue, from its creation to `leave`; also a context manager.

    `leave` may be called from any thread, and counts once.
    """

    def __init__(self, depth: Gauge, wait: Histogram, rejected: Counter) -> None:
        self._depth = depth
        self._wait = wait
        self._rejected = rejected
        self._entered_s = time.perf_counter()
        self._left = False
        depth.inc()

    def leave(self) -> float:
        """End the waiting, because a worker has taken the request; return the wait in seconds."""
        waited_s = time.perf_counter() - self._entered_s
        if not self._left:
            self._left = True
            self._depth.dec()
            self._wait.observe(waited_s)
        return waited_s

    def reject(self) -> None:
        """End the waiting, because the queue is full: the wait is not recorded."""
        if not self._left:
            self._left = True
            self._depth.dec()
            self._rejected.inc()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

"""One check in flight: run beside the caller, so that one that hangs delays nobody for long."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from time import perf_counter
from typing import Any, TypeAlias

from veriscope.instrument.awaitables import is_async, resolved
from veriscope.instrument.health.result import CheckResult

Answer: TypeAlias = CheckResult | bool | str | None
Check: TypeAlias = Callable[[], Answer | Awaitable[Answer]]


class Flight:
    """
    A check that was started and may have been given up since.

    Where the caller has a *loop*, an `async` check runs in it, since connections belong to
    their loop. Every other check gets a daemon thread of its own, which no shutdown waits for.
    """

    def __init__(
        self,
        name: str,
        check: Check,
        loop: asyncio.AbstractEventLoop | None,
        started_s: float,
    ) -> None:
        self.started_s = started_s
        self.future: Future[Answer] = Future()
        self._check = check
        self.took_s = 0.0
        """Seconds that the check took; 0 until it has ended."""
        self._began_s = perf_counter()
        self._ended = threading.Event()
        self._loop = loop if loop is not None and is_async(check) else None
        if self._loop is not None:
            self.future = asyncio.run_coroutine_threadsafe(self._in_loop(), self._loop)
            return
        thread = threading.Thread(
            target=self._in_thread, name=f"veriscope-check-{name}", daemon=True
        )
        thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the check itself goes on, also after it was given up."""
        gone = self._loop is not None and self._loop.is_closed()
        return not (self._ended.is_set() or gone)

    def give_up(self) -> None:
        """Wait no longer: an `async` check is cancelled, a thread cannot be and goes on."""
        self.future.cancel()

    async def _in_loop(self) -> Answer:
        try:
            answer = self._check()
            return await answer if inspect.isawaitable(answer) else answer
        finally:
            self._end()

    def _in_thread(self) -> None:
        try:
            answer = self._check()
            if inspect.isawaitable(answer):
                answer = asyncio.run(resolved(answer))
        except BaseException as error:  # noqa: BLE001 - a thread has nobody else to tell
            self._end()
            _settle(self.future.set_exception, error)
        else:
            self._end()
            _settle(self.future.set_result, answer)

    def _end(self) -> None:
        self.took_s = perf_counter() - self._began_s
        self._ended.set()


def _settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
    try:
        set_outcome(outcome)
    except InvalidStateError:
        return  # it was given up meanwhile

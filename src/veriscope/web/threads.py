"""Where queries run: in threads, a bounded number at a time, a bounded number waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar

from starlette.types import Receive

from veriscope.query import QueryOptions, QueryTimeoutError
from veriscope.signals import OverloadedError, VeriscopeError
from veriscope.signals.cancel import Cancellation, WorkCancelledError

T = TypeVar("T")
# A query that is answered sooner than this is not worth a task that watches its client.
_UNWATCHED_S: Final = 0.02
_RETRY_AFTER_S: Final = 2


class Turn:
    """What a query is told when its turn has come."""

    def __init__(self, cancel: Cancellation, allowed_ms: int) -> None:
        self.cancel = cancel
        self.waited_s = 0.0
        self._allowed_ms = allowed_ms
        self._asked_s = perf_counter()

    def begin(self) -> None:
        """Note how long the query has waited; raises where nobody waits for it any more."""
        self.waited_s = perf_counter() - self._asked_s
        self.cancel.check()
        if self.left_ms <= 0:
            raise QueryTimeoutError(timeout_ms=self._allowed_ms)

    @property
    def left_ms(self) -> int:
        """The time that is left to the query, less what it waited."""
        return self._allowed_ms - int(self.waited_s * 1000)


class QueryThreads:
    """
    Threads of their own, so that heavy queries keep no other work of the process waiting.

    Past the bound on waiting queries a further one is refused with `OverloadedError`. A query
    whose client hangs up is cancelled.
    """

    def __init__(self, options: QueryOptions) -> None:
        self._options = options
        self._most = options.max_concurrent + options.max_waiting
        self._under_way = 0
        self._pool = ThreadPoolExecutor(options.max_concurrent, thread_name_prefix="query")

    async def run(
        self, receive: Receive, work: Callable[[Turn], T], timeout_ms: int | None = None
    ) -> T:
        """Return `work(turn)`, called in a thread; *timeout_ms* can only shorten the options'."""
        if self._under_way >= self._most:
            raise OverloadedError(
                f"{self._options.max_waiting} queries wait for their turn already, the most that"
                " may (query.max_waiting); try again later",
                retry_after_s=_RETRY_AFTER_S,
            )
        allowed_ms = min(timeout_ms or self._options.timeout, self._options.timeout)
        turn = Turn(Cancellation(), allowed_ms)
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._under_way += 1
        job = self._pool.submit(self._take_turn, work, turn, answer)
        watch = _Watch(receive, turn.cancel, lambda: self._give_up(job, answer))
        try:
            return await answer
        except VeriscopeError:
            # The engine speaks of a killed query, or of whatever that broke.
            turn.cancel.check()
            raise
        except asyncio.CancelledError:
            # The server stops: whoever waits for the answer is let go, so the query must end too.
            turn.cancel.cancel()
            self._give_up(job, answer)
            raise
        finally:
            watch.stop()

    async def call(self, work: Callable[[], T]) -> T:
        """Return `work()`, called in a thread: the rest of what a query had begun."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _take_turn(
        self, work: Callable[[Turn], T], turn: Turn, answer: "asyncio.Future[T]"
    ) -> None:
        """Work, in a thread, and hand over what comes of it with a single word to the loop."""
        deliver: Callable[[], None]
        try:
            turn.begin()
            deliver = partial(answer.set_result, work(turn))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            deliver = partial(answer.set_exception, error)
        answer.get_loop().call_soon_threadsafe(self._leave, answer, deliver)

    def _leave(self, answer: "asyncio.Future[Any]", deliver: Callable[[], None]) -> None:
        self._under_way -= 1
        if not answer.done():
            deliver()

    def _give_up(self, job: "Future[None]", answer: "asyncio.Future[Any]") -> None:
        """Take a query that nobody waits for out of the queue, where it is still in it."""
        if job.cancel():
            error = WorkCancelledError("the client has gone before its turn came")
            self._leave(answer, partial(answer.set_exception, error))


class _Watch:
    """Cancels a query when its client hangs up; starts to look once the query has taken a while."""

    def __init__(self, receive: Receive, cancel: Cancellation, give_up: Callable[[], None]) -> None:
        self._receive = receive
        self._cancel = cancel
        self._give_up = give_up
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED_S, self._start)

    def stop(self) -> None:
        """Look no longer."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.create_task(self._look(), name="client-watch")

    async def _look(self) -> None:
        await until_gone(self._receive)
        self._cancel.cancel()
        self._give_up()


async def until_gone(receive: Receive) -> None:
    """Return once the client has hung up; its request must have been read to the end."""
    while (await receive())["type"] != "http.disconnect":
        pass

"""Threads in which receivers are told."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Thread
from typing import Any


class DaemonThreads(Executor):
    """
    Runs each call in a thread of its own, for which the interpreter does not wait at its end.

    `ThreadPoolExecutor` does: one receiver that hangs would hold up the end of the server.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call *fn*; raises `RuntimeError` where the system has no thread left."""
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)

        Thread(target=work, name=self._name, daemon=True).start()
        return future

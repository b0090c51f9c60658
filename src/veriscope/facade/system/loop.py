"""The thread behind the documents' monitors: on time, stopped at once, alive again after a fork."""

import logging
import math
import threading
from abc import ABC, abstractmethod
from typing import Final

from veriscope.instrument.forking import ForkLock, in_forked_child
from veriscope.signals import Clock, InvalidInputError

_STOP_WAIT_S: Final = 5.0
"""How long `stop_monitoring` waits for a collection that hangs in the system."""
_SHORTEST_S: Final = 0.001


class PeriodicMonitor(ABC):
    """
    Runs `_collect` every `collection_interval` seconds in a daemon thread.

    Collections are due at start + n * interval on the monotonic clock, so that they do not
    drift; one that takes longer leaves out those it overran. Whatever `_collect` raises is
    logged and the next one is tried. Starting twice does nothing more, stopping is immediate,
    and a stopped monitor can be started again. In a forked child the thread is started anew.
    """

    _title: str

    def __init__(self, collection_interval: float, clock: Clock) -> None:
        if not 0 < collection_interval < math.inf:
            raise InvalidInputError(
                f"collection_interval is {collection_interval}; give seconds greater than 0"
            )
        self.collection_interval = collection_interval
        self.monitoring = False
        self.monitor_thread: threading.Thread | None = None
        self.logger = logging.getLogger(type(self).__module__)
        self._clock = clock
        self._stop = threading.Event()
        self._switch = ForkLock()
        in_forked_child(self, PeriodicMonitor._resume_in_child)

    def start_monitoring(self) -> None:
        """Start monitoring; without effect where it runs already."""
        with self._switch:
            thread = self.monitor_thread
            if self.monitoring and thread is not None and thread.is_alive():
                return
            self._start_thread()
        if self.monitoring:
            self.logger.info("%s started", self._title)

    def stop_monitoring(self) -> None:
        """Stop monitoring and wait for a collection that runs; without effect where none does."""
        with self._switch:
            was_running = self.monitoring
            self.monitoring = False
            self._stop.set()
            thread = self.monitor_thread
        self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_WAIT_S)
            if thread.is_alive():
                self.logger.warning("%s has a collection that does not end", self._title)
        if was_running:
            self.logger.info("%s stopped", self._title)

    @abstractmethod
    def _collect(self) -> None:
        """Take one sample of everything."""

    def _wake(self) -> None:  # noqa: B027 - few have anything to wait for
        """Let a `_collect` that waits return; called when monitoring stops."""

    @abstractmethod
    def _after_fork(self) -> None:
        """Make anew what a thread of the parent may have left half-done; called in the child."""

    def _start_thread(self) -> None:
        self._stop = threading.Event()  # its own for each thread: an old one must still end
        self.monitor_thread = threading.Thread(
            target=self._monitor_loop,
            args=(self._stop,),
            name=f"veriscope-{self._title.lower().replace(' ', '-')}",
            daemon=True,
        )
        self.monitoring = True
        try:
            self.monitor_thread.start()
        except RuntimeError:  # the system has no thread left, and the application must not notice
            self.monitoring = False
            self.logger.exception("%s could not be started", self._title)

    def _monitor_loop(self, stop: threading.Event) -> None:
        due_s = self._clock.monotonic_s()
        while self.monitoring and not stop.is_set():
            try:
                self._collect()
            except Exception:  # the next sample may work, and the application must not notice
                self.logger.exception("%s failed to collect", self._title)
            interval_s = max(self.collection_interval, _SHORTEST_S)  # it may be set at any time
            now_s = self._clock.monotonic_s()
            due_s += interval_s * max(1, math.ceil((now_s - due_s) / interval_s))
            stop.wait(due_s - now_s)

    def _resume_in_child(self) -> None:
        self._after_fork()
        if self.monitoring:
            self._start_thread()

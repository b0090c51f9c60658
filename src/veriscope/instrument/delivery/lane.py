"""The lane of one signal: requests ready to be sent, and the thread that sends them."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from veriscope.instrument.backoff import pause_s
from veriscope.instrument.delivery.http import (
    Channel,
    Endpoint,
    Failure,
    failure_of,
    unobserved,
)
from veriscope.instrument.delivery.options import ExportOptions
from veriscope.instrument.delivery.tally import Reason, Signal, Tally
from veriscope.signals import UnavailableError
from veriscope.signals.log import get_log

_log = get_log(__name__)

_TELL_EVERY_S: Final = 60.0
_SUSPECT_TRIES: Final = 5
"""Tries of a request at which the server fails by itself, lest it hold up all later ones."""
_KNOWN_DOWN_GRACE_S: Final = 1.0
"""What the end waits for a server that did not take the last request either."""
_SHORTEST_TIMEOUT_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Door:
    """Where a signal goes in at the server."""

    signal: Signal
    path: str
    headers: Mapping[str, str]
    rejected: Callable[[bytes], tuple[int, str]]
    """Reads from the body of a good answer how many items were not stored, and why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A body as it is sent, and the items in it."""

    content: bytes
    items: int


class Lane:
    """
    Sends the requests of one signal, oldest first, one at a time.

    Each signal has its own thread, so that a slow answer to one holds up no other. Past
    `max_queue_bytes` the oldest waiting requests are dropped: after an outage, recent data is
    worth more. The thread starts with the first request.
    """

    def __init__(
        self, door: Door, endpoint: Endpoint, options: ExportOptions, tally: Tally
    ) -> None:
        self._door = door
        self._options = options
        self._tally = tally
        self._channel = Channel(endpoint)
        self._queue: deque[Request] = deque()
        self._queue_bytes = 0
        self._sending: Request | None = None
        self._put = self._settled = 0  # requests, ever
        self._failures_in_a_row = 0
        self._is_hurried = False
        self._closes_at: float | None = None  # on the monotonic clock
        self._is_over = False
        self._told_s = -_TELL_EVERY_S
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        tally.watch(door.signal, lambda: self._queue_bytes)

    @property
    def is_busy(self) -> bool:
        """Whether a request that comes now would wait behind one that waits itself."""
        is_away = self._failures_in_a_row > 0 and self._sending is not None
        return is_away or bool(self._queue)

    def put(self, request: Request) -> None:
        """Queue *request*, pushing out the oldest ones where there is no room."""
        with self._changed:
            if self._is_over:
                self._drop(request, Reason.CLOSED)
                return
            self._queue.append(request)
            self._queue_bytes += len(request.content)
            self._put += 1
            while self._queue and self._queue_bytes > self._options.max_queue_bytes:
                self._release(self._queue.popleft(), Reason.QUEUE_FULL)
            self._start()
            self._changed.notify_all()

    def flush(self, deadline: float) -> bool:
        """Wait until all that is queued now is settled; False at *deadline* (monotonic)."""
        with self._changed:
            wanted = self._put
            self._is_hurried = True
            self._changed.notify_all()
            while self._settled < wanted:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._is_over:
                    return False
                self._changed.wait(left_s)
            return True

    def begin_close(self, deadline: float) -> float:
        """
        Give what is left a last chance until *deadline* (monotonic) and return the new deadline.

        It is nearer where the server is known to be away.
        """
        with self._changed:
            if self._failures_in_a_row:
                deadline = min(deadline, time.monotonic() + _KNOWN_DOWN_GRACE_S)
            self._closes_at = deadline
            self._changed.notify_all()
        return deadline

    def finish_close(self, deadline: float) -> None:
        """Wait for the thread until *deadline*, then drop and count what is left."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join(max(deadline - time.monotonic(), 0.0))
        elif self._queue:  # the interpreter ends: no thread can be started any more
            self._run()
        with self._changed:
            self._is_over = True
            left = [*([self._sending] if self._sending else []), *self._queue]
            self._sending = None
            self._queue.clear()
            for request in left:
                self._release(request, Reason.SHUTDOWN)
            self._changed.notify_all()
        if left:
            _log.info(f"export ended with {len(left)} requests of {self._door.signal} unsent")

    def _start(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(
            target=self._run, name=f"veriscope-export-{self._door.signal}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends, or the system has no thread left
            return
        self._thread = thread

    def _run(self) -> None:
        with unobserved():
            while (request := self._next()) is not None:
                self._deliver(request)
            self._channel.close()

    def _next(self) -> Request | None:
        """Wait for the oldest request; None when all is over."""
        with self._changed:
            while not self._is_finished():
                if self._queue:
                    self._sending = self._queue.popleft()
                    return self._sending
                self._changed.wait()
            return None

    def _is_finished(self) -> bool:
        if self._closes_at is None:
            return self._is_over
        return not self._queue or time.monotonic() >= self._closes_at

    def _deliver(self, request: Request) -> None:
        tries = 0
        while True:
            is_last = self._closes_at is not None  # a try begun before the close gets another
            failure = self._post(request)
            tries += 1
            with self._changed:
                if self._sending is not request:  # it was given up meanwhile, and counted
                    return
                reason = self._reason_to_stop(failure, tries, is_last=is_last)
                if failure is None or reason is not None:
                    self._sending = None
                    self._release(request, reason)
                    if reason is Reason.SHUTDOWN:
                        self._closes_at = -math.inf  # the others would fare no better
                    return
                self._pause(failure)

    def _reason_to_stop(
        self, failure: Failure | None, tries: int, *, is_last: bool
    ) -> Reason | None:
        if failure is None:
            return None
        if failure.is_settled:
            return Reason.REFUSED
        if failure.is_suspect and tries >= _SUSPECT_TRIES:
            return Reason.FAILED
        return Reason.SHUTDOWN if is_last else None

    def _post(self, request: Request) -> Failure | None:
        timeout_s = self._options.timeout_s
        if self._closes_at is not None:
            timeout_s = min(timeout_s, self._closes_at - time.monotonic())
        try:
            answer = self._channel.exchange(
                "POST",
                self._door.path,
                request.content,
                self._door.headers,
                timeout_s=max(timeout_s, _SHORTEST_TIMEOUT_S),
            )
        except UnavailableError as error:
            failure: Failure | None = Failure(str(error))
        else:
            failure = failure_of(answer, time.time())
            if failure is None:
                self._taken(request, answer.body)
        self._note(failure)
        return failure

    def _taken(self, request: Request, answer: bytes) -> None:
        rejected, why = self._door.rejected(answer)
        rejected = min(max(rejected, 0), request.items)
        with self._changed:
            if self._sending is request:
                self._tally.sent(self._door.signal, request.items - rejected)
                self._tally.dropped(self._door.signal, Reason.REJECTED, rejected)
        if rejected:
            self._tell(_log.warning, f"{rejected} of {request.items} not stored: {why}")

    def _note(self, failure: Failure | None) -> None:
        """Remember how it went, and say so, but not each time."""
        if failure is None:
            self._failures_in_a_row = 0
            return
        self._tally.failed(self._door.signal)
        self._failures_in_a_row += 1
        # That a server is away for a while is its operator's concern and costs nothing yet; that
        # it will not take what it is sent is this application's.
        self._tell(_log.warning if failure.is_settled else _log.info, failure.text)

    def _tell(self, say: Callable[[str], None], text: str) -> None:
        if time.monotonic() - self._told_s >= _TELL_EVERY_S:
            self._told_s = time.monotonic()
            say(f"cannot export {self._door.signal}: {text}")

    def _pause(self, failure: Failure) -> None:
        """Wait before the next try, unless the end comes or (for our own pause) a flush."""
        options = self._options
        own_s = pause_s(self._failures_in_a_row, options.first_pause_s, options.longest_pause_s)
        now = time.monotonic()
        asked, own = now + failure.retry_after_s, now + max(own_s, failure.retry_after_s)
        while self._closes_at is None and not self._is_over:
            until = asked if self._is_hurried else own
            left_s = until - time.monotonic()
            if left_s <= 0:
                self._is_hurried = False
                return
            self._changed.wait(left_s)

    def _release(self, request: Request, reason: Reason | None) -> None:
        """Let go of a request; the caller holds the lock."""
        self._queue_bytes -= len(request.content)
        self._settled += 1
        if reason is not None:
            self._drop(request, reason)
        self._changed.notify_all()

    def _drop(self, request: Request, reason: Reason) -> None:
        self._tally.dropped(self._door.signal, reason, request.items)

"""What the requests of this process look like right now: response times, in flight, waiting."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from veriscope.instrument.forking import ForkLock, in_forked_child
from veriscope.instrument.requests.sketch import DEFAULT_ACCURACY, DDSketch
from veriscope.signals import Clock, InvalidInputError, SystemClock

_SYSTEM_CLOCK: Final = SystemClock()
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """
    Response times of the newest window; quantiles are within 1 % of the exact ones.

    All in seconds, and NaN where no request ended in the window.
    """

    count: int
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float


class _Slot:
    """The requests that ended in one part of the window."""

    __slots__ = ("number", "sketch")

    def __init__(self, number: int, accuracy: float) -> None:
        self.number = number
        self.sketch = DDSketch(accuracy)


class RequestStats:
    """
    Counts requests of this process and keeps their response times of the last minute or so.

    The window slides in *slots* steps of *slot_s* seconds on the monotonic clock: it covers the
    step that runs and the `slots - 1` before it, so 50 to 60 s by default. Quantiles come from
    sketches with a relative error of *accuracy*. Safe from any thread; a forked child starts
    from nothing.
    """

    _default: "RequestStats | None" = None
    _making_default: Final = ForkLock()

    def __init__(
        self,
        *,
        slot_s: float = 10.0,
        slots: int = 6,
        accuracy: float = DEFAULT_ACCURACY,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        if not (slot_s > 0 and slots >= 1):
            raise InvalidInputError(
                f"slots is {slots} and slot_s is {slot_s}; a window needs a slot of some length"
            )
        self._slot_s = slot_s
        self._slots = slots
        self._accuracy = accuracy
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight = 0
        self._queued = 0
        self._total = 0
        self._errors = 0
        self._ring = self._empty_ring()
        in_forked_child(self, RequestStats._forget)

    @classmethod
    def default(cls) -> "RequestStats":
        """Return the one of this process, which middleware uses when it is given no other."""
        with cls._making_default:
            if cls._default is None:
                cls._default = cls()
            return cls._default

    @property
    def window_s(self) -> float:
        """The longest time that a response time is remembered."""
        return self._slot_s * self._slots

    @property
    def in_flight(self) -> int:
        """Requests that began and have not ended."""
        return self._in_flight

    @property
    def queued(self) -> int:
        """Requests that wait in a `waiting` block."""
        return self._queued

    @property
    def total(self) -> int:
        """Requests that ended since the process (or the fork) began."""
        return self._total

    @property
    def errors(self) -> int:
        """Those of `total` that were answered with a status of 500 or more."""
        return self._errors

    def begin(self) -> None:
        """Note that a request has arrived; `end` must follow."""
        with self._lock:
            self._in_flight += 1

    def end(self, duration_s: float, status: int) -> None:
        """Note that a request ended with *status* after *duration_s* seconds."""
        with self._lock:
            self._in_flight = max(0, self._in_flight - 1)  # it may have begun before a fork
            self._total += 1
            self._errors += status >= _SERVER_ERROR
            self._current().sketch.add(max(0.0, duration_s))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a request as queued inside the block: put it around the wait for a limiter."""
        with self._lock:
            self._queued += 1
        try:
            yield
        finally:
            with self._lock:
                self._queued = max(0, self._queued - 1)

    def response_times(self) -> ResponseTimes:
        """Return the response times of the window that ends now."""
        merged = self._merged()
        p50, p95, p99 = merged.quantiles((0.5, 0.95, 0.99))
        if not merged.count:
            return ResponseTimes(0, p50, p50, p95, p99, p50)
        mean = merged.sum / merged.count
        return ResponseTimes(merged.count, mean, p50, p95, p99, merged.max)

    def quantiles(self, qs: Sequence[float]) -> list[float]:
        """Return the quantiles *qs* of the window's response times in seconds; NaN if none."""
        return self._merged().quantiles(qs)

    def _merged(self) -> DDSketch:
        merged = DDSketch(self._accuracy)
        with self._lock:
            oldest = self._number() - self._slots
            for slot in self._ring:
                if slot.number > oldest:
                    merged.merge(slot.sketch)
        return merged

    def _number(self) -> int:
        return int(self._clock.monotonic_s() // self._slot_s)

    def _current(self) -> _Slot:
        number = self._number()
        slot = self._ring[number % self._slots]
        if slot.number != number:
            slot = self._ring[number % self._slots] = _Slot(number, self._accuracy)
        return slot

    def _empty_ring(self) -> list[_Slot]:
        return [_Slot(-self._slots, self._accuracy) for _ in range(self._slots)]

    def _forget(self) -> None:
        """Start from nothing in a forked child: the parent's requests are not this process's."""
        self._lock = threading.Lock()
        self._in_flight = self._queued = self._total = self._errors = 0
        self._ring = self._empty_ring()

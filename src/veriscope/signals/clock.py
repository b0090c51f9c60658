"""Time as a parameter."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time; pass `SystemClock` in the product and `ManualClock` in a test."""

    def now_ms(self) -> int:
        """Return the wall clock in Unix milliseconds."""

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never steps back."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Return the wall clock in Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return the machine's monotonic clock in seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, now_ms: int = 0) -> None:
        self._start_ms = self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Return the seconds by which the clock was advanced."""
        return (self._now_ms - self._start_ms) / 1000

    def advance(self, *, ms: int) -> None:
        """Let *ms* milliseconds pass."""
        self._now_ms += ms

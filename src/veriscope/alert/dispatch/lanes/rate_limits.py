"""Rate limits: how many notifications a receiver may get in how long."""

from typing import Final

from veriscope.signals import Clock

_ROUNDING: Final = 1e-9  # of the sum of many small gains


class TokenBucket:
    """
    Gives *count* tokens in *per_s* seconds, and no more than *count* at once.

    It is full at first.
    """

    def __init__(self, count: int, per_s: float, clock: Clock) -> None:
        self._count = count
        self._per_s = per_s
        self._clock = clock
        self._left = float(count)
        self._seen_s = clock.monotonic_s()

    def take(self) -> float:
        """Take a token and return 0, or, where there is none, the seconds until there is one."""
        now_s = self._clock.monotonic_s()
        gained = (now_s - self._seen_s) * self._count / self._per_s
        self._left = min(float(self._count), self._left + gained)
        self._seen_s = now_s
        if self._left > 1 - _ROUNDING:
            self._left = max(0.0, self._left - 1)
            return 0.0
        return (1 - self._left) * self._per_s / self._count

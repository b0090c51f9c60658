"""Jumps of the wall clock."""

from typing import Final

from veriscope.signals import Clock

_NOTICED_MS: Final = 2_000


class JumpWatch:
    """Compares the wall clock with the one that never steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart_ms = self._now_apart_ms()

    def jump_ms(self) -> int:
        """Return by how much the wall clock has jumped since the last call, mostly 0."""
        now_ms = self._now_apart_ms()
        jump_ms, self._apart_ms = now_ms - self._apart_ms, now_ms
        return jump_ms if abs(jump_ms) >= _NOTICED_MS else 0

    def _now_apart_ms(self) -> int:
        return self._clock.now_ms() - round(self._clock.monotonic_s() * 1000)

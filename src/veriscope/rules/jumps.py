"""Jumps of the wall clock, which every duration between evaluations must survive."""

from typing import Final

from veriscope.signals import Clock, Duration, InvalidInputError

_NOTICED_MS: Final = 1_000
_UNSETTLING_MS: Final = 60_000
_SETTLING_S: Final = 300.0  # the lookback, and the window of most rates


class ClockJumpError(InvalidInputError):
    """Shortly after a jump of the wall clock no data says how things are."""


class JumpWatch:
    """Compares the wall clock with the one that never steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart_ms = self._now_apart_ms()
        self._last_jump_ms = 0
        self._settled_s = clock.monotonic_s()

    def jump_ms(self) -> int:
        """Return by how much the wall clock has jumped since the last call, mostly 0."""
        now_ms = self._now_apart_ms()
        jump_ms, self._apart_ms = now_ms - self._apart_ms, now_ms
        if abs(jump_ms) < _NOTICED_MS:
            return 0
        if abs(jump_ms) >= _UNSETTLING_MS:
            self._last_jump_ms = jump_ms
            self._settled_s = self._clock.monotonic_s() + _SETTLING_S
        return jump_ms

    def check_settled(self) -> None:
        """
        Raise `ClockJumpError` for five minutes after a jump of a minute or more.

        So long an expression may find nothing, since what was stored before the jump lies in
        another time, or find what has long passed.
        """
        if self._clock.monotonic_s() < self._settled_s:
            by = f"{'-' if self._last_jump_ms < 0 else '+'}{Duration(abs(self._last_jump_ms))}"
            raise ClockJumpError(
                f"the wall clock has jumped by {by}; alerts stay as they are until data of the new"
                f" time has come in, {_SETTLING_S:.0f} s after the jump"
            )

    def _now_apart_ms(self) -> int:
        return self._clock.now_ms() - round(self._clock.monotonic_s() * 1000)

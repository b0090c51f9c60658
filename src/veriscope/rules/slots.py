"""The moments at which a group is evaluated."""

from typing import Final

import xxhash

from veriscope.signals import Clock

_EARLY_MS: Final = 1_000


def next_slot(name: str, interval_ms: int, now_ms: int) -> int:
    """Return the first moment of the group *name* that is not before *now_ms*."""
    offset_ms = xxhash.xxh3_64_intdigest(name.encode()) % interval_ms
    return now_ms + (offset_ms - now_ms) % interval_ms


class Slots:
    """
    The moments of one group: *interval_ms* apart, at an offset that comes from its name.

    How long to wait, and what was missed, is measured on the clock that never steps, so that a
    jump of the wall clock neither holds up the group nor hurries it.
    """

    def __init__(self, name: str, interval_ms: int, clock: Clock) -> None:
        self._name = name
        self._interval_ms = interval_ms
        self._clock = clock
        now_ms = clock.now_ms()
        first_ms = next_slot(name, interval_ms, now_ms)
        self._due_s = clock.monotonic_s() + (first_ms - now_ms) / 1000

    def wait_s(self) -> float:
        """Return for how many seconds to wait until the next moment; 0 where it has come."""
        return max(0.0, self._due_s - self._clock.monotonic_s())

    def take(self) -> tuple[int, int]:
        """Return the moment that has come by the wall clock, and how many others were missed."""
        late_s = max(0.0, self._clock.monotonic_s() - self._due_s)
        missed = int(late_s * 1000 // self._interval_ms)
        now_ms = self._clock.now_ms()
        # A timer may wake a little early, and the wall clock is slewed.
        early_ms = min(_EARLY_MS, self._interval_ms // 10)
        slot_ms = next_slot(
            self._name, self._interval_ms, now_ms + early_ms - self._interval_ms + 1
        )
        following_ms = slot_ms + self._interval_ms
        self._due_s = self._clock.monotonic_s() + (following_ms - now_ms) / 1000
        return slot_ms, missed

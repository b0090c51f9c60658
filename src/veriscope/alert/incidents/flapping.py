"""Alerts that begin and end again and again."""

from collections import deque
from typing import Final

from veriscope.signals import Clock

_MANY: Final = 4
_WITHIN_S: Final = 3600.0
_REST_S: Final = 1800.0


class Flapping:
    """
    Which alerts flap: four beginnings and ends within an hour, until half an hour without one.

    Two thresholds, so that what is at the edge does not itself flap; the idea is that of Nagios'
    flap detection ("Detection and Handling of State Flapping" of its manual), which weighs the
    last 21 checks. A restart forgets what was counted.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changes: dict[str, deque[float]] = {}
        self._flapping: set[str] = set()

    def __contains__(self, fingerprint: object) -> bool:
        return fingerprint in self._flapping

    def note(self, fingerprint: str) -> bool:
        """Count that an alert has begun or ended; tell whether it flaps from now on."""
        now_s = self._clock.monotonic_s()
        changes = self._changes.setdefault(fingerprint, deque(maxlen=_MANY))
        changes.append(now_s)
        if len(changes) < _MANY or now_s - changes[0] > _WITHIN_S or fingerprint in self:
            return False
        self._flapping.add(fingerprint)
        return True

    def rest(self) -> list[str]:
        """Forget what has not changed for long; return what has come to rest."""
        now_s = self._clock.monotonic_s()
        calm = [each for each in self._flapping if now_s - self._changes[each][-1] >= _REST_S]
        self._flapping.difference_update(calm)
        for fingerprint, changes in list(self._changes.items()):
            if now_s - changes[-1] > _WITHIN_S:
                del self._changes[fingerprint]
        return calm

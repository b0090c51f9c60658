"""A bound on how fast one logger may log."""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

_BURST_S: Final = 5.0
_SUMMARY_EVERY_S: Final = 1.0
_MAX_KEYS: Final = 10_000
_EVERYTHING_ELSE: Final = ("*", 0)


class Suppressed(NamedTuple):
    """Records of one logger and level that were not let through."""

    logger: str
    levelno: int
    records: int


class _Bucket:
    """Tokens of one logger and level, and the records that found none."""

    __slots__ = ("refilled_s", "suppressed", "tokens")

    def __init__(self, tokens: float, now_s: float) -> None:
        self.tokens = tokens
        self.refilled_s = now_s
        self.suppressed = 0


class RateLimit:
    """
    A token bucket for each logger and level, filled at so many records a second.

    A bucket holds five seconds' worth, so that a burst at start or at a failure is seen whole.
    Records from `ERROR` up have a rate of their own. Not for several threads at once: the
    handler calls it under its lock.
    """

    def __init__(self, rate: float, error_rate: float, monotonic_s: Callable[[], float]) -> None:
        self._rate = rate
        self._error_rate = error_rate
        self._monotonic_s = monotonic_s
        self._buckets: dict[tuple[str, int], _Bucket] = {}
        self._told_s = monotonic_s()
        self._silenced: set[tuple[str, int]] = set()

    def admit(self, logger: str, levelno: int) -> bool:
        """Take a token for one record; False, and counted, where there is none."""
        rate = self._error_rate if levelno >= logging.ERROR else self._rate
        if not rate:
            return True
        now_s = self._monotonic_s()
        key = (logger, levelno)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MAX_KEYS:
                key = _EVERYTHING_ELSE
            bucket = self._buckets.setdefault(key, _Bucket(max(1.0, rate * _BURST_S), now_s))
        full = max(1.0, rate * _BURST_S)
        bucket.tokens = min(full, bucket.tokens + (now_s - bucket.refilled_s) * rate)
        bucket.refilled_s = now_s
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return True
        bucket.suppressed += 1
        self._silenced.add(key)
        return False

    def take_suppressed(self, *, at_once: bool = False) -> list[Suppressed]:
        """Return what was suppressed since the last answer; once a second unless *at_once*."""
        if not self._silenced:
            return []
        now_s = self._monotonic_s()
        if not at_once and now_s - self._told_s < _SUMMARY_EVERY_S:
            return []
        self._told_s = now_s
        found = [Suppressed(*key, self._buckets[key].suppressed) for key in sorted(self._silenced)]
        for key in self._silenced:
            self._buckets[key].suppressed = 0
        self._silenced.clear()
        return found

"""Everything that alerting waits for, in one heap on the monotonic clock."""

import heapq
import itertools
from collections.abc import Callable
from typing import TypeAlias

from veriscope.signals import Clock
from veriscope.signals.log import get_log

_log = get_log(__name__)
Action: TypeAlias = Callable[[], None]


class Timer:
    """Something that is to be done once, unless it is cancelled before."""

    __slots__ = ("_action",)

    def __init__(self, action: Action) -> None:
        self._action: Action | None = action

    def cancel(self) -> None:
        """Do not do it."""
        self._action = None

    @property
    def is_waiting(self) -> bool:
        """Whether it is still to be done."""
        return self._action is not None

    def run(self) -> None:
        """Do it now; nothing happens where that was done, or cancelled."""
        action, self._action = self._action, None
        if action is not None:
            action()


class Timers:
    """Actions and when they are due; *wake* is called when one is due before all others."""

    def __init__(self, clock: Clock, wake: Action) -> None:
        self._clock = clock
        self._wake = wake
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, action: Action) -> Timer:
        """Have *action* done when *seconds* have passed."""
        return self.at(self._clock.monotonic_s() + seconds, action)

    def at(self, due_s: float, action: Action) -> Timer:
        """Have *action* done at *due_s* of the monotonic clock; equal times go in order."""
        timer = Timer(action)
        heapq.heappush(self._heap, (due_s, next(self._numbers), timer))
        if self._heap[0][2] is timer:
            self._wake()
        return timer

    def run_due(self, most: int) -> None:
        """
        Do what is due, at most so many actions, the longest due first.

        An action that fails is logged; the others go on.
        """
        now_s = self._clock.monotonic_s()
        for _ in range(most):
            if not self._heap or self._heap[0][0] > now_s:
                return
            timer = heapq.heappop(self._heap)[2]
            try:
                timer.run()
            except Exception:  # noqa: BLE001 - a fault with one group must not silence the others
                _log.exception("alerting_action_failed")

    def next_s(self) -> float | None:
        """Return when something is due next; None where nothing is."""
        while self._heap and not self._heap[0][2].is_waiting:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

"""Where application threads leave what is to be sent, without ever waiting."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_RIPE_SIZE: Final = 512 << 10
"""Characters; the server stores so much at once, without waiting for other requests."""


class Bell:
    """
    Wakes the encoder; ringing never waits.

    A `SimpleQueue` may be put to from a signal handler or a finaliser, in whatever code these
    interrupt (unlike an Event, whose lock is not reentrant).
    """

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        """Wake who waits, or else the next one."""
        if self._rung.empty():
            self._rung.put(None)

    def wait(self, timeout_s: float) -> None:
        """Wait until it is rung, for *timeout_s* at most."""
        with suppress(Empty):
            self._rung.get(timeout=max(timeout_s, 0.0))


class Inbox(Generic[T]):
    """
    Items that wait to be encoded: any thread puts, the encoder takes, nobody waits.

    A put takes no lock and depends on atomic C calls alone, so it may be interrupted, called
    from a signal handler, or cut by a fork anywhere. Past *limit* new items are refused, and
    *refuse* is told their weight (1, if *weigh* does not say otherwise);
    threads that put at the same moment may pass it by one item each. The encoder is woken when
    the inbox is ripe: *wake_at* items wait, or items of `_RIPE_SIZE` together.
    """

    def __init__(
        self,
        limit: int,
        wake_at: int,
        ring: Callable[[], None],
        refuse: Callable[[int], None],
        weigh: Callable[[T], int] = lambda _: 1,
    ) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._ripe_at = min(wake_at, limit)
        self._size = 0  # as told; threads that put at the same moment may lose some of it
        self._ring = ring
        self._refuse = refuse
        self.weigh: Final = weigh

    def __len__(self) -> int:
        """Count the waiting items."""
        return len(self._items)

    @property
    def is_ripe(self) -> bool:
        """Whether enough waits for a request of its own."""
        return len(self._items) >= self._ripe_at or self._size >= _RIPE_SIZE

    def put(self, item: T, size: int = 0) -> None:
        """Leave *item* of *size* characters, or have it refused."""
        if len(self._items) >= self._limit:
            self._refuse(self.weigh(item))
            return
        self._items.append(item)
        self._size += size
        if self.is_ripe:
            self._ring()

    def take(self, most: int) -> list[T]:
        """Return up to *most* items, oldest first; for one thread at a time."""
        items = self._items
        self._size = 0
        return [items.popleft() for _ in range(min(most, len(items)))]

    def close(self) -> None:
        """Refuse everything from now on."""
        self._limit = 0

    def start_over(self, ring: Callable[[], None]) -> None:
        """Forget what a parent process left behind."""
        self._items.clear()
        self._size = 0
        self._ring = ring

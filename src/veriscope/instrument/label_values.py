"""A bound on the values that one label takes, so that what users send cannot fill a server."""

from veriscope.instrument.forking import ForkLock


class LabelValues:
    """The first *limit* values that a label has had; from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()
        self._lock = ForkLock()

    def admit(self, value: str) -> bool:
        """Tell whether the label may have *value*: it had it before, or there is room for it."""
        if value in self._known:
            return True
        with self._lock:
            if len(self._known) < self._limit:
                self._known.add(value)
        return value in self._known

    def clear(self) -> None:
        """Forget all values."""
        self._known.clear()

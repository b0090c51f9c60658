"""What logging says of itself."""

import threading
from typing import Final, Self
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter


class LogMetrics:
    """Counters of one registry; `of` makes them once for each."""

    _made: Final[WeakKeyDictionary[CollectorRegistry, "LogMetrics"]] = WeakKeyDictionary()
    _lock: Final = threading.Lock()

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "veriscope_log_records_total",
            "Log records written, by level.",
            ["level"],
            registry=registry,
        )
        self.dropped = Counter(
            "veriscope_log_dropped_total",
            "Log records that one of their destinations did not get, by reason.",
            ["reason"],
            registry=registry,
        )
        self.redacted = Counter(
            "veriscope_log_redacted_total",
            "Secrets replaced in log records.",
            registry=registry,
        )
        self.truncated = Counter(
            "veriscope_log_truncated_total",
            "Log records of which something was cut off.",
            registry=registry,
        )

    @classmethod
    def of(cls, registry: CollectorRegistry) -> Self:
        """Return the counters of *registry*, made on the first call."""
        with cls._lock:
            found = cls._made.get(registry)
            if found is None:
                found = cls._made[registry] = cls(registry)
            return found  # type: ignore[return-value]  # only `cls` puts values in

"""What the notifiers count about themselves: Alertmanager's names, with our prefix."""

from dataclasses import dataclass
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Histogram

_known: Final[WeakKeyDictionary[CollectorRegistry, "NotificationMetrics"]] = WeakKeyDictionary()
_lock: Final = Lock()


@dataclass(frozen=True)
class NotificationMetrics:
    """The metrics of every notifier on one registry."""

    sent: Counter
    failed: Counter
    latency: Histogram

    @staticmethod
    def on(registry: CollectorRegistry) -> "NotificationMetrics":
        """Return the metrics on *registry*, the same ones each time."""
        with _lock:
            if registry not in _known:
                _known[registry] = NotificationMetrics(
                    sent=Counter(
                        "veriscope_notifications",
                        "Notifications that were to be sent.",
                        ["integration"],
                        registry=registry,
                    ),
                    failed=Counter(
                        "veriscope_notifications_failed",
                        "Notifications that were given up.",
                        ["integration", "reason"],
                        registry=registry,
                    ),
                    latency=Histogram(
                        "veriscope_notification_latency_seconds",
                        "Time that one try to send took.",
                        ["integration"],
                        buckets=(0.01, 0.1, 1, 5, 10, 20),
                        registry=registry,
                    ),
                )
            return _known[registry]

"""What the notifiers count about themselves: Alertmanager's names, with our prefix."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from veriscope.instrument.per_registry import PerRegistry


class NotificationMetrics:
    """The metrics of every notifier on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter(
            "veriscope_notifications_total",
            "Notifications that were to be sent.",
            ["integration"],
            registry=registry,
        )
        self.failed = Counter(
            "veriscope_notifications_failed_total",
            "Notifications that were given up.",
            ["integration", "reason"],
            registry=registry,
        )
        self.template_errors = Counter(
            "veriscope_notification_template_errors_total",
            "Fields of notifications that hold an error instead of what their template makes.",
            ["integration"],
            registry=registry,
        )
        self.latency = Histogram(
            "veriscope_notification_latency_seconds",
            "Time that one try to send took.",
            ["integration"],
            buckets=(0.01, 0.1, 1, 5, 10, 20),
            registry=registry,
        )


metrics_of: Final = PerRegistry(NotificationMetrics)

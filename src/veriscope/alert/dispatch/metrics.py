"""What alerting counts about itself: Alertmanager's names, with our prefix."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from veriscope.instrument.per_registry import PerRegistry


class AlertingMetrics:
    """The metrics of alerting on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.received = Counter(
            "veriscope_alerts_received_total",
            "Alerts that were posted.",
            ["status"],
            registry=registry,
        )
        self.alerts = Gauge(
            "veriscope_alerts", "Alerts that have not ended.", ["state"], registry=registry
        )
        self.groups = Gauge(
            "veriscope_dispatcher_aggregation_groups",
            "Groups of alerts.",
            registry=registry,
        )
        self.suppressed = Counter(
            "veriscope_notifications_suppressed_total",
            "Alerts that were held back from a notification.",
            ["reason"],
            registry=registry,
        )
        self.log_entries = Gauge(
            "veriscope_nflog_entries", "Entries of the notification log.", registry=registry
        )
        self.dead_letters = Gauge(
            "veriscope_dead_letters", "Notifications that nobody got.", registry=registry
        )
        self.dead_letters_dropped = Counter(
            "veriscope_dead_letters_dropped_total",
            "Dead letters that went to make room for newer ones.",
            registry=registry,
        )
        self.limited = Counter(
            "veriscope_notifications_rate_limited_total",
            "Times that notifications had to wait for a receiver's rate limit.",
            ["receiver"],
            registry=registry,
        )
        self.waiting = Gauge(
            "veriscope_notifications_waiting",
            "Groups whose notification waits for its turn or for the next try.",
            ["receiver", "integration"],
            registry=registry,
        )
        self.failures = Gauge(
            "veriscope_notifications_consecutive_failures",
            "Tries to notify that failed since the last that did not.",
            ["receiver", "integration"],
            registry=registry,
        )
        self.no_evidence = Counter(
            "veriscope_alert_evidence_missed_total",
            "Notifications that went without evidence.",
            ["reason"],
            registry=registry,
        )
        self.evidence_seconds = Histogram(
            "veriscope_alert_evidence_duration_seconds",
            "Time that gathering evidence took.",
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2),
            registry=registry,
        )


metrics_of: Final = PerRegistry(AlertingMetrics)

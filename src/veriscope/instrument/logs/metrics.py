"""What logging says of itself."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from veriscope.instrument.per_registry import PerRegistry


class LogMetrics:
    """Counters of one registry."""

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


metrics_of: Final = PerRegistry(LogMetrics)

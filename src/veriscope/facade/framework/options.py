"""How much a framework keeps, and how often it tells of an alert."""

import msgspec

from veriscope.signals import require_at_least


class FrameworkOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a framework keeps in memory; past a limit the oldest goes, and is counted."""

    max_spans: int = 10_000
    """Finished spans, and as many unfinished ones."""
    max_span_logs: int = 128
    """Log entries of one span; past it new ones are dropped."""
    max_metrics: int = 1_000
    """Metric names; values of further ones are sent to the server, but not kept."""
    max_metric_points: int = 10_000
    """Values of one metric."""
    max_alerts: int = 1_000
    """Alerts; one more is refused."""
    max_dashboards: int = 100
    """Dashboards."""
    repeat_interval_s: float = 4 * 3600.0
    """Seconds after which receivers are told again about an alert that still fires."""

    def __post_init__(self) -> None:
        require_at_least(
            self,
            1,
            "max_spans",
            "max_span_logs",
            "max_metrics",
            "max_metric_points",
            "max_alerts",
            "max_dashboards",
        )

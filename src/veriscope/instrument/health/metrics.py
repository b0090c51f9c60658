"""What health checks say of themselves at `/metrics`."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from veriscope.instrument.health.result import CheckStatus, Outcome
from veriscope.instrument.per_registry import PerRegistry


class CheckMetrics:
    """The series of every check that reports to *registry*."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("service", "check")
        self._up = Gauge(
            "veriscope_health_check_up",
            "Whether the last run of the check found it healthy (1) or not (0).",
            labels,
            registry=registry,
        )
        self._seconds = Gauge(
            "veriscope_health_check_duration_seconds",
            "Time that the last run of the check took.",
            labels,
            registry=registry,
        )
        self._runs = Counter(
            "veriscope_health_check_runs_total",
            "Runs of the check by how they ended; answers from the cache are not counted.",
            [*labels, "status"],
            registry=registry,
        )

    def declare(self, service: str, check: str) -> None:
        """Show the counters of a check from its beginning, at 0."""
        for status in CheckStatus:
            self._runs.labels(service, check, status.value)

    def note(self, service: str, outcome: Outcome) -> None:
        """Count one run."""
        self._up.labels(service, outcome.name).set(outcome.ok)
        self._seconds.labels(service, outcome.name).set(outcome.duration_s)
        self._runs.labels(service, outcome.name, outcome.status.value).inc()


metrics_of: Final = PerRegistry(CheckMetrics)

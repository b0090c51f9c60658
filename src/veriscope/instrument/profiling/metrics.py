"""What profiling says of itself."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from veriscope.instrument.per_registry import PerRegistry
from veriscope.signals.log import get_log

_log = get_log(__name__)


class ProfilingMetrics:
    """Metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.written = Counter(
            "veriscope_profiles_written_total",
            "Profiles written to disk, by kind (call or sampling).",
            ["kind"],
            registry=registry,
        )
        self.dropped = Counter(
            "veriscope_profiles_dropped_total",
            "Profiles that were not taken or not written, by kind and reason.",
            ["kind", "reason"],
            registry=registry,
        )
        self.samples = Counter(
            "veriscope_profiler_samples_total",
            "Stacks seen by the sampling profiler, shared out by the time on and off a CPU.",
            ["state"],
            registry=registry,
        )
        self.samples_dropped = Counter(
            "veriscope_profiler_dropped_total",
            "Samples that the profiler could not take or could not keep apart, by reason.",
            ["reason"],
            registry=registry,
        )
        self.overhead = Gauge(
            "veriscope_profiler_overhead_ratio",
            "CPU time of the sampling profiler's thread, as a share of one core.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.hertz = Gauge(
            "veriscope_profiler_frequency_hertz",
            "Samples a second that the profiler takes at present.",
            multiprocess_mode="livemin",
            registry=registry,
        )


metrics_of: Final = PerRegistry(ProfilingMetrics)


class ProfileTally:
    """Counts the profiles of one kind, and tells the log once of each reason for a loss."""

    def __init__(self, kind: str, metrics: ProfilingMetrics) -> None:
        self._kind = kind
        self._metrics = metrics
        self._told: set[str] = set()

    def written(self) -> None:
        """Count a profile that is on disk."""
        self._metrics.written.labels(self._kind).inc()

    def dropped(self, reason: str, detail: str) -> None:
        """Count a profile that was not taken or not written."""
        self._metrics.dropped.labels(self._kind, reason).inc()
        if reason not in self._told:
            self._told.add(reason)
            _log.warning("profile not written", reason=reason, detail=detail)

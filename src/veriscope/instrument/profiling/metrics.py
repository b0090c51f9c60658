"""What profiling says of itself."""

import threading
from typing import Final, Self
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge


class ProfilingMetrics:
    """Metrics of one registry; `of` makes them once for each."""

    _made: Final[WeakKeyDictionary[CollectorRegistry, "ProfilingMetrics"]] = WeakKeyDictionary()
    _lock: Final = threading.Lock()

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

    @classmethod
    def of(cls, registry: CollectorRegistry) -> Self:
        """Return the metrics of *registry*, made on the first call."""
        with cls._lock:
            found = cls._made.get(registry)
            if found is None:
                found = cls._made[registry] = cls(registry)
            return found  # type: ignore[return-value]  # only `cls` puts values in

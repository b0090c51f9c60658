"""What `ApplicationMonitor` sends on to a server, where one is configured."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

from veriscope.collect.probe import ProbeResult, ended_failure, probe_batch
from veriscope.facade.application.metrics import BusinessMetrics, Endpoint
from veriscope.instrument.delivery import current
from veriscope.signals import SampleBatch


class SampleSink(Protocol):
    """Takes samples without blocking, as `veriscope.instrument.delivery.Exporter` does."""

    def add_batch(self, batch: SampleBatch) -> None:
        """Queue *batch*."""

    def add_sample(
        self, name: str, tags: Mapping[str, str], value: float, time_ms: int | None = None
    ) -> None:
        """Queue one sample."""


ExporterSource: TypeAlias = Callable[[], SampleSink | None]
"""Gives the exporter of the moment; None where nothing is sent."""


class ApplicationExport:
    """Sends probes as `probe_*` series and business figures as `business_*` ones."""

    def __init__(self, service_name: str, source: ExporterSource | None) -> None:
        self._job = service_name
        self._source = source or current
        self._failures: dict[tuple[str, str], ProbeResult] = {}

    def probe(self, endpoint: Endpoint, result: ProbeResult) -> None:
        """Queue the series of one probe; the reason of an earlier failure ends with it."""
        sink, key = self._source(), (endpoint.method, endpoint.path)
        last = self._failures.pop(key, None)
        if result.reason is not None:
            self._failures[key] = result
        if sink is None:
            return
        labels = {"job": self._job, "endpoint": endpoint.path, "method": endpoint.method}
        sink.add_batch(probe_batch([(result, labels)]))
        if last is not None and last.reason is not result.reason:
            sink.add_batch(ended_failure(last, labels, result.time_ms))

    def business(self, reading: BusinessMetrics) -> None:
        """Queue the figures that were read; those that were not give no sample."""
        if (sink := self._source()) is not None:
            for name, labels, value in _series(reading):
                sink.add_sample(name, {"job": self._job, **labels}, value)


def _series(reading: BusinessMetrics) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of each figure of *reading* that is known."""
    errors = reading.errors
    for figure in ("active_users", "optimization_jobs", "model_usage", "requests_per_second"):
        yield "business_poll_success", {"figure": figure}, float(figure not in errors)
    if "active_users" not in errors:
        yield "business_active_users", {}, reading.active_users
    if reading.requests_per_second_source:
        source = {"source": reading.requests_per_second_source}
        yield "business_requests_per_second", source, reading.requests_per_second
    if "optimization_jobs" not in errors:
        yield "business_optimization_jobs", {}, reading.optimization_jobs
        for state, value in (
            ("completed", reading.completed_optimizations),
            ("failed", reading.failed_optimizations),
        ):
            yield "business_optimizations_total", {"state": state}, value
    # Both are empty where they could not be read.
    for model, uses in reading.model_usage.items():
        yield "business_model_uses_total", {"model": model}, uses
    for name, amount in reading.revenue_metrics.items():
        yield "business_revenue_total", {"name": name}, amount

"""What is counted of the way to endpoints other than Veriscope."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from veriscope.instrument.per_registry import PerRegistry


class ExportMetrics:
    """Spans that endpoints and exporters took, and those that were lost on the way."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter(
            "veriscope_tracing_sent_spans_total",
            "Spans that endpoints and exporters took.",
            registry=registry,
        )
        self.dropped = Counter(
            "veriscope_tracing_dropped_spans_total",
            "Spans that did not reach an endpoint: `queue_full`, `export`, `shutdown`.",
            ["reason"],
            registry=registry,
        )


metrics_of: Final = PerRegistry(ExportMetrics)

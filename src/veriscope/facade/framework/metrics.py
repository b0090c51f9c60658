"""What frameworks count about themselves."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from veriscope.instrument.per_registry import PerRegistry


def _dropped(registry: CollectorRegistry) -> Counter:
    return Counter(
        "veriscope_framework_dropped_total",
        "Items that an ObservabilityFramework gave up: `spans`, `metrics` (values), "
        "`logs` (of spans), `dashboards`.",
        ["buffer"],
        registry=registry,
    )


dropped_counter: Final = PerRegistry(_dropped)

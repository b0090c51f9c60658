"""
The metric families of the genRF observability guide, on prometheus_client's default registry.

Names, help, labels and buckets are the guide's own, and so are the names of the variables, so
that `from veriscope.genrf.metrics import circuit_generation_total` replaces its `metrics.py`.
The guide declares eight families; the ninth, `pending_generations`, is what its
HorizontalPodAutoscaler scales on and declares nowhere.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

_Family = TypeVar("_Family", bound=MetricWrapperBase)


def _declare(
    kind: type[_Family], name: str, meaning: str, labels: Sequence[str], **options: Any
) -> _Family:
    """
    Return the family *name*, made and registered unless the registry has it already.

    It has where this module is loaded anew, or where the application still declares the guide's
    families itself: then both count into the same one. Raises `ValueError` where the registry
    holds something else under the name.
    """
    try:
        return kind(name, meaning, labels, **options)
    except ValueError:
        # The registry has no public way to ask what holds a name.
        found = REGISTRY._names_to_collectors.get(name)  # noqa: SLF001
        same = isinstance(found, kind) and found._labelnames == tuple(labels)  # noqa: SLF001
        if not same:
            raise
        return found  # type: ignore[return-value]  # `same` says that it is a `kind`


circuit_generation_total: Final = _declare(
    Counter,
    "genrf_circuits_generated_total",
    "Total circuits generated",
    ["circuit_type", "technology", "status"],
)

generation_duration: Final = _declare(
    Histogram,
    "genrf_generation_duration_seconds",
    "Time spent generating circuits",
    ["circuit_type", "optimization_steps"],
    buckets=[1, 5, 10, 30, 60, 300, 900],
)

spice_simulation_total: Final = _declare(
    Counter,
    "genrf_spice_simulations_total",
    "Total SPICE simulations run",
    ["engine", "circuit_type", "status"],
)

spice_convergence_issues: Final = _declare(
    Counter,
    "genrf_spice_convergence_failures_total",
    "SPICE convergence failures",
    ["circuit_type", "failure_type"],
)

# Several processes measure the same device: the newest reading stands. The default mode would
# add a label `pid` that the guide's dashboards do not know.
gpu_memory_usage: Final = _declare(
    Gauge,
    "genrf_gpu_memory_bytes",
    "GPU memory usage",
    ["gpu_id"],
    multiprocess_mode="mostrecent",
)

model_inference_duration: Final = _declare(
    Histogram,
    "genrf_model_inference_seconds",
    "Neural network inference time",
    ["model_type", "batch_size"],
)

circuit_performance: Final = _declare(
    Histogram,
    "genrf_circuit_performance",
    "Generated circuit performance metrics",
    ["metric_type", "circuit_type", "technology"],
    buckets=[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0],
)

user_satisfaction: Final = _declare(
    Histogram,
    "genrf_user_satisfaction_score",
    "User satisfaction ratings",
    ["feature"],
    buckets=[1, 2, 3, 4, 5],
)

pending_generations: Final = _declare(
    Gauge,
    "pending_generations",
    "Circuit generations accepted and not yet begun",
    [],
    multiprocess_mode="livesum",
)

refused_total: Final = _declare(
    Counter,
    "veriscope_genrf_refused_total",
    "Records that a recorder of veriscope.genrf did not take, by family and reason.",
    ["family", "reason"],
)

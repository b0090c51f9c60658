"""
What a circuit generator reports: genRF's metric families, and recorders that cannot fail it.

The families, recorders for them, and logging, tracing and profiling under one roof; the last
three are loaded when they are first used.
"""

from typing import TYPE_CHECKING, Final

from veriscope.genrf.metrics import (
    circuit_generation_total,
    circuit_performance,
    generation_duration,
    gpu_memory_usage,
    model_inference_duration,
    pending_generations,
    spice_convergence_issues,
    spice_simulation_total,
    user_satisfaction,
)
from veriscope.genrf.recorders import (
    STATUSES,
    Generation,
    generation,
    inference,
    record_convergence_failure,
    record_generation,
    record_gpu_memory,
    record_inference,
    record_pending_generations,
    record_quality,
    record_rating,
    record_spice_run,
    spice_run,
)
from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.instrument.logs import configure_logging
    from veriscope.instrument.profiling import profile_generation, track_memory_usage
    from veriscope.instrument.tracing import setup_tracing

__all__ = [
    "STATUSES",
    "Generation",
    "circuit_generation_total",
    "circuit_performance",
    "configure_logging",
    "generation",
    "generation_duration",
    "gpu_memory_usage",
    "inference",
    "model_inference_duration",
    "pending_generations",
    "profile_generation",
    "record_convergence_failure",
    "record_generation",
    "record_gpu_memory",
    "record_inference",
    "record_pending_generations",
    "record_quality",
    "record_rating",
    "record_spice_run",
    "setup_tracing",
    "spice_convergence_issues",
    "spice_run",
    "spice_simulation_total",
    "track_memory_usage",
    "user_satisfaction",
]

_HOMES: Final = {
    "configure_logging": "veriscope.instrument.logs",
    "profile_generation": "veriscope.instrument.profiling",
    "setup_tracing": "veriscope.instrument.tracing",
    "track_memory_usage": "veriscope.instrument.profiling",
}


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__

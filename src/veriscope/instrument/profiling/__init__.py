"""Where time and memory go: profiles of single calls, a profiler that is always on, memory."""

from veriscope.instrument.profiling.generation import profile_generation
from veriscope.instrument.profiling.memory import AllocationSite, MemoryUsage, track_memory_usage
from veriscope.instrument.profiling.sampling import SamplingProfiler

__all__ = [
    "AllocationSite",
    "MemoryUsage",
    "SamplingProfiler",
    "profile_generation",
    "track_memory_usage",
]

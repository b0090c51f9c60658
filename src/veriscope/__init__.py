"""
Veriscope: observability for AI and ML services in one install.

Each public name is loaded when it is first used, so that importing the package costs an
application nothing for the parts that it leaves alone.
"""

from typing import TYPE_CHECKING, Final

from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.facade.application import (
        ApplicationMetrics,
        ApplicationMonitor,
        BusinessMetrics,
    )
    from veriscope.facade.framework import ObservabilityFramework
    from veriscope.facade.performance import PerformanceMetrics, PerformanceMonitor
    from veriscope.facade.system import GPUMetrics, SystemMetrics, SystemMonitor
    from veriscope.facade.traces import LogLevel, Span, TraceContext
    from veriscope.instrument.delivery import configure, flush, shutdown
    from veriscope.instrument.genai import GenAiMetrics
    from veriscope.instrument.health import HealthApp, HealthChecks, HealthWsgiApp
    from veriscope.instrument.logs import configure_logging
    from veriscope.instrument.profiling import (
        SamplingProfiler,
        profile_generation,
        track_memory_usage,
    )
    from veriscope.instrument.requests import AsgiMiddleware, WsgiMiddleware
    from veriscope.instrument.tracing import setup_tracing

__version__ = "0.1.0"

__all__ = [
    "ApplicationMetrics",
    "ApplicationMonitor",
    "AsgiMiddleware",
    "BusinessMetrics",
    "GPUMetrics",
    "GenAiMetrics",
    "HealthApp",
    "HealthChecks",
    "HealthWsgiApp",
    "LogLevel",
    "ObservabilityFramework",
    "PerformanceMetrics",
    "PerformanceMonitor",
    "SamplingProfiler",
    "Span",
    "SystemMetrics",
    "SystemMonitor",
    "TraceContext",
    "WsgiMiddleware",
    "__version__",
    "configure",
    "configure_logging",
    "flush",
    "profile_generation",
    "setup_tracing",
    "shutdown",
    "track_memory_usage",
]

_HOMES: Final = {
    "ApplicationMetrics": ".facade.application",
    "ApplicationMonitor": ".facade.application",
    "AsgiMiddleware": ".instrument.requests",
    "BusinessMetrics": ".facade.application",
    "GPUMetrics": ".facade.system",
    "GenAiMetrics": ".instrument.genai",
    "HealthApp": ".instrument.health",
    "HealthChecks": ".instrument.health",
    "HealthWsgiApp": ".instrument.health",
    "LogLevel": ".facade.traces",
    "ObservabilityFramework": ".facade.framework",
    "PerformanceMetrics": ".facade.performance",
    "PerformanceMonitor": ".facade.performance",
    "SamplingProfiler": ".instrument.profiling",
    "Span": ".facade.traces",
    "SystemMetrics": ".facade.system",
    "SystemMonitor": ".facade.system",
    "TraceContext": ".facade.traces",
    "WsgiMiddleware": ".instrument.requests",
    "configure": ".instrument.delivery",
    "configure_logging": ".instrument.logs",
    "flush": ".instrument.delivery",
    "profile_generation": ".instrument.profiling",
    "setup_tracing": ".instrument.tracing",
    "shutdown": ".instrument.delivery",
    "track_memory_usage": ".instrument.profiling",
}


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__

"""Services from outside: `ApplicationMonitor`, what it probes and what it polls."""

from veriscope.facade.application.business import BusinessPaths
from veriscope.facade.application.metrics import ApplicationMetrics, BusinessMetrics, Endpoint
from veriscope.facade.application.monitor import ApplicationMonitor

__all__ = [
    "ApplicationMetrics",
    "ApplicationMonitor",
    "BusinessMetrics",
    "BusinessPaths",
    "Endpoint",
]

"""The machine: `SystemMonitor` and what it collects."""

from veriscope.facade.system.monitor import GPUMetrics, SystemMetrics, SystemMonitor

__all__ = ["GPUMetrics", "SystemMetrics", "SystemMonitor"]

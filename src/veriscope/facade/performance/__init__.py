"""The host process: `PerformanceMonitor`, custom metrics, and performance tests."""

from veriscope.facade.performance.monitor import PerformanceMetrics, PerformanceMonitor

__all__ = ["PerformanceMetrics", "PerformanceMonitor"]

"""Metrics of NVIDIA GPUs."""

from veriscope.collect.gpu.collector import GpuCollector
from veriscope.collect.gpu.options import GpuOptions

__all__ = ["GpuCollector", "GpuOptions"]

"""Metrics of the machine this process runs on."""

from veriscope.collect.host.collector import HostCollector
from veriscope.collect.host.options import HostOptions

__all__ = ["HostCollector", "HostOptions"]

"""The machine and its neighbours: host, GPU and scrape collectors."""

from veriscope.collect.gpu import GpuCollector, GpuOptions
from veriscope.collect.host import HostCollector, HostOptions
from veriscope.collect.loop import CollectLoop, Collector, Sink
from veriscope.collect.scrape import GlobalConfig, ScrapeConfig, Scraper, resolve_paths

__all__ = [
    "CollectLoop",
    "Collector",
    "GlobalConfig",
    "GpuCollector",
    "GpuOptions",
    "HostCollector",
    "HostOptions",
    "ScrapeConfig",
    "Scraper",
    "Sink",
    "resolve_paths",
]

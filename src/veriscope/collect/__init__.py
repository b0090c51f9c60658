"""The machine and its neighbours: host, GPU and scrape collectors."""

from veriscope.collect.gpu import GpuCollector, GpuOptions
from veriscope.collect.host import HostCollector, HostOptions
from veriscope.collect.loop import CollectLoop, Collector
from veriscope.collect.outbox import Outbox
from veriscope.collect.remote_write_client import AgentOptions
from veriscope.collect.scrape import GlobalConfig, ScrapeConfig, Scraper, resolve_paths
from veriscope.collect.sink import Sink

__all__ = [
    "AgentOptions",
    "CollectLoop",
    "Collector",
    "GlobalConfig",
    "GpuCollector",
    "GpuOptions",
    "HostCollector",
    "HostOptions",
    "Outbox",
    "ScrapeConfig",
    "Scraper",
    "Sink",
    "resolve_paths",
]

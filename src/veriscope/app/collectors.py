"""Composes the collectors of this machine and the scraper, for the server and the agent alike."""

import platform
from typing import Final

from prometheus_client import CollectorRegistry

from veriscope.app.config import Config
from veriscope.collect import CollectLoop, Collector, GpuCollector, HostCollector, Scraper, Sink
from veriscope.instrument.registry import RegistryCollector
from veriscope.signals import Clock, to_labels

# Veriscope's own metrics change slowly, and reading them costs more than reading the machine's.
_SELF_EVERY_S: Final = 5


def create_loops(
    config: Config, sink: Sink, *, clock: Clock, registry: CollectorRegistry, collect: bool
) -> tuple[CollectLoop, Scraper]:
    """Return the loops that fill *sink*: *registry* and with *collect* this machine; targets."""
    every = max(1, round(_SELF_EVERY_S / config.collect.interval.seconds))
    collectors: list[Collector] = [RegistryCollector(registry, every)]
    if collect and config.collect.host.enabled:
        collectors.append(HostCollector(config.collect.host, clock))
    if collect and config.collect.gpu.enabled:
        collectors.append(GpuCollector(config.collect.gpu, clock))
    loop = CollectLoop(
        collectors,
        sink,
        interval_ms=config.collect.interval,
        clock=clock,
        registry=registry,
        external_labels=to_labels({"job": "veriscope", "instance": platform.node()}),
    )
    scraper = Scraper(config.scrape_configs, config.global_, sink, clock=clock, registry=registry)
    return loop, scraper

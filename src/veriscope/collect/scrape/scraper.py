"""The scraper: a pool for each job, replaced in place when the configuration changes."""

import asyncio
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from veriscope.collect.scrape.config import GlobalConfig, ScrapeConfig
from veriscope.collect.scrape.job import Job, build_jobs
from veriscope.collect.scrape.loop import ScrapeLoop, Surroundings
from veriscope.collect.scrape.metrics import ScrapeMetrics
from veriscope.collect.scrape.pool import ScrapePool
from veriscope.collect.scrape.target import TargetKey, TargetsSnapshot
from veriscope.collect.sink import Sink
from veriscope.signals import Clock


class Scraper:
    """
    Scrapes what `scrape_configs` names and hands the samples to a sink.

    Construction and `apply` raise `InvalidInputError` with the job's name, the cause and the
    cure where a configuration cannot work; nothing has changed then.
    """

    def __init__(
        self,
        configs: Sequence[ScrapeConfig],
        global_config: GlobalConfig,
        sink: Sink,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._jobs = build_jobs(global_config, configs)
        self._around = Surroundings(sink, clock, ScrapeMetrics(registry))
        self._pools: dict[str, ScrapePool] = {}
        self._running = False
        self._lock = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Scrape until *stop* is set; what is in the sink's hands then is waited for."""
        async with self._lock:
            self._running = True
            await self._replace(self._jobs)
        try:
            await stop.wait()
        finally:
            async with self._lock:
                self._running = False
                await asyncio.gather(*(pool.stop() for pool in self._pools.values()))
                self._pools.clear()

    async def apply(self, global_config: GlobalConfig, configs: Sequence[ScrapeConfig]) -> None:
        """
        Go over to another configuration.

        Jobs that stay the same are not interrupted. Targets that stay keep their series live;
        those that go get stale markers.
        """
        jobs = build_jobs(global_config, configs)
        async with self._lock:
            self._jobs = jobs
            if self._running:
                await self._replace(jobs)

    def targets(self) -> TargetsSnapshot:
        """Return all targets as they are now."""
        pools = self._pools.values()
        return TargetsSnapshot(
            active=tuple(target for pool in pools for target in pool.active()),
            dropped=tuple(target for pool in pools for target in pool.dropped()),
        )

    async def _replace(self, jobs: Sequence[Job]) -> None:
        wanted = {job.name: job for job in jobs}
        heirs: dict[str, dict[TargetKey, ScrapeLoop]] = {}
        for name, pool in list(self._pools.items()):
            if wanted.get(name) != pool.job:
                del self._pools[name]
                heirs[name] = await pool.stop()
        for name, job in wanted.items():
            if name not in self._pools:
                pool = ScrapePool(job, self._around, heirs.pop(name, {}))
                self._pools[name] = pool
                pool.start()
        await asyncio.gather(*(loop.end() for loops in heirs.values() for loop in loops.values()))

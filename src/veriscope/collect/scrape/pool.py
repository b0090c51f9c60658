"""A scrape pool: the targets of one job as discovery sees them, each with its loop."""

import asyncio
from collections.abc import Coroutine
from functools import partial

from veriscope.collect.scrape.client import HttpClient
from veriscope.collect.scrape.discovery import Found, create_discoverers
from veriscope.collect.scrape.job import Job
from veriscope.collect.scrape.loop import ScrapeLoop, Surroundings
from veriscope.collect.scrape.target import (
    ActiveTarget,
    DroppedTarget,
    Target,
    TargetKey,
    build_target,
    discovered_labels,
)
from veriscope.signals import InvalidInputError, to_labels
from veriscope.signals.log import get_log

_log = get_log(__name__)


class ScrapePool:
    """Runs the discovery and the scrape loops of one job."""

    def __init__(
        self, job: Job, surroundings: Surroundings, ended: dict[TargetKey, ScrapeLoop]
    ) -> None:
        """Go on with the series of the loops that *ended*, where their targets are still there."""
        self.job = job
        self._around = surroundings
        self._ended = ended
        self._ending: set[TargetKey] = set()
        self._client = HttpClient(job.config)
        self._found: dict[int, Found] = {}
        self._loops: dict[Target, tuple[ScrapeLoop, asyncio.Task[None]]] = {}
        self._dropped: tuple[DroppedTarget, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._discoverers = create_discoverers(job.config, surroundings.metrics)
        self._updating = asyncio.Lock()

    def start(self) -> None:
        """Begin to discover and to scrape."""
        for index, discoverer in enumerate(self._discoverers):
            self._spawn(discoverer.run(partial(self._update, index)))

    def active(self) -> tuple[ActiveTarget, ...]:
        """Return the targets that are scraped, and how they are."""
        return tuple(loop.status() for loop, _ in self._loops.values())

    def dropped(self) -> tuple[DroppedTarget, ...]:
        """Return the targets that relabelling dropped."""
        return self._dropped

    async def stop(self) -> dict[TargetKey, ScrapeLoop]:
        """Stop everything, marking nothing stale; return the loops that have ended."""
        tasks = [*self._tasks, *(task for _, task in self._loops.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()
        self._around.metrics.targets.remove(self.job.name)
        return self._ended | {target.key: loop for target, (loop, _) in self._loops.items()}

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("scrape pool task broke", job=self.job.name, exc_info=error)

    async def _update(self, index: int, found: Found) -> None:
        """Replace what one discoverer sees, and start and end loops accordingly."""
        async with self._updating:
            self._found[index] = found
            wanted = self._build_targets()
            for target in [target for target in self._loops if target not in wanted]:
                await self._end_loop(target)
            for target in [target for target in wanted if target not in self._loops]:
                self._start_loop(target)
            if len(self._found) == len(self._discoverers):
                self._mark_ended()
            self._limit_targets()
            self._around.metrics.targets.labels(self.job.name).set(len(self._loops))

    def _build_targets(self) -> dict[Target, None]:
        wanted: dict[Target, None] = {}
        dropped: list[DroppedTarget] = []
        for item in (item for found in self._found.values() for item in found):
            try:
                target = build_target(self.job, item)
            except InvalidInputError as error:
                _log.warning("target left out", job=self.job.name, target=item, error=str(error))
                continue
            if target is not None:
                wanted[target] = None
            elif not self.job.keep_dropped_targets or len(dropped) < self.job.keep_dropped_targets:
                labels = to_labels(discovered_labels(self.job, item))
                dropped.append(DroppedTarget(labels, self.job.name))
        self._dropped = tuple(dropped)
        return wanted

    def _start_loop(self, target: Target) -> None:
        before = self._ended.pop(target.key, None)
        live = before.live() if before is not None else ()
        loop = ScrapeLoop(self.job, target, self._client, self._around, live=live)
        task = asyncio.create_task(loop.run())
        task.add_done_callback(self._forget)
        self._loops[target] = (loop, task)

    async def _end_loop(self, target: Target) -> None:
        loop, task = self._loops.pop(target)
        self._ended[target.key] = loop
        task.cancel()
        await asyncio.wait([task])

    def _mark_ended(self) -> None:
        """Let the series of loops that nothing goes on with go stale, all discovery being in."""
        for key, loop in self._ended.items():
            if key not in self._ending:
                self._ending.add(key)
                self._spawn(self._finish(key, loop))

    async def _finish(self, key: TargetKey, loop: ScrapeLoop) -> None:
        await loop.end()
        self._ending.discard(key)
        if self._ended.get(key) is loop:
            del self._ended[key]

    def _limit_targets(self) -> None:
        limit = self.job.target_limit
        over = bool(limit) and len(self._loops) > limit
        error = f"{len(self._loops)} targets, target_limit is {limit}" if over else ""
        for loop, _ in self._loops.values():
            loop.forced_error = error

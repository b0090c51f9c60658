"""The loop that keeps roll-ups up to date."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from veriscope.signals import Clock, VeriscopeError
from veriscope.store import RollupKeeper

_log = structlog.get_logger(__name__)
_EVERY_S: Final = 60


class RollupLoop:
    """Rolls up each hour that is over, and those to which samples came late, once a minute."""

    def __init__(self, keeper: RollupKeeper, clock: Clock, registry: CollectorRegistry) -> None:
        self._keeper = keeper
        self._clock = clock
        self._hours = Counter(
            "veriscope_rollups_total",
            "Hours of metrics that were rolled up, each time they were.",
            registry=registry,
        )
        self._failures = Counter(
            "veriscope_rollup_failures_total",
            "Times that rolling up failed; it is tried again a minute later.",
            registry=registry,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Keep on until *stop* is set."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="rollups") as thread:
            while not stop.is_set():
                try:
                    done = await loop.run_in_executor(
                        thread, self._keeper.fill, self._clock.now_ms()
                    )
                    self._hours.inc(done)
                except VeriscopeError as error:
                    self._failures.inc()
                    _log.warning("rollups_failed", error=str(error))
                try:
                    async with asyncio.timeout(_EVERY_S):
                        await stop.wait()
                except TimeoutError:
                    continue

"""Everything put together: settings in, a running service out."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import REGISTRY, CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp

import veriscope
from examples import doors
from examples.faults import Faults, MemoryLeak
from examples.genrf import harm
from examples.genrf.board import put_dashboard
from examples.genrf.designs import Designs
from examples.genrf.generation import Workbench
from examples.genrf.jobs import JobQueue
from examples.genrf.routes import Parts, create_app
from examples.genrf.spice import CrashingSpice, Simulator
from examples.genrf.usage import Usage
from veriscope.instrument.health import disk_check, gpu_check, memory_check, spice_check
from veriscope.signals import SystemClock

SERVICE: Final = "genrf"
VERSION: Final = "1.0.0"
_log = structlog.get_logger("genrf.service")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service runs."""

    directory: Path
    """Where designs, logs and profiles are kept."""

    address: tuple[str, int] = ("127.0.0.1", 8102)
    workers: int = 2
    """Generations at a time."""

    depth: int = 32
    """Generations that may wait."""

    profile_every: int = 25
    """One generation in so many is profiled; 0 for none."""


def serve(settings: Settings) -> None:
    """Set Veriscope up and serve until a signal ends it."""
    settings.directory.mkdir(parents=True, exist_ok=True)
    veriscope.configure(service_name=SERVICE)
    veriscope.configure_logging(SERVICE, directory=settings.directory / "logs")
    veriscope.setup_tracing(SERVICE)
    put_dashboard(veriscope.ObservabilityFramework(SERVICE))
    try:
        asyncio.run(doors.serve(build(settings, REGISTRY), "genRF", settings.address))
    finally:
        veriscope.shutdown()


def build(settings: Settings, registry: CollectorRegistry) -> ASGIApp:
    """Return the observed application, with its own metrics on *registry*."""
    faults = Faults(harm.FAULTS, registry)
    MemoryLeak(faults)
    harm.HotGpu(faults)
    chance = random.Random(0)  # noqa: S311 - it chooses what to spoil
    simulator = Simulator(
        sabotage=CrashingSpice(lambda: faults.is_on("spice-crash"), chance),
    )
    bench = Workbench(simulator, repeats=lambda: harm.inference_repeats(faults))
    designs = Designs(settings.directory / "designs.sqlite", SystemClock())
    jobs = JobQueue(
        bench,
        designs,
        registry,
        profiles=settings.directory / "profiles",
        workers=settings.workers,
        depth=settings.depth,
        profile_every=settings.profile_every,
    )
    burst = harm.ErrorBurst(faults, jobs.submit)
    health = veriscope.HealthApp(_checks(settings, designs, jobs), registry)

    def stop() -> None:
        burst.stop()
        jobs.stop()
        simulator.close()
        designs.close()

    def start() -> None:
        if interrupted := designs.interrupt_unfinished():
            _log.warning("jobs of a killed service were interrupted", jobs=interrupted)
        jobs.start()

    parts = Parts(jobs, designs, Usage(registry), faults, health)
    app = create_app(parts, _lifespan(start, stop))
    return veriscope.AsgiMiddleware(app, registry=registry)


def _checks(settings: Settings, designs: Designs, jobs: JobQueue) -> veriscope.HealthChecks:
    checks = veriscope.HealthChecks(SERVICE, version=VERSION)
    checks.add("database", designs.ping)
    checks.add("spice", spice_check(), cache_s=15)
    checks.add("workers", jobs.check)
    checks.add("gpu", gpu_check(), critical=False)
    checks.add("disk", disk_check(str(settings.directory), max_percent=97))
    checks.add("memory", memory_check(max_percent=97), critical=False)
    return checks


def _lifespan(start: Callable[[], None], stop: Callable[[], None]) -> Callable[[Starlette], Any]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(start)
        try:
            yield
        finally:
            await asyncio.to_thread(stop)

    return lifespan

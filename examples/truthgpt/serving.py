"""Everything put together: settings in, a running service out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp

import veriscope
from examples import doors
from examples.faults import Faults, MemoryLeak, SimulatedGpu
from examples.truthgpt import watching
from examples.truthgpt.inference import InferenceQueue
from examples.truthgpt.model.catalogue import TRANSFORMER, Catalogue
from examples.truthgpt.model.training import Models, corpus, load_or_train
from examples.truthgpt.optimization import Optimizer
from examples.truthgpt.routes import Parts, create_app
from examples.truthgpt.users import ActiveUsers
from veriscope.signals import InvalidInputError

VERSION: Final = "1.0.0"
FAULTS: Final = ("slow-model", "memory-leak", "gpu-hot", "error-burst")
_CHECK_INTERVAL_S: Final = 5.0
_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service runs."""

    directory: Path
    """Where weights, logs and profiles are kept."""
    corpus: Path | None = None
    """Text to learn from; the repository's documents where it is not given."""
    address: tuple[str, int] = ("127.0.0.1", 8101)
    workers: int = 1
    """Inference threads."""
    max_waiting: int = 32
    """Prompts that may wait for a worker."""


def serve(settings: Settings) -> None:
    """Set Veriscope up, train or load the models, and serve until a signal ends it."""
    veriscope.configure(service_name=watching.SERVICE)
    veriscope.configure_logging(watching.SERVICE, directory=settings.directory / "logs")
    veriscope.setup_tracing(watching.SERVICE)
    try:
        models = load_or_train(_text(settings.corpus), settings.directory)
        app = build(models, settings, REGISTRY)
        with veriscope.SamplingProfiler(directory=settings.directory / "profiles"):
            asyncio.run(doors.serve(app, "TruthGPT", settings.address))
    finally:
        veriscope.shutdown()


def _text(own: Path | None) -> str:
    if own is None:
        return corpus(_ROOT)
    try:
        return own.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"cannot learn from {own}: {error}") from error


def build(models: Models, settings: Settings, registry: CollectorRegistry) -> ASGIApp:
    """Return the observed application over *models*, with its metrics on *registry*."""
    faults = Faults(FAULTS, registry)
    catalogue, users = Catalogue(models, faults), ActiveUsers()
    inference = InferenceQueue(
        catalogue,
        watching.genai_metrics(registry),
        workers=settings.workers,
        max_waiting=settings.max_waiting,
    )
    optimizer = Optimizer(catalogue, registry)
    MemoryLeak(faults)
    SimulatedGpu(faults, registry)
    watching.export_gauges(catalogue, users, registry)
    health = watching.health_app(catalogue, str(settings.directory), registry, VERSION)
    app = create_app(
        Parts(catalogue, inference, optimizer, users, faults, health),
        _lifespan(watching.observers(catalogue, inference, users), catalogue, inference, optimizer),
    )
    return veriscope.AsgiMiddleware(app, registry=registry)


def _lifespan(
    observers: watching.Observers,
    catalogue: Catalogue,
    inference: InferenceQueue,
    optimizer: Optimizer,
) -> Callable[[Starlette], Any]:
    async def check() -> None:
        while True:
            await asyncio.to_thread(
                observers.check,
                {
                    "queue_depth": inference.waiting,
                    "validation_loss": catalogue.losses[TRANSFORMER],
                },
            )
            await asyncio.sleep(_CHECK_INTERVAL_S)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        observers.start()
        checking = asyncio.create_task(check())
        try:
            yield
        finally:
            checking.cancel()
            await asyncio.to_thread(observers.stop)
            await asyncio.to_thread(inference.close)
            await asyncio.to_thread(optimizer.close)

    return lifespan

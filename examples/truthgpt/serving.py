"""Everything put together: settings in, a running service out."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import structlog
import uvicorn
from prometheus_client import REGISTRY, CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp

import veriscope
from examples.faults import Faults, MemoryLeak, SimulatedGpu
from examples.truthgpt import watching
from examples.truthgpt.inference import InferenceQueue
from examples.truthgpt.model.catalogue import TRANSFORMER, Catalogue
from examples.truthgpt.model.training import Models, corpus, load_or_train
from examples.truthgpt.optimization import Optimizer
from examples.truthgpt.service import Parts, create_app
from examples.truthgpt.users import ActiveUsers

VERSION: Final = "1.0.0"
FAULTS: Final = ("slow-model", "memory-leak", "gpu-hot", "error-burst")
_CHECK_INTERVAL_S: Final = 5.0
_ROOT: Final = Path(__file__).parents[2]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service runs."""

    directory: Path
    """Where weights, logs and profiles are kept."""
    corpus: Path | None = None
    """Text to learn from; the repository's documents where it is not given."""
    host: str = "127.0.0.1"
    port: int = 8101
    workers: int = 1
    """Inference threads."""
    max_waiting: int = 32
    """Prompts that may wait for a worker."""


def serve(settings: Settings) -> None:
    """Set Veriscope up, train or load the models, and serve until a signal ends it."""
    veriscope.configure(service_name=watching.SERVICE)
    veriscope.configure_logging(watching.SERVICE, directory=settings.directory / "logs")
    veriscope.setup_tracing(watching.SERVICE)
    own = settings.corpus
    text = corpus(_ROOT) if own is None else own.read_text(encoding="utf-8")
    models = load_or_train(text, settings.directory)
    with veriscope.SamplingProfiler(directory=settings.directory / "profiles"):
        asyncio.run(_run(settings, build(models, settings, REGISTRY)))
    veriscope.shutdown()


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


async def _run(settings: Settings, app: ASGIApp) -> None:
    listening = socket.create_server((settings.host, settings.port))
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=5, lifespan="on"
    )
    print(f"TruthGPT is at http://{host}:{port}", flush=True)  # noqa: T201 - its one line
    for number in (signal.SIGINT, signal.SIGTERM):
        # Once it has stopped, uvicorn raises the signal again for whoever was there before it;
        # that must not end the process, which still has to send what it has recorded.
        signal.signal(number, _note)
    await uvicorn.Server(config).serve(sockets=[listening])


def _note(number: int, _frame: FrameType | None) -> None:
    _log.info("stopped", signal=signal.Signals(number).name)

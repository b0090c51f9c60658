"""Optimisation jobs: a search over the models' own parameters, on a bounded queue."""

import itertools
import math
import queue
import threading
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import structlog
from numpy.typing import NDArray
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from scipy.optimize import minimize

from examples.truthgpt.model.catalogue import NGRAM, TRANSFORMER, Catalogue
from examples.truthgpt.model.training import descend, validation_loss
from examples.truthgpt.model.transformer import DivergedError
from veriscope.signals import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

JobStatus = Literal["queued", "running", "completed", "failed"]
_DIVERGED: Final = 1.5
"""A search has diverged when its loss is so many times what it was before."""
_STEPS: Final = 12
"""Training steps of one trial of a learning rate."""
_KEPT_JOBS: Final = 200
_BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)
_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("truthgpt")


@dataclass(slots=True)
class OptimizationJob:
    """One search. Losses are in nats per token of text that was not trained on."""

    id: str
    model: str
    trials: int
    learning_rate: float | None
    status: JobStatus = "queued"
    loss_before: float | None = None
    loss_after: float | None = None
    found: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    def shown(self) -> dict[str, Any]:
        """Return the job as JSON shows it."""
        return asdict(self)


class Optimizer:
    """At most *max_waiting* jobs wait for one worker thread; further ones are refused."""

    def __init__(
        self, catalogue: Catalogue, registry: CollectorRegistry, *, max_waiting: int = 8
    ) -> None:
        self._catalogue = catalogue
        self._jobs: OrderedDict[str, OptimizationJob] = OrderedDict()
        self._numbers = itertools.count(1)
        self._queue: queue.Queue[OptimizationJob | None] = queue.Queue(max_waiting)
        self._stats = dict.fromkeys(("total", "completed", "failed"), 0)
        self._lock = threading.Lock()
        self._counted = Counter(
            "truthgpt_optimizations", "Ended jobs.", ["model", "status"], registry=registry
        )
        self._seconds = Histogram(
            "truthgpt_optimization_duration_seconds",
            "Time that a job ran.",
            ["model"],
            buckets=_BUCKETS,
            registry=registry,
        )
        Gauge(
            "truthgpt_optimization_queue_depth", "Jobs that wait.", registry=registry
        ).set_function(self._queue.qsize)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="optimizer", daemon=True)
        self._thread.start()

    def submit(self, model: str, trials: int, learning_rate: float | None) -> OptimizationJob:
        """
        Queue a search of *trials* trials for a better *model*.

        *learning_rate* is where the transformer's search begins; the n-gram model has none.
        Raises `OverloadedError` where the queue is full.
        """
        job = OptimizationJob(f"opt-{next(self._numbers)}", model, trials, learning_rate)
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise OverloadedError("the queue of jobs is full", retry_after_s=5) from None
        with self._lock:
            self._stats["total"] += 1
            self._jobs[job.id] = job
            while len(self._jobs) > _KEPT_JOBS:
                self._jobs.popitem(last=False)
        return job

    def get(self, job_id: str) -> OptimizationJob | None:
        """Return a job; None for one that never was, or was so long ago that it is forgotten."""
        return self._jobs.get(job_id)

    def latest(self, count: int = 20) -> list[OptimizationJob]:
        """Return the newest jobs, the newest first."""
        with self._lock:
            return list(itertools.islice(reversed(self._jobs.values()), count))

    def stats(self) -> dict[str, int]:
        """Return how many jobs were accepted, completed and failed since the start."""
        with self._lock:
            return dict(self._stats)

    def close(self) -> None:
        """Stop after the trial that runs; jobs that wait are given up."""
        self._closing.set()
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                self._queue.get_nowait()
        self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None and not self._closing.is_set():
            job.status = "running"
            begun_s = time.perf_counter()
            with _tracer.start_as_current_span(
                f"optimize {job.model}", attributes={"job.id": job.id, "job.trials": job.trials}
            ) as span:
                try:
                    self._search(job)
                    status: JobStatus = "completed"
                except DivergedError as error:
                    job.error, status = str(error), "failed"
                except Exception as error:  # noqa: BLE001 - one job must not end the worker
                    _log.exception("optimization broke", job=job.id)
                    job.error, status = f"{type(error).__name__}: {error}", "failed"
                if status == "failed":
                    span.set_status(Status(StatusCode.ERROR, job.error))
                self._end(job, status, time.perf_counter() - begun_s)

    def _end(self, job: OptimizationJob, status: JobStatus, took_s: float) -> None:
        with self._lock:
            self._stats[status] += 1
        self._counted.labels(job.model, status).inc()
        self._seconds.labels(job.model).observe(took_s)
        job.status = status
        tell = _log.info if status == "completed" else _log.warning
        tell(
            "optimization ended",
            job=job.id,
            model=job.model,
            status=status,
            loss_before=job.loss_before,
            loss_after=job.loss_after,
            error=job.error,
        )

    def _search(self, job: OptimizationJob) -> None:
        searches: dict[str, Callable[[OptimizationJob], None]] = {
            NGRAM: self._search_discounts,
            TRANSFORMER: self._search_learning_rate,
        }
        searches[job.model](job)

    def _search_discounts(self, job: OptimizationJob) -> None:
        """Minimise the validation loss over the discounts, by Nelder and Mead's simplex."""
        model, validation = self._catalogue.ngram, self._catalogue.models.validation
        job.loss_before = self._catalogue.losses[NGRAM]

        def loss(logits: NDArray[np.float64]) -> float:
            if self._closing.is_set():
                raise DivergedError("the service is closing")
            with _tracer.start_as_current_span("trial"):
                return model.with_discounts(_sigmoid(logits)).loss(validation)

        start = np.array([math.log(d / (1 - d)) for d in model.discounts])
        result = minimize(loss, start, method="Nelder-Mead", options={"maxfev": job.trials})
        discounts = _sigmoid(result.x)
        job.loss_after, job.found = float(result.fun), {"discounts": discounts}
        if not math.isfinite(job.loss_after):
            raise DivergedError(f"the validation loss is {job.loss_after}")
        if job.loss_after < job.loss_before:
            self._catalogue.adopt_ngram(model.with_discounts(discounts), job.loss_after)

    def _search_learning_rate(self, job: OptimizationJob) -> None:
        """Train on from the present weights at rates around the one asked for; keep the best."""
        before = job.loss_before = self._catalogue.losses[TRANSFORMER]
        models, chance = self._catalogue.models, np.random.default_rng(int(job.id[4:]))
        center = job.learning_rate or 1e-3
        best = (math.inf, center, self._catalogue.weights)
        for trial in range(job.trials):
            if self._closing.is_set():
                raise DivergedError("the service is closing")
            rate = center * (1.0 if trial == 0 else float(10 ** chance.uniform(-0.5, 0.5)))
            with _tracer.start_as_current_span("trial", attributes={"learning_rate": rate}):
                weights = {name: array.copy() for name, array in best[2].items()}
                with np.errstate(over="ignore", invalid="ignore"):
                    for _ in descend(
                        *(weights, models.shape, models.train),
                        steps=_STEPS,
                        learning_rate=rate,
                        seed=trial,
                    ):
                        pass
                    loss = validation_loss(weights, models.shape, models.validation)
            if loss > before * _DIVERGED:
                raise DivergedError(f"loss {before:.2f} rose to {loss:.2f} at rate {rate:.2g}")
            if loss < best[0]:
                best = (loss, rate, weights)
        job.loss_after, job.found = best[0], {"learning_rate": best[1]}
        if best[0] < before:
            self._catalogue.adopt_weights(best[2], best[0])


def _sigmoid(x: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in 1 / (1 + np.exp(-x))]

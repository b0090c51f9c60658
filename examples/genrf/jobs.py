"""The bounded queue of generations and the workers that empty it."""

import functools
import math
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from opentelemetry import context as otel_context
from prometheus_client import CollectorRegistry, Counter, Histogram

import veriscope
from examples.genrf.circuits import CircuitSpec
from examples.genrf.designs import Designs
from examples.genrf.generation import (
    Attempt,
    CancelledError,
    Circuit,
    GenerationError,
    Workbench,
    generate_circuit,
)
from examples.genrf.spice import ENGINE
from examples.genrf.usage import band_of
from veriscope.genrf import record_generation, record_pending_generations, record_quality
from veriscope.signals import OverloadedError, UnavailableError

_log = structlog.get_logger("genrf.generation")

_SECONDS_EACH: Final = 2.0
"""What a generation is taken to last until one has ended."""


@dataclass(frozen=True, slots=True)
class _Job:
    job_id: str
    spec: CircuitSpec
    context: otel_context.Context
    queued_s: float = field(default_factory=time.monotonic)


class JobQueue:
    """
    Runs generations on *workers* threads; at most *depth* wait.

    One generation in *profile_every* is profiled into *profiles* (CPU profile and memory);
    0 profiles none.
    """

    def __init__(
        self,
        bench: Workbench,
        designs: Designs,
        registry: CollectorRegistry,
        *,
        profiles: Path,
        workers: int = 2,
        depth: int = 32,
        profile_every: int = 25,
    ) -> None:
        self._bench = bench
        self._designs = designs
        self._queue: queue.Queue[_Job | None] = queue.Queue()
        self._depth = depth
        self._lock = threading.Lock()
        self._pending = 0
        self._begun = 0
        self._seconds_each = _SECONDS_EACH
        self._stopping = threading.Event()
        self._profile_every = profile_every
        self._profiled = _profiled(profiles)
        self._waited = Histogram(
            "genrf_queue_wait_seconds",
            "Time that generations waited for a worker.",
            buckets=[0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60],
            registry=registry,
        )
        self._failed = Counter(
            "genrf_failed_generations_total",
            "Generations without a circuit that meets its targets.",
            ["technology", "band"],
            registry=registry,
        )
        self._workers = [
            threading.Thread(target=self._work, name=f"genrf-worker-{number}", daemon=True)
            for number in range(workers)
        ]
        record_pending_generations(0)

    def start(self) -> None:
        """Start the workers."""
        for worker in self._workers:
            worker.start()

    @property
    def pending(self) -> int:
        """Generations accepted and not yet begun."""
        return self._pending

    def check(self) -> None:
        """Raise when a worker has died; for `HealthChecks`."""
        dead = [worker.name for worker in self._workers if not worker.is_alive()]
        if dead:
            raise UnavailableError(f"{', '.join(dead)} died")

    def submit(self, spec: CircuitSpec) -> str:
        """Queue a generation and return its job's id; `OverloadedError` when the queue is full."""
        if self._stopping.is_set():
            raise OverloadedError("the service is stopping", retry_after_s=5)
        self._count(1)
        job = _Job(uuid.uuid4().hex[:16], spec, otel_context.get_current())
        try:
            self._designs.add_job(job.job_id, spec)
        except BaseException:
            self._count(-1, accepted=False)
            raise
        self._queue.put(job)
        return job.job_id

    def stop(self, timeout_s: float = 5.0) -> None:
        """Cancel what runs and what waits, record both as `cancelled`, and end the workers."""
        self._stopping.set()
        for _ in self._workers:
            self._queue.put(None)
        deadline = time.monotonic() + timeout_s
        for worker in self._workers:
            if worker.is_alive():
                worker.join(max(deadline - time.monotonic(), 0))

    def _count(self, change: int, *, accepted: bool = True) -> None:
        with self._lock:
            if change > 0 and self._pending >= self._depth:
                wait_s = self._depth * self._seconds_each / len(self._workers)
                raise OverloadedError(
                    f"{self._depth} generations wait already",
                    retry_after_s=max(math.ceil(wait_s / 4), 1),
                )
            self._pending += change
            self._begun += change < 0 and accepted
            record_pending_generations(self._pending)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            self._count(-1)
            self._waited.observe(time.monotonic() - job.queued_s)
            token = otel_context.attach(job.context)
            spec = job.spec
            try:
                with structlog.contextvars.bound_contextvars(
                    job_id=job.job_id,
                    circuit_type=spec.circuit_type,
                    technology=spec.technology,
                    frequency=spec.frequency,
                    spice_engine=ENGINE,
                    user_id=spec.user_id,
                    session_id=spec.session_id,
                ):
                    self._run(job)
            finally:
                otel_context.detach(token)

    def _run(self, job: _Job) -> None:
        begun = time.monotonic()
        status, rounds = "failed", 0
        try:
            circuit = self._generate(job)
            rounds = circuit.rounds
            status = "failed" if circuit.unmet else "success"
            elapsed_s = time.monotonic() - begun
            self._designs.finish(job.job_id, circuit, elapsed_s)
            _report(circuit, elapsed_s)
        except (CancelledError, UnavailableError) as error:
            status = "cancelled" if self._stopping.is_set() else "failed"
            self._end(job, status, str(error), begun)
        except GenerationError as error:
            self._end(job, "failed", str(error), begun)
        except Exception as error:  # noqa: BLE001 - a worker outlives whatever one job does to it
            _log.exception("generation crashed", generation_time=time.monotonic() - begun)
            self._designs.change_job(job.job_id, "failed", repr(error))
        finally:
            elapsed_s = time.monotonic() - begun
            record_generation(job.spec.circuit_type, job.spec.technology, status, elapsed_s, rounds)
            if status == "failed":
                self._failed.labels(job.spec.technology, band_of(job.spec)).inc()
            with self._lock:
                self._seconds_each += 0.1 * (elapsed_s - self._seconds_each)

    def _generate(self, job: _Job) -> Circuit:
        if self._stopping.is_set():
            raise CancelledError("the service is stopping")
        self._designs.change_job(job.job_id, "running")
        _log.info("circuit generation requested", targets=job.spec.targets)
        attempt = Attempt(job.spec, self._bench, self._stopping.is_set)
        sampled = self._profile_every > 0 and self._begun % self._profile_every == 0
        return self._profiled(attempt) if sampled else generate_circuit(attempt)

    def _end(self, job: _Job, state: str, reason: str, begun: float) -> None:
        self._designs.change_job(job.job_id, state, reason)
        tell = _log.warning if state == "cancelled" else _log.error
        tell(
            "circuit generation cancelled" if state == "cancelled" else "circuit generation failed",
            reason=reason,
            generation_time=time.monotonic() - begun,
        )


def _profiled(folder: Path) -> Callable[[Attempt], Circuit]:
    """Return `generate_circuit`, profiled: CPU into *folder*, memory into the log."""

    @functools.wraps(generate_circuit)
    def watched(attempt: Attempt) -> Circuit:
        with veriscope.track_memory_usage():
            return generate_circuit(attempt)

    return veriscope.profile_generation(directory=folder)(watched)


def _report(circuit: Circuit, elapsed_s: float) -> None:
    for name, value in circuit.figures.items():
        # A histogram's sum may not fall: S11 counts as the return loss that it is.
        metric_type, figure = ("return_loss_db", -value) if name == "s11_db" else (name, value)
        record_quality(
            metric_type, circuit.spec.circuit_type, circuit.spec.technology, max(figure, 0.0)
        )
    if circuit.failures:
        _log.warning("convergence failure", failures=dict(circuit.failures))
    tell = _log.error if circuit.unmet else _log.info
    tell(
        "circuit misses its targets" if circuit.unmet else "circuit generated",
        generation_time=elapsed_s,
        topology=circuit.topology,
        simulations=circuit.simulations,
        rounds=circuit.rounds,
        score=circuit.score,
        unmet=list(circuit.unmet),
        figures=dict(circuit.figures),
    )

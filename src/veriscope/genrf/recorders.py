"""
Recorders: one call for each thing that a circuit generator has to report.

A recorder never raises and never blocks. What it cannot take (a rating of 7, a duration of
NaN, a status that no alert knows) is counted in `veriscope_genrf_refused_total` and logged once
for each family and reason. Nothing of a refused record is counted anywhere else.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

from veriscope.genrf import metrics
from veriscope.instrument.label_values import LabelValues
from veriscope.instrument.logs.trace_context import current_ids
from veriscope.signals.log import get_log

STATUSES: Final = ("cancelled", "failed", "success", "timeout")
"""What a generation or a simulation can end with; the guide's alerts divide by `failed`."""

OTHER: Final = "other"
"""The label value of everything beyond a label's limit of values."""

VALUE_LIMIT: Final = 100
"""Distinct values that one label may take."""

VALUE_LENGTH: Final = 128
"""Characters of a label value; the rest is cut off."""

_BEST_RATING: Final = 5

_log = get_log(__name__)


class _RefusedError(Exception):
    """A record that is not taken; the message is the reason's label value."""


class _Recording:
    """Counts what its block refuses, and lets no exception out of it."""

    _told: Final[set[tuple[str, str]]] = set()

    def __init__(self, family: str) -> None:
        self._family = family

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        # Anything else comes from prometheus_client: in multiprocess mode it writes to disk.
        reason = str(error) if isinstance(error, _RefusedError) else "error"
        metrics.refused_total.labels(self._family, reason).inc()
        if (self._family, reason) not in self._told:
            self._told.add((self._family, reason))
            _log.warning("record refused", family=self._family, reason=reason, error=repr(error))
        return True


class _Label:
    """A label of at most `VALUE_LIMIT` values."""

    def __init__(self) -> None:
        self._values = LabelValues(VALUE_LIMIT)

    def admit(self, value: object) -> str:
        """Return *value* as a label value, or `OTHER` where it is one too many."""
        text = str(value)[:VALUE_LENGTH] or "unknown"
        return text if self._values.admit(text) else OTHER


_circuit_types = _Label()
_technologies = _Label()
_steps = _Label()
_engines = _Label()
_failure_types = _Label()
_model_types = _Label()
_batch_sizes = _Label()
_metric_types = _Label()
_features = _Label()
_gpus = _Label()


def record_generation(
    circuit_type: str,
    technology: str,
    status: str,
    duration_s: float,
    optimization_steps: int | str = 0,
) -> None:
    """Count a generation that ended with *status* (one of `STATUSES`) after *duration_s*."""
    with _Recording("genrf_circuits_generated_total"):
        ended, seconds = _status(status), _quantity(duration_s)
        circuit = _circuit_types.admit(circuit_type)
        steps = _steps.admit(optimization_steps)
        metrics.circuit_generation_total.labels(
            circuit, _technologies.admit(technology), ended
        ).inc()
        metrics.generation_duration.labels(circuit, steps).observe(seconds, _exemplar())


def record_spice_run(engine: str, circuit_type: str, status: str) -> None:
    """Count a SPICE simulation of *engine* that ended with *status* (one of `STATUSES`)."""
    with _Recording("genrf_spice_simulations_total"):
        ended = _status(status)
        metrics.spice_simulation_total.labels(
            _engines.admit(engine), _circuit_types.admit(circuit_type), ended
        ).inc()


def record_convergence_failure(circuit_type: str, failure_type: str) -> None:
    """Count a simulation that did not converge, by what stopped it."""
    with _Recording("genrf_spice_convergence_failures_total"):
        metrics.spice_convergence_issues.labels(
            _circuit_types.admit(circuit_type), _failure_types.admit(failure_type)
        ).inc()


def record_gpu_memory(gpu_id: int | str, used_bytes: float) -> None:
    """Set the memory in use on device *gpu_id*, in bytes."""
    with _Recording("genrf_gpu_memory_bytes"):
        used = _quantity(used_bytes)
        metrics.gpu_memory_usage.labels(_gpus.admit(gpu_id)).set(used)


def record_inference(model_type: str, batch_size: int | str, duration_s: float) -> None:
    """Observe one inference of a batch of *batch_size* inputs."""
    with _Recording("genrf_model_inference_seconds"):
        seconds = _quantity(duration_s)
        metrics.model_inference_duration.labels(
            _model_types.admit(model_type), _batch_sizes.admit(batch_size)
        ).observe(seconds, _exemplar())


def record_quality(metric_type: str, circuit_type: str, technology: str, value: float) -> None:
    """
    Observe a quality figure of a generated circuit, such as `gain_db` or `power_mw`.

    Any finite number counts. Figures below 0.1, the guide's lowest bucket, cannot be told apart
    by quantile: give a noise figure or a loss as a positive number.
    """
    with _Recording("genrf_circuit_performance"):
        figure = _finite(value)
        metrics.circuit_performance.labels(
            _metric_types.admit(metric_type),
            _circuit_types.admit(circuit_type),
            _technologies.admit(technology),
        ).observe(figure, _exemplar())


def record_rating(feature: str, score: float) -> None:
    """Observe a user's rating of *feature*: *score* from 1 to 5."""
    with _Recording("genrf_user_satisfaction_score"):
        rating = _finite(score)
        if not 1 <= rating <= _BEST_RATING:
            raise _RefusedError("not_from_1_to_5")
        metrics.user_satisfaction.labels(_features.admit(feature)).observe(rating)


def record_pending_generations(count: int) -> None:
    """Set how many generations wait in this process; processes are added up."""
    with _Recording("pending_generations"):
        metrics.pending_generations.set(_quantity(count))


class Generation:
    """A generation under way; what it learns while it runs is set on it."""

    def __init__(self, circuit_type: str, technology: str, optimization_steps: int | str) -> None:
        self.circuit_type = circuit_type
        self.technology = technology
        self.optimization_steps = optimization_steps
        self.status = "success"

    def quality(self, metric_type: str, value: float) -> None:
        """Observe a quality figure of the circuit; see `record_quality`."""
        record_quality(metric_type, self.circuit_type, self.technology, value)


@contextmanager
def generation(
    circuit_type: str, technology: str, *, optimization_steps: int | str = 0
) -> Iterator[Generation]:
    """
    Record the block as a generation, timed, with the status that its end tells.

    `success` unless the block sets another; `timeout` on `TimeoutError`, `cancelled` where the
    block was cancelled or interrupted, `failed` on any other exception, which goes on.
    """
    begun = time.perf_counter()
    running = Generation(circuit_type, technology, optimization_steps)
    try:
        yield running
    except BaseException as error:
        running.status = _status_of(error)
        raise
    finally:
        record_generation(
            circuit_type,
            technology,
            running.status,
            time.perf_counter() - begun,
            running.optimization_steps,
        )


@contextmanager
def spice_run(engine: str, circuit_type: str) -> Iterator[None]:
    """Record the block as one SPICE simulation; statuses as in `generation`."""
    status = "success"
    try:
        yield
    except BaseException as error:
        status = _status_of(error)
        raise
    finally:
        record_spice_run(engine, circuit_type, status)


@contextmanager
def inference(model_type: str, batch_size: int | str) -> Iterator[None]:
    """Record the block as one inference, timed; one that raises is not an inference time."""
    begun = time.perf_counter()
    yield
    record_inference(model_type, batch_size, time.perf_counter() - begun)


def _status_of(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    # CancelledError, KeyboardInterrupt and GeneratorExit are no `Exception`.
    return "failed" if isinstance(error, Exception) else "cancelled"


def _status(status: str) -> str:
    if status not in STATUSES:
        raise _RefusedError("unknown_status")
    return status


def _finite(value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _RefusedError("not_a_number") from error
    if not math.isfinite(number):
        raise _RefusedError("not_finite")
    return number


def _quantity(value: float) -> float:
    number = _finite(value)
    if number < 0:
        raise _RefusedError("negative")
    return number


def _exemplar() -> dict[str, str] | None:
    """Return the sampled trace that the record belongs to, so that a bucket leads to it."""
    ids = current_ids(sampled_only=True)
    if ids is None:
        return None
    return {"trace_id": f"{ids[0]:032x}", "span_id": f"{ids[1]:016x}"}

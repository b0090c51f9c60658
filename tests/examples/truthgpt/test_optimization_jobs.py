import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from examples.truthgpt.model.catalogue import NGRAM, TRANSFORMER, Catalogue
from examples.truthgpt.optimization import Optimizer
from veriscope.signals import OverloadedError


@pytest.fixture
def optimizer(catalogue: Catalogue, registry: CollectorRegistry) -> Iterator[Optimizer]:
    """Return an optimiser with two places, closed after the test."""
    found = Optimizer(catalogue, registry, max_waiting=2)
    yield found
    found.close()


def ended(job: Any) -> Any:
    """Return *job* once it has ended."""
    waiting = threading.Event()
    for _ in range(600):
        if job.status in {"completed", "failed"}:
            return job
        waiting.wait(0.05)
    raise AssertionError(f"{job} has not ended")


def test_the_search_finds_better_discounts(
    optimizer: Optimizer, catalogue: Catalogue, value_of: Callable[..., float]
) -> None:
    """A search over the n-gram model's discounts lowers the loss, and the result is served."""
    before = catalogue.losses[NGRAM]
    job = ended(optimizer.submit(NGRAM, 12, None))
    assert job.status == "completed"
    assert job.loss_after < before
    assert catalogue.losses[NGRAM] == job.loss_after
    assert catalogue.ngram.discounts == tuple(job.found["discounts"])
    assert optimizer.stats() == {"total": 1, "completed": 1, "failed": 0}
    assert value_of("truthgpt_optimizations_total", model=NGRAM, status="completed") == 1


def test_a_small_rate_trains_on(optimizer: Optimizer, catalogue: Catalogue) -> None:
    """The transformer is trained on at the best of a few rates."""
    weights = catalogue.weights
    job = ended(optimizer.submit(TRANSFORMER, 2, 3e-4))
    assert job.status == "completed"
    assert job.found["learning_rate"] > 0
    assert (catalogue.weights is not weights) == (job.loss_after < job.loss_before)


def test_a_wild_rate_diverges(optimizer: Optimizer, catalogue: Catalogue) -> None:
    """A learning rate that is far too high makes the loss rise: the job fails for that reason."""
    weights = catalogue.weights
    job = ended(optimizer.submit(TRANSFORMER, 2, 50.0))
    assert job.status == "failed"
    assert "rose" in job.error or "loss" in job.error
    assert catalogue.weights is weights
    assert optimizer.stats()["failed"] == 1


def test_a_full_queue_refuses(optimizer: Optimizer) -> None:
    """Jobs beyond the queue are refused, and not counted as accepted."""
    accepted = 0
    with contextlib.suppress(OverloadedError):
        for _ in range(10):
            optimizer.submit(NGRAM, 5, None)
            accepted += 1
    assert 2 <= accepted <= 4  # two places, and those that the worker has taken meanwhile
    assert optimizer.stats()["total"] == accepted
    assert optimizer.get("opt-1") is not None
    assert optimizer.get("opt-999") is None
    assert [job.id for job in optimizer.latest(1)] == [f"opt-{accepted}"]

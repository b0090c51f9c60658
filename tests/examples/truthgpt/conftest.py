"""The parts of one service, over the models that are trained once for all tests."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from examples.faults import Faults
from examples.truthgpt.model.catalogue import Catalogue
from examples.truthgpt.model.training import Models


@pytest.fixture
def models(trained: SimpleNamespace) -> Models:
    """Return the trained models."""
    return trained.models


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return an empty registry."""
    return CollectorRegistry()


@pytest.fixture
def faults(registry: CollectorRegistry) -> Iterator[Faults]:
    """Return the service's faults; whatever a test has switched on is switched off again."""
    switchboard = Faults(("slow-model", "memory-leak", "gpu-hot", "error-burst"), registry)
    yield switchboard
    for name, on in switchboard.states().items():
        if on:
            switchboard.switch(name, on=False)


@pytest.fixture
def catalogue(models: Models, faults: Faults) -> Catalogue:
    """Return a catalogue of the trained models."""
    return Catalogue(models, faults)


@pytest.fixture
def value_of(registry: CollectorRegistry) -> Callable[..., float]:
    """Return the value of a sample of the registry; 0 where there is none."""

    def read(name: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    return read

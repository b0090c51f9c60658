import gc
import weakref

import pytest
from prometheus_client import CollectorRegistry, Counter

from veriscope.instrument.per_registry import PerRegistry


def hits(registry: CollectorRegistry) -> Counter:
    """Make a counter, which a registry takes once."""
    return Counter("hits", "Hits.", registry=registry)


def test_a_registry_gets_its_metrics_once() -> None:
    """Several objects count into the same metric; another registry has its own."""
    hits_on, first, second = PerRegistry(hits), CollectorRegistry(), CollectorRegistry()
    assert hits_on(first) is hits_on(first)
    assert hits_on(second) is not hits_on(first)


def test_a_name_that_is_taken_is_an_error_each_time() -> None:
    """What could not be made is tried again, and not remembered."""
    registry = CollectorRegistry()
    hits(registry)
    hits_on = PerRegistry(hits)
    for _ in range(2):
        with pytest.raises(ValueError, match="Duplicated"):
            hits_on(registry)


def test_a_registry_is_not_kept_alive() -> None:
    """A registry that nobody has any more is let go."""
    names_on = PerRegistry(lambda _registry: object())
    registry = CollectorRegistry()
    names_on(registry)
    gone = weakref.ref(registry)
    del registry
    gc.collect()
    assert gone() is None

"""Metrics that several objects share, on whichever registry they are to appear."""

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry

from veriscope.instrument.forking import ForkLock

T = TypeVar("T")


class PerRegistry(Generic[T]):
    """Gives what *make* makes for a registry, made once: a registry takes each name once."""

    def __init__(self, make: Callable[[CollectorRegistry], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[CollectorRegistry, T] = WeakKeyDictionary()
        self._lock = ForkLock()

    def __call__(self, registry: CollectorRegistry) -> T:
        """Return the same object for the same *registry*; raises what *make* raises."""
        with self._lock:
            found = self._made.get(registry)
            if found is None:
                found = self._made[registry] = self._make(registry)
            return found

"""What frameworks count about themselves."""

from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter

from veriscope.facade.fork_lock import ForkLock

_known: Final[WeakKeyDictionary[CollectorRegistry, Counter]] = WeakKeyDictionary()
_lock: Final = ForkLock()


def dropped_counter(registry: CollectorRegistry) -> Counter:
    """Return the counter of drops on *registry*, the same one each time."""
    with _lock:
        if registry not in _known:
            _known[registry] = Counter(
                "veriscope_framework_dropped",
                "Items that an ObservabilityFramework gave up: `spans`, `metrics` (values), "
                "`logs` (of spans), `dashboards`.",
                ["buffer"],
                registry=registry,
            )
        return _known[registry]

"""What is counted of the way to endpoints other than Veriscope."""

from dataclasses import dataclass
from threading import Lock
from typing import Final, Self
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter

_known: Final[WeakKeyDictionary[CollectorRegistry, "ExportMetrics"]] = WeakKeyDictionary()
_lock: Final = Lock()


@dataclass(frozen=True)
class ExportMetrics:
    """Spans that endpoints and exporters took, and those that were lost on the way."""

    sent: Counter
    dropped: Counter

    @classmethod
    def on(cls, registry: CollectorRegistry) -> Self:
        """Return the counters on *registry*, the same ones each time."""
        with _lock:
            found = _known.get(registry)
            if found is None:
                found = _known[registry] = cls(
                    sent=Counter(
                        "veriscope_tracing_sent_spans",
                        "Spans that endpoints and exporters took.",
                        registry=registry,
                    ),
                    dropped=Counter(
                        "veriscope_tracing_dropped_spans",
                        "Spans that did not reach an endpoint: `queue_full`, `export`, `shutdown`.",
                        ["reason"],
                        registry=registry,
                    ),
                )
            return found  # type: ignore[return-value] # the class has no heirs

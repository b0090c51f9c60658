"""Who uses the service and for what: the numbers behind the business dashboard."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from examples.genrf.circuits import CircuitSpec

_BANDS: Final = ((1e9, "below 1 GHz"), (3e9, "1 to 3 GHz"), (6e9, "3 to 6 GHz"))


def band_of(spec: CircuitSpec) -> str:
    """Return the range of frequencies that *spec* is for."""
    return next((name for top, name in _BANDS if spec.frequency < top), "6 GHz and above")


class _Recent:
    """Names seen within a window, at most the *limit* latest."""

    def __init__(self, window_s: float, limit: int, monotonic_s: Callable[[], float]) -> None:
        self._window_s = window_s
        self._limit = limit
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()

    def see(self, name: str) -> None:
        with self._lock:
            self._seen[name] = self._monotonic_s()
            self._seen.move_to_end(name)
            if len(self._seen) > self._limit:
                self._seen.popitem(last=False)

    def count(self) -> int:
        oldest = self._monotonic_s() - self._window_s
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < oldest:
                self._seen.popitem(last=False)
            return len(self._seen)


class Usage:
    """Counts users, sessions, features, exports and what is asked for; on *registry*."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        window_s: float = 300.0,
        limit: int = 10_000,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.window_s: Final = window_s
        self._users = _Recent(window_s, limit, monotonic_s)
        self._sessions = _Recent(window_s, limit, monotonic_s)
        Gauge(
            "genrf_active_users", "Users of the last five minutes.", registry=registry
        ).set_function(self._users.count)
        Gauge(
            "genrf_active_sessions", "Sessions of the last five minutes.", registry=registry
        ).set_function(self._sessions.count)
        self._features = Counter(
            "genrf_feature_uses_total", "Uses of each feature.", ["feature"], registry=registry
        )
        self._exports = Counter(
            "genrf_exports_total", "Circuits handed out, by format.", ["format"], registry=registry
        )
        self._requests = Counter(
            "genrf_generation_requests_total",
            "Generations asked for and accepted.",
            ["circuit_type", "technology", "band"],
            registry=registry,
        )
        self._refused = Counter(
            "genrf_refused_requests_total",
            "Requests that were refused.",
            ["reason"],
            registry=registry,
        )

    def active(self) -> dict[str, float]:
        """Return how many users and sessions are active, and within how many seconds."""
        return {
            "active_users": self._users.count(),
            "active_sessions": self._sessions.count(),
            "window_seconds": self.window_s,
        }

    def requested(self, spec: CircuitSpec) -> None:
        """Count an accepted generation and who asked for it."""
        self._users.see(spec.user_id)
        self._sessions.see(spec.session_id)
        self._requests.labels(spec.circuit_type, spec.technology, band_of(spec)).inc()
        self._features.labels("generate").inc()

    def exported(self, file_format: str) -> None:
        """Count a circuit that was handed out as *file_format*."""
        self._exports.labels(file_format).inc()
        self._features.labels("export").inc()

    def used(self, feature: str) -> None:
        """Count a use of *feature*."""
        self._features.labels(feature).inc()

    def refused(self, reason: str) -> None:
        """Count a request that was refused."""
        self._refused.labels(reason).inc()

"""Requests as metrics, under the names that OpenTelemetry's conventions have in Prometheus."""

import os
import threading
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.values import ValueClass

from veriscope.instrument.forking import in_forked_child
from veriscope.instrument.label_values import LabelValues
from veriscope.instrument.per_registry import PerRegistry

METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
OTHER_METHOD: Final = "_OTHER"
"""The label of a method that is not in `METHODS`: clients may send any word."""
OTHER_ROUTE: Final = "other"
"""The label of routes past the limit, and of paths that nothing serves."""
MAX_ROUTES: Final = 200
"""Routes that get a label of their own in one registry."""
_LABELS: Final = ("method", "route", "status")
_DURATION_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
"""The boundaries that the semantic conventions advise for `http.server.request.duration`."""
_SIZE_BUCKETS: Final = (128, 1024, 8192, 65_536, 524_288, 4_194_304, 33_554_432, 268_435_456)

_updates = threading.RLock()
"""
Held for each update and during a fork, so that no child inherits a half-done one.

Reentrant, since a finalizer that forks may run in the middle of an update.
"""


class RequestMetrics:
    """The four metrics of HTTP servers in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Time from the arrival of a request to the last byte of its response.",
            _LABELS,
            registry=registry,
            buckets=_DURATION_BUCKETS,
        )
        self._request_size = Histogram(
            "http_server_request_body_size_bytes",
            "Size of request bodies.",
            _LABELS,
            registry=registry,
            buckets=_SIZE_BUCKETS,
        )
        self._response_size = Histogram(
            "http_server_response_body_size_bytes",
            "Size of response bodies.",
            _LABELS,
            registry=registry,
            buckets=_SIZE_BUCKETS,
        )
        self._active = Gauge(
            "http_server_active_requests",
            "Requests that are being served.",
            ("method",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._routes = LabelValues(MAX_ROUTES)
        self._ended: dict[tuple[str, str, int], tuple[Histogram, Histogram, Histogram]] = {}
        self._begun: dict[str, Gauge] = {}
        in_forked_child(self, RequestMetrics._forget)

    def begin(self, method: str) -> None:
        """Count a request with *method* (one of `METHODS` or `OTHER_METHOD`) as active."""
        with _updates:
            gauge = self._begun.get(method)
            if gauge is None:
                gauge = self._begun[method] = self._active.labels(method)
            gauge.inc()

    def end(  # noqa: PLR0917 - the row of a table, filled at one place
        self,
        method: str,
        route: str,
        status: int,
        duration_s: float,
        request_bytes: int,
        response_bytes: int,
    ) -> None:
        """Count a request that ended; a *route* past the limit is counted as `OTHER_ROUTE`."""
        with _updates:
            if method in self._begun:  # it may have begun before a fork
                self._begun[method].dec()
            children = self._ended.get((method, route, status))
            if children is None:
                children = self._children(method, route, status)
            duration, request_size, response_size = children
            duration.observe(duration_s)
            request_size.observe(request_bytes)
            response_size.observe(response_bytes)

    def _children(
        self, method: str, route: str, status: int
    ) -> tuple[Histogram, Histogram, Histogram]:
        if not self._routes.admit(route):
            route = OTHER_ROUTE
        key = (method, route, status)
        if key not in self._ended:
            values = (method, route, str(status))
            self._ended[key] = (
                self._duration.labels(*values),
                self._request_size.labels(*values),
                self._response_size.labels(*values),
            )
        return self._ended[key]

    def _forget(self) -> None:
        """Start from nothing in a forked child."""
        self._ended.clear()
        self._begun.clear()
        self._routes.clear()
        # Files that several processes share (multi-process mode) know the process by its id.
        if not getattr(ValueClass, "_multiprocess", False):
            for metric in (self._duration, self._request_size, self._response_size, self._active):
                metric.clear()


metrics_of: Final = PerRegistry(RequestMetrics)

os.register_at_fork(
    before=_updates.acquire, after_in_parent=_updates.release, after_in_child=_updates.release
)

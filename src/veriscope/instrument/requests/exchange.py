"""What both kinds of middleware do with a request: begin it once, end it once, never fail."""

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.requests.metrics import (
    METHODS,
    OTHER_METHOD,
    OTHER_ROUTE,
    metrics_of,
)
from veriscope.instrument.requests.stats import RequestStats
from veriscope.signals.log import get_log

_log = get_log(__name__)

CLIENT_CLOSED: Final = 499
"""The status of a request whose client went away before the last byte (nginx's number)."""
SERVER_ERROR: Final = 500
_NOT_FOUND: Final = 404


class Recorder:
    """
    Where one middleware counts: *stats* and the metrics of *registry*.

    Neither given, these are `RequestStats.default()` and `prometheus_client.REGISTRY`.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None,
        stats: RequestStats | None,
        route_of: Callable[[Any], str | None] | None,
        known_route: Callable[[Any], str | None],
    ) -> None:
        self.stats = stats or RequestStats.default()
        self.metrics = metrics_of(registry or REGISTRY)
        self._known_route = known_route
        self._route_of = route_of
        self._route_of_failed = False

    def route(self, request: Any) -> str | None:
        """Return the template of *request* (a scope or an environ) where it is known."""
        if self._route_of is not None:
            try:
                found = self._route_of(request)
            except Exception:  # noqa: BLE001 - it must not cost the application its request
                if not self._route_of_failed:
                    self._route_of_failed = True
                    _log.exception("route_of failed; routes are told without it")
            else:
                if found:
                    return str(found)
        return self._known_route(request)


class Exchange:
    """One request and its response; `end` may be called many times and counts once."""

    __slots__ = (
        "_begun_s",
        "_method",
        "_open",
        "_path",
        "_recorder",
        "_request",
        "_route",
        "_span_ended",
        "_status",
        "declared_bytes",
        "gone",
        "received_bytes",
        "sent_bytes",
        "span",
        "status",
    )

    def __init__(self, recorder: Recorder, request: Any, method: str, path: str) -> None:
        self._recorder = recorder
        self._request = request
        self._method = method if method in METHODS else OTHER_METHOD
        self._path = path
        self._open = True
        self._route: str | None = None
        self._status = 0
        self.status = 0
        self.gone = False
        self.declared_bytes = -1
        self.received_bytes = 0
        self.sent_bytes = 0
        self.span: Any = None
        self._span_ended = False
        recorder.stats.begin()
        recorder.metrics.begin(self._method)
        self._begun_s = time.perf_counter()

    def complete(self) -> None:
        """Count the exchange as over: its last byte was handed on."""
        self._close(self.status or SERVER_ERROR, None, is_answered=True)

    def end(self, error: BaseException | None = None, *, cancelled: bool = False) -> None:
        """
        Count the exchange as over without a last byte, by *error* or by the app's return.

        It is a 499 where the client has gone, else a 500 (or the 5xx that was on its way).
        """
        if cancelled or self.gone:
            self._close(CLIENT_CLOSED, None)
        else:
            self._close(max(self.status, SERVER_ERROR), error)

    def _close(
        self, status: int, error: BaseException | None, *, is_answered: bool = False
    ) -> None:
        duration_s = time.perf_counter() - self._begun_s
        try:
            if self._open:
                self._open = False
                self._count(status, duration_s)
            # Frameworks answer a 500 first, and raise what was behind it afterwards.
            if self._status < SERVER_ERROR or not is_answered:
                self._end_span(error)
        except Exception:  # noqa: BLE001 - what is wrong here must not reach the application
            _log.exception("request could not be counted")

    def _count(self, status: int, duration_s: float) -> None:
        self._status = status
        self._route = route = self._recorder.route(self._request)
        label = route or (OTHER_ROUTE if status == _NOT_FOUND else self._path)
        self._recorder.stats.end(duration_s, status)
        self._recorder.metrics.end(
            self._method, label, status, duration_s, self._request_bytes, self.sent_bytes
        )

    def _end_span(self, error: BaseException | None) -> None:
        if self.span is None or self._span_ended:
            return
        self._span_ended = True
        self.span.end(self._route, self._status, error, self._request_bytes, self.sent_bytes)

    @property
    def _request_bytes(self) -> int:
        return self.declared_bytes if self.declared_bytes >= 0 else self.received_bytes


_spans: Any = None
_span_failed = False


def open_span(kind: str, request: Any) -> Any:
    """
    Start the server span of *request* by `spans.<kind>`; None while no tracing is set up.

    The SDK is in `sys.modules` once somebody has set up tracing; until then nothing of
    OpenTelemetry is loaded for our sake.
    """
    global _spans, _span_failed  # noqa: PLW0603 - a module found once, a fault told once
    if _spans is None:
        if "opentelemetry.sdk.trace" not in sys.modules:
            return None
        from veriscope.instrument.requests import spans  # noqa: PLC0415 - only with tracing

        _spans = spans
    if not _spans.is_set_up():
        return None
    try:
        return getattr(_spans, kind)(request)
    except Exception:  # noqa: BLE001 - a propagator or sampler must not cost a request
        if not _span_failed:
            _span_failed = True
            _log.exception("server span could not be started; such requests go without")
        return None

"""`/health` and `/metrics` as a WSGI application."""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.health.answer import (
    HEALTH,
    HttpAnswer,
    failure_answer,
    health_answer,
    metrics_answer,
    refusal,
)
from veriscope.instrument.health.checks import HealthChecks
from veriscope.signals.log import get_log

_log = get_log(__name__)


class HealthWsgiApp:
    """
    Answers `/health` from *checks* and `/metrics` from *registry* (by default the process').

    Serve it by itself, or mount it with werkzeug's `DispatcherMiddleware` at any path.
    """

    def __init__(self, checks: HealthChecks, registry: CollectorRegistry | None = None) -> None:
        self._checks = checks
        self._registry = registry or REGISTRY

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        """Answer one WSGI request."""
        method = environ["REQUEST_METHOD"]
        answer = self._answer(method, environ).for_method(method)
        status = HTTPStatus(answer.status)
        start_response(f"{status.value} {status.phrase}", list(answer.headers))
        return [answer.body]

    def _answer(self, method: str, environ: Mapping[str, Any]) -> HttpAnswer:
        path, accept = environ.get("PATH_INFO", ""), environ.get("HTTP_ACCEPT", "")
        refused = refusal(method, path)
        if refused is not None:
            return refused
        if path != HEALTH:
            return metrics_answer(self._registry, accept)
        try:
            return health_answer(self._checks.report(), accept)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service is not known to be well
            _log.exception("health checks could not be run")
            return failure_answer(error)

"""Puts the doors, the API and the page together."""

import structlog
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from veriscope.signals import Secret, VeriscopeError
from veriscope.web.access import RequestMetrics, TokenGate
from veriscope.web.answers import failure, internal
from veriscope.web.dashboards import DashboardApi
from veriscope.web.otlp import OtlpDoors
from veriscope.web.page import Page
from veriscope.web.prometheus import PrometheusApi
from veriscope.web.push import PushDoors
from veriscope.web.status import StatusPages
from veriscope.web.telemetry import TelemetryApi

_log = structlog.get_logger(__name__)


def create_web(
    *,
    api: PrometheusApi,
    doors: PushDoors,
    otlp: OtlpDoors,
    telemetry: TelemetryApi,
    status: StatusPages,
    dashboards: DashboardApi,
    registry: CollectorRegistry,
    token: Secret | None = None,
) -> Starlette:
    """Return the ASGI application; with *token*, every request must carry it."""
    middleware = [Middleware(RequestMetrics, registry=registry)]
    if token is not None:
        middleware.append(Middleware(TokenGate, token=token))
    return Starlette(
        routes=[
            *api.routes(),
            *doors.routes(),
            *otlp.routes(),
            *telemetry.routes(),
            *status.routes(),
            *dashboards.routes(),
            *Page().routes(),
        ],
        middleware=middleware,
        exception_handlers={
            VeriscopeError: _known_failure,
            ClientDisconnect: _gone,
            Exception: _fault,
        },
    )


def _known_failure(_: Request, error: Exception) -> Response:
    assert isinstance(error, VeriscopeError)  # noqa: S101 - registered for no other type
    return failure(error)


def _gone(_: Request, __: Exception) -> Response:
    # The client hung up before its request was whole. Nobody reads this; metrics count the status.
    return Response(status_code=499)


def _fault(request: Request, error: Exception) -> Response:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    return internal()

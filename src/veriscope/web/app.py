"""Puts the doors, the API and the page together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.signals import Secret, VeriscopeError
from veriscope.web.access import RequestMetrics, StopNotice, TokenGate
from veriscope.web.answers import failure, internal
from veriscope.web.bodies import BodyDeadline
from veriscope.web.cors import CrossOrigin
from veriscope.web.dashboards import DashboardApi
from veriscope.web.graph_links import graph_routes
from veriscope.web.otlp import OtlpDoors
from veriscope.web.page import Page
from veriscope.web.prometheus import PrometheusApi
from veriscope.web.push import PushDoors
from veriscope.web.status import StatusPages
from veriscope.web.telemetry import TelemetryApi

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask, and how long they may take to do so."""

    token: Secret | None = None
    """What every request must carry; None lets all of them pass."""
    cors_origin: str = ""
    """Regular expression of the origins whose pages may read answers."""
    read_timeout_s: float = 30
    """Seconds in which a request's body must arrive."""


class Api(Protocol):
    """A part of the API."""

    def routes(self) -> Sequence[Route]:
        """Return the routes."""


def create_web(
    *,
    api: PrometheusApi,
    doors: PushDoors,
    otlp: OtlpDoors,
    telemetry: TelemetryApi,
    status: StatusPages,
    dashboards: DashboardApi,
    registry: CollectorRegistry,
    access: Access | None = None,
    alerting: Sequence[Api] = (),
) -> Starlette:
    """Return the ASGI application; *alerting* is what serves alerts, silences and events."""
    access = access or Access()
    middleware = [
        Middleware(RequestMetrics, registry=registry),
        Middleware(StopNotice),
        Middleware(CrossOrigin, origins=access.cors_origin),
    ]
    if access.token is not None:
        middleware.append(Middleware(TokenGate, token=access.token))
    middleware.append(Middleware(BodyDeadline, seconds=access.read_timeout_s))
    return Starlette(
        routes=[
            *api.routes(),
            *doors.routes(),
            *otlp.routes(),
            *telemetry.routes(),
            *status.routes(),
            *dashboards.routes(),
            *(route for part in alerting for route in part.routes()),
            *graph_routes(),
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

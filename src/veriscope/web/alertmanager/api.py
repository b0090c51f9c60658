"""The whole of the API, put together."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.alert.alerting import Alerting
from veriscope.alert.config import show_config
from veriscope.signals import Clock
from veriscope.web.alertmanager.alerts import AlertsApi
from veriscope.web.alertmanager.nowhere import Nowhere
from veriscope.web.alertmanager.refusals import json
from veriscope.web.alertmanager.silences import SilencesApi
from veriscope.web.alertmanager.times import spell

# Alertmanager's own address, and one for clients that are told where Alertmanager is: they add
# the rest, and some of them would else find Prometheus' API at the same address.
_PREFIXES: Final = ("/api/v2", "/alertmanager/api/v2")
_VERSION: Final = "0.25.0"


class AlertmanagerApi:
    """Alertmanager's API v2: Prometheus sends alerts to it, `amtool` and Grafana drive it."""

    def __init__(
        self, alerting: Alerting, *, clock: Clock, registry: CollectorRegistry, version: str
    ) -> None:
        self._alerting = alerting
        self._version = version
        self._started_ms = clock.now_ms()
        self._parts = (AlertsApi(alerting, clock, registry), SilencesApi(alerting, clock))

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [route for prefix in _PREFIXES for route in self._routes(prefix)]

    def _routes(self, prefix: str) -> Sequence[Route]:
        routes = [
            Route(f"{prefix}/status", self.status, methods=["GET"]),
            Route(f"{prefix}/receivers", self.receivers, methods=["GET"]),
            *(route for part in self._parts for route in part.routes(prefix)),
        ]
        return [*routes, *Nowhere(routes).routes(prefix)]

    async def status(self, _: Request) -> Response:
        """Answer with the configuration, secrets hidden, and the versions; there is no cluster."""
        return json(
            {
                "cluster": {"peers": [], "status": "disabled"},
                "config": {"original": show_config(self._alerting.config)},
                "uptime": spell(self._started_ms),
                "versionInfo": {
                    "applicationVersion": self._version,
                    "branch": "",
                    "buildDate": "",
                    "buildUser": "",
                    "goVersion": "",
                    "revision": "",
                    "version": _VERSION,
                },
            }
        )

    async def receivers(self, _: Request) -> Response:
        """Answer with the receivers' names, in the order of the file."""
        return json([{"name": receiver.name} for receiver in self._alerting.receivers()])

"""HTTP: push doors, Prometheus' and Veriscope's own API, the server's state, and the page."""

from veriscope.web.app import create_web
from veriscope.web.dashboards import DashboardApi
from veriscope.web.otlp import OtlpDoors
from veriscope.web.prometheus import Catalog, PrometheusApi
from veriscope.web.push import PushDoors
from veriscope.web.status import StatusPages
from veriscope.web.telemetry import TelemetryApi

__all__ = [
    "Catalog",
    "DashboardApi",
    "OtlpDoors",
    "PrometheusApi",
    "PushDoors",
    "StatusPages",
    "TelemetryApi",
    "create_web",
]

"""HTTP: push doors, Prometheus' API, dashboards, the server's own state, and the page."""

from veriscope.web.app import create_web
from veriscope.web.dashboards import DashboardApi
from veriscope.web.prometheus import Catalog, PrometheusApi
from veriscope.web.push import PushDoors
from veriscope.web.status import StatusPages

__all__ = ["Catalog", "DashboardApi", "PrometheusApi", "PushDoors", "StatusPages", "create_web"]

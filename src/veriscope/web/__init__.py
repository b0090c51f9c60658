"""HTTP: push doors, Prometheus' and Veriscope's own API, the server's state, and the page."""

from veriscope.web.alertmanager import AlertmanagerApi
from veriscope.web.app import Access, create_web
from veriscope.web.dashboards import DashboardApi
from veriscope.web.otlp import OtlpDoors
from veriscope.web.otlp_grpc import OtlpGrpc
from veriscope.web.prometheus import (
    AlertingRuleState,
    AlertState,
    ApiSources,
    Catalog,
    PrometheusApi,
    RecordingRuleState,
    RuleGroupState,
    ServerFacts,
    rfc3339,
)
from veriscope.web.push import PushDoors
from veriscope.web.status import StatusPages
from veriscope.web.telemetry import TelemetryApi
from veriscope.web.veriscope import (
    Configuration,
    Events,
    EventsApi,
    EvidenceApi,
    IncidentsApi,
    NotificationsApi,
    ReloadApi,
)

__all__ = [
    "Access",
    "AlertState",
    "AlertingRuleState",
    "AlertmanagerApi",
    "ApiSources",
    "Catalog",
    "Configuration",
    "DashboardApi",
    "Events",
    "EventsApi",
    "EvidenceApi",
    "IncidentsApi",
    "NotificationsApi",
    "OtlpDoors",
    "OtlpGrpc",
    "PrometheusApi",
    "PushDoors",
    "RecordingRuleState",
    "ReloadApi",
    "RuleGroupState",
    "ServerFacts",
    "StatusPages",
    "TelemetryApi",
    "create_web",
    "rfc3339",
]

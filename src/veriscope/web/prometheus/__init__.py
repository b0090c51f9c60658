"""Prometheus' HTTP API v1, `/federate` and remote read."""

from veriscope.web.prometheus.admin import SeriesAdmin
from veriscope.web.prometheus.api import ApiSources, PrometheusApi
from veriscope.web.prometheus.catalog import Catalog
from veriscope.web.prometheus.exemplars import Exemplars
from veriscope.web.prometheus.rules import (
    AlertingRuleState,
    AlertState,
    RecordingRuleState,
    RuleGroupState,
)
from veriscope.web.prometheus.series import SeriesSource
from veriscope.web.prometheus.status import ServerFacts, Statistics
from veriscope.web.prometheus.targets import rfc3339

__all__ = [
    "AlertState",
    "AlertingRuleState",
    "ApiSources",
    "Catalog",
    "Exemplars",
    "PrometheusApi",
    "RecordingRuleState",
    "RuleGroupState",
    "SeriesAdmin",
    "SeriesSource",
    "ServerFacts",
    "Statistics",
    "rfc3339",
]

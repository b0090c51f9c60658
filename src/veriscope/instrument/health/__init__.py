"""Health: checks of what a service needs, and the `/health` and `/metrics` that answer."""

from veriscope.instrument.health.asgi import HealthApp
from veriscope.instrument.health.builtin import (
    database_check,
    disk_check,
    gpu_check,
    http_check,
    memory_check,
    process_check,
)
from veriscope.instrument.health.checks import HealthChecks
from veriscope.instrument.health.result import CheckResult, CheckStatus, Outcome, Report
from veriscope.instrument.health.spice import spice_check
from veriscope.instrument.health.wsgi import HealthWsgiApp

__all__ = [
    "CheckResult",
    "CheckStatus",
    "HealthApp",
    "HealthChecks",
    "HealthWsgiApp",
    "Outcome",
    "Report",
    "database_check",
    "disk_check",
    "gpu_check",
    "http_check",
    "memory_check",
    "process_check",
    "spice_check",
]

"""Grafana dashboards as code: `python -m deploy.grafana` writes `deploy/grafana/dashboards`."""

from deploy.grafana.genrf import business, error_analysis, performance, system_health
from deploy.grafana.machines import gpus, hosts
from deploy.grafana.services import applications, language_models

__all__ = ["DASHBOARDS"]

# By file name, which is the uid as well.
DASHBOARDS = {
    "genrf-system-health": system_health,
    "genrf-performance": performance,
    "genrf-business": business,
    "genrf-errors": error_analysis,
    "veriscope-hosts": hosts,
    "veriscope-gpus": gpus,
    "veriscope-language-models": language_models,
    "veriscope-applications": applications,
}

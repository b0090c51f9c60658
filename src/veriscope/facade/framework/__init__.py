"""`ObservabilityFramework`: traces, metrics, events, alerts and dashboards in one object."""

from veriscope.facade.framework.observability import ObservabilityFramework
from veriscope.facade.framework.options import FrameworkOptions

__all__ = ["FrameworkOptions", "ObservabilityFramework"]

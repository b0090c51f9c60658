"""`ObservabilityFramework`: traces, metrics, events, alerts and dashboards in one object."""

from veriscope.facade.framework.observability import FrameworkOptions, ObservabilityFramework

__all__ = ["FrameworkOptions", "ObservabilityFramework"]

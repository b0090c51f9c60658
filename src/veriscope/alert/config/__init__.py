"""Alertmanager's configuration file: routes, receivers, inhibition and time intervals."""

from veriscope.alert.config.file import (
    AlertingConfig,
    decode_alerting_config,
    load_alerting_config,
    parse_alerting_config,
    read_templates,
)
from veriscope.alert.config.inhibit_rules import InhibitRule
from veriscope.alert.config.routes import RouteConfig
from veriscope.alert.config.secrets import show_config
from veriscope.alert.config.time_intervals import NamedIntervals, TimeIntervalConfig

__all__ = [
    "AlertingConfig",
    "InhibitRule",
    "NamedIntervals",
    "RouteConfig",
    "TimeIntervalConfig",
    "decode_alerting_config",
    "load_alerting_config",
    "parse_alerting_config",
    "read_templates",
    "show_config",
]

"""How the rooms are wired: the configuration file, composition, start and stop order."""

from typing import TYPE_CHECKING

from veriscope.app.agent import Agent
from veriscope.app.config import Config, ConfigError, load_config, parse_config
from veriscope.app.listen import Address
from veriscope.app.logs import configure_logs
from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.app.alerting import ConfigSource
    from veriscope.app.server import Server, store_options

__all__ = [
    "Address",
    "Agent",
    "Config",
    "ConfigError",
    "ConfigSource",
    "Server",
    "configure_logs",
    "load_config",
    "parse_config",
    "store_options",
]


# An agent needs neither the engine nor the web server.
__getattr__ = lazy_names(
    __name__,
    {"ConfigSource": ".alerting", "Server": ".server", "store_options": ".server"},
)

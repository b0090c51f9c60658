"""How the rooms are wired: the configuration file, composition, start and stop order."""

from veriscope.app.config import Config, ConfigError, load_config, parse_config
from veriscope.app.listen import Address
from veriscope.app.logs import configure_logs
from veriscope.app.server import Server, store_options

__all__ = [
    "Address",
    "Config",
    "ConfigError",
    "Server",
    "configure_logs",
    "load_config",
    "parse_config",
    "store_options",
]

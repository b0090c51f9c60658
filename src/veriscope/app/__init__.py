"""How the rooms are wired: the configuration file, composition, start and stop order."""

from typing import TYPE_CHECKING, Any

from veriscope.app.agent import Agent
from veriscope.app.config import Config, ConfigError, load_config, parse_config
from veriscope.app.listen import Address
from veriscope.app.logs import configure_logs

if TYPE_CHECKING:
    from veriscope.app.server import Server, store_options

__all__ = [
    "Address",
    "Agent",
    "Config",
    "ConfigError",
    "Server",
    "configure_logs",
    "load_config",
    "parse_config",
    "store_options",
]


def __getattr__(name: str) -> Any:
    """Load the server on first use: an agent needs neither its engine nor its web server."""
    if name not in {"Server", "store_options"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from veriscope.app import server  # noqa: PLC0415 - that is the purpose

    return getattr(server, name)

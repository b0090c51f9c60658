"""OTLP's own ports, 4317 for gRPC and 4318 for HTTP: taken where they are free, or as told."""

import socket
from dataclasses import dataclass
from typing import Final

import structlog

from veriscope.app.config import ServerOptions
from veriscope.app.listen import Address, read_token
from veriscope.signals import UnavailableError

_log = structlog.get_logger(__name__)
_OFF: Final = "off"
_GRPC: Final = "127.0.0.1:4317"
_HTTP: Final = "127.0.0.1:4318"


@dataclass(frozen=True, slots=True)
class OtlpPorts:
    """Where OTLP is served beside the server's own address; None where it is not."""

    grpc: str | None
    """`host:port`, which was free."""
    http: socket.socket | None
    """A listening socket."""

    def close(self) -> None:
        """Give the ports up."""
        if self.http is not None:
            self.http.close()


def take_otlp_ports(options: ServerOptions) -> OtlpPorts:
    """
    Take the ports that *options* name, else the usual ones of this machine where they are free.

    Raises `UnavailableError` where a named one is taken, and `ConfigError` where it can be
    reached from elsewhere without a token or TLS.
    """
    grpc = _take(options, "otlp_grpc_listen", _GRPC)
    if grpc is None:
        return OtlpPorts(None, _take(options, "otlp_http_listen", _HTTP))
    host, port = grpc.getsockname()[:2]
    # gRPC binds it anew: only this way is one told whether it was free without noise in the log.
    grpc.close()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return OtlpPorts(address, _take(options, "otlp_http_listen", _HTTP))


def _take(options: ServerOptions, name: str, usual: str) -> socket.socket | None:
    wanted: str | None = getattr(options, name)
    if wanted == _OFF:
        return None
    address = Address.parse(wanted or usual)
    read_token(options, address)
    try:
        return address.bind(f"server.{name}")
    except UnavailableError as error:
        if wanted is not None:
            raise
        _log.info("otlp_port_taken", address=usual, reason=str(error))
        return None

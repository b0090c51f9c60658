"""Where the server listens, and what that demands."""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from veriscope.app.config import ConfigError, ServerOptions, TlsOptions
from veriscope.signals import Secret, UnavailableError


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port`, `[::1]:port` or `:port`; raises `ConfigError`."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 0xFFFF:  # noqa: PLR2004 - 16 bits
            raise ConfigError(f"listen address {text!r} is not HOST:PORT; write 127.0.0.1:7070")
        if host.startswith("[") != host.endswith("]"):
            raise ConfigError(f"listen address {text!r} has half a bracket; write [::1]:7070")
        return cls(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def bind(self, option: str = "--listen") -> socket.socket:
        """
        Return a listening socket.

        Raises `UnavailableError`, which names the *option* to change, where the address is taken.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((self.host, self.port))
            found.listen(2048)
        except OSError as error:
            found.close()
            raise UnavailableError(
                f"cannot listen on {self.host}:{self.port}: {error.strerror or error};"
                f" choose another address with {option}"
            ) from error
        return found


def check_tls(options: TlsOptions) -> None:
    """Raise `ConfigError` where the certificate and its key cannot be shown to clients."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert_file, options.key_file)
    except OSError as error:
        raise ConfigError(
            f"cannot use server.tls (cert_file {options.cert_file}, key_file {options.key_file}):"
            f" {error}"
        ) from error


def read_token(options: ServerOptions, address: Address) -> Secret | None:
    """
    Return the token that requests must carry.

    Raises `ConfigError` where the address can be reached from elsewhere and neither a token nor
    TLS is set, or where the token's file cannot be read.
    """
    if options.token_file is None:
        if options.tls is None and not address.is_loopback:
            raise ConfigError(
                f"{address.host} can be reached from other machines; set server.token_file or"
                " server.tls in the configuration, or listen on 127.0.0.1"
            )
        return None
    try:
        token = Path(options.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read server.token_file {options.token_file}: {error}") from error
    if not token:
        raise ConfigError(f"server.token_file {options.token_file} is empty; write a token into it")
    return Secret(token)

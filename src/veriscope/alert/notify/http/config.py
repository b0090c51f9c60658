"""How to speak HTTP to a receiver: Alertmanager's `http_config`."""

from enum import StrEnum
from typing import Final

import msgspec
import urllib3

from veriscope.signals import InvalidInputError, Secret

_TIMEOUT_S: Final = 10.0
_RESERVED: Final = frozenset(
    {"authorization", "host", "content-type", "content-length", "user-agent"}
)


def require_http_url(url: str, key: str) -> None:
    """Raise `InvalidInputError`, without showing *url*, where it is not one of HTTP."""
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise InvalidInputError(f"{key} is not a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise InvalidInputError(f"{key} must be a URL of http or https")


def _one_of(config: object, section: str, value: str, file: str) -> None:
    if getattr(config, value) not in (None, "") and getattr(config, file) is not None:
        raise ValueError(f"{section}: give {value} or {file}, not both")


class TlsVersion(StrEnum):
    """Versions of TLS, as Prometheus spells them."""

    TLS10 = "TLS10"
    TLS11 = "TLS11"
    TLS12 = "TLS12"
    TLS13 = "TLS13"


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password of HTTP basic authentication."""

    username: str = ""
    """The user."""
    username_file: str | None = None
    """File that holds the user, read for each request."""
    password: Secret | None = None
    """The password."""
    password_file: str | None = None
    """File that holds the password, read for each request."""

    def __post_init__(self) -> None:
        _one_of(self, "basic_auth", "username", "username_file")
        _one_of(self, "basic_auth", "password", "password_file")


class Authorization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any other `Authorization` header."""

    type: str = "Bearer"
    """The scheme; `Basic` has a section of its own."""
    credentials: Secret | None = None
    """The credentials."""
    credentials_file: str | None = None
    """File that holds the credentials, read for each request."""

    def __post_init__(self) -> None:
        _one_of(self, "authorization", "credentials", "credentials_file")
        if self.type.strip().lower() == "basic":
            raise ValueError("authorization.type cannot be basic; use basic_auth")


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to trust the other side, and how to be trusted by it; files are read again on change."""

    ca: str | None = None
    """Trusted certificates as PEM text; the system's where neither this nor `ca_file` is given."""
    ca_file: str | None = None
    """File of trusted certificates in PEM."""
    cert_file: str | None = None
    """File of the client certificate in PEM."""
    key_file: str | None = None
    """File of the client certificate's key in PEM."""
    server_name: str | None = None
    """Name that the other side's certificate must have, instead of its address."""
    insecure_skip_verify: bool = False
    """Trust any certificate."""
    min_version: TlsVersion = TlsVersion.TLS12
    """The oldest version of TLS to accept."""
    max_version: TlsVersion | None = None
    """The newest version of TLS to offer; the newest known where it is not given."""

    def __post_init__(self) -> None:
        _one_of(self, "tls_config", "ca", "ca_file")
        if (self.cert_file is None) is not (self.key_file is None):
            raise ValueError("tls_config: give both cert_file and key_file, or neither")


class OAuth2(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token by OAuth 2.0's client credentials grant, got again before it ends."""

    client_id: str
    """Who asks."""
    token_url: str
    """Where tokens are given."""
    client_secret: Secret | None = None
    """The secret of the client."""
    client_secret_file: str | None = None
    """File that holds the secret, read for each token."""
    scopes: tuple[str, ...] = ()
    """What the token is to be good for."""
    endpoint_params: dict[str, str] = msgspec.field(default_factory=dict)
    """Further parameters of the request for a token."""
    tls_config: TlsConfig = TlsConfig()
    """TLS settings towards `token_url`."""
    proxy_url: Secret | None = None
    """HTTP proxy on the way to `token_url`; it may hold a user and a password."""

    def __post_init__(self) -> None:
        _one_of(self, "oauth2", "client_secret", "client_secret_file")
        require_http_url(self.token_url, "oauth2.token_url")


class HttpHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values of one further request header."""

    values: tuple[str, ...] = ()
    """Values in the clear."""
    secrets: tuple[Secret, ...] = ()
    """Values that are never shown."""
    files: tuple[str, ...] = ()
    """Files that hold values, read for each request."""


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alertmanager's `http_config`."""

    basic_auth: BasicAuth | None = None
    """HTTP basic authentication."""
    authorization: Authorization | None = None
    """Any other `Authorization` header."""
    oauth2: OAuth2 | None = None
    """A token that is fetched."""
    bearer_token: Secret | None = None
    """The old spelling of `authorization.credentials`."""
    bearer_token_file: str | None = None
    """The old spelling of `authorization.credentials_file`."""
    tls_config: TlsConfig = TlsConfig()
    """TLS settings."""
    follow_redirects: bool = True
    """Whether to follow redirects; they never lead to another host."""
    enable_http2: bool = True
    """Read for compatibility; HTTP/1.1, which every server speaks, is always used."""
    proxy_url: Secret | None = None
    """HTTP proxy to go through; it may hold a user and a password."""
    no_proxy: str = ""
    """Hosts that are reached without the proxy, separated by commas; `.name` is all below it."""
    proxy_from_environment: bool = False
    """Take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`."""
    proxy_connect_header: dict[str, tuple[Secret, ...]] = msgspec.field(default_factory=dict)
    """Further headers for the proxy."""
    http_headers: dict[str, HttpHeader] = msgspec.field(default_factory=dict)
    """Further headers of each request."""
    timeout_s: float = _TIMEOUT_S
    """Seconds that one request may take; a key of Veriscope's own."""

    def __post_init__(self) -> None:
        _one_of(self, "http_config", "bearer_token", "bearer_token_file")
        ways = [
            *(name for name in ("basic_auth", "authorization", "oauth2") if getattr(self, name)),
            *(["bearer_token"] if self.bearer_token or self.bearer_token_file else []),
        ]
        if len(ways) > 1:
            raise ValueError(f"http_config: give {' or '.join(ways)}, not both")
        if self.proxy_from_environment and (self.proxy_url or self.no_proxy):
            raise ValueError("http_config: proxy_from_environment needs no proxy_url or no_proxy")
        if self.no_proxy and not self.proxy_url:
            raise ValueError("http_config: no_proxy has no effect without proxy_url")
        if self.proxy_connect_header and not (self.proxy_url or self.proxy_from_environment):
            raise ValueError("http_config: proxy_connect_header has no effect without a proxy")
        if self.timeout_s <= 0:
            raise ValueError("http_config: timeout_s must be more than 0")
        reserved = sorted(name for name in self.http_headers if name.lower() in _RESERVED)
        if reserved:
            raise ValueError(f"http_config: http_headers cannot set {', '.join(reserved)}")

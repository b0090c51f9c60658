"""How to speak HTTP to a target or a discovery endpoint: Prometheus' keys."""

from enum import StrEnum

import msgspec

from veriscope.signals import Secret


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password of HTTP basic authentication; files are read at each request."""

    username: str = ""
    """The user."""
    username_file: str | None = None
    """File that holds the user."""
    password: Secret | None = None
    """The password."""
    password_file: str | None = None
    """File that holds the password."""


class Authorization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `Authorization` header: type and credentials."""

    type: str = "Bearer"
    """The scheme, before the credentials."""
    credentials: Secret | None = None
    """The credentials, such as a token."""
    credentials_file: str | None = None
    """File that holds the credentials, read at each request."""


class TlsVersion(StrEnum):
    """Versions of TLS, as Prometheus spells them."""

    TLS10 = "TLS10"
    TLS11 = "TLS11"
    TLS12 = "TLS12"
    TLS13 = "TLS13"


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to trust the other side and how to be trusted by it; files are re-read on change."""

    ca: str | None = None
    """Trusted certificates, as PEM text; the system's where neither `ca` nor `ca_file` is set."""
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
    """The newest version of TLS to offer; the newest known where unset."""


class HttpHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values of one extra request header."""

    values: tuple[str, ...] = ()
    """Values in the clear."""
    secrets: tuple[Secret, ...] = ()
    """Values that are never shown."""
    files: tuple[str, ...] = ()
    """Files that hold values, read at each request."""


class HttpClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of Prometheus' HTTP client configuration."""

    basic_auth: BasicAuth | None = None
    """HTTP basic authentication."""
    authorization: Authorization | None = None
    """Any other `Authorization` header."""
    bearer_token: Secret | None = None
    """A bearer token; the old spelling of `authorization.credentials`."""
    bearer_token_file: str | None = None
    """The old spelling of `authorization.credentials_file`."""
    tls_config: TlsConfig = TlsConfig()
    """TLS settings."""
    follow_redirects: bool = True
    """Whether to follow HTTP redirects."""
    enable_http2: bool = True
    """Read for compatibility; HTTP/1.1, which every server speaks, is always used."""
    proxy_url: str | None = None
    """HTTP proxy to go through."""
    http_headers: dict[str, HttpHeader] = msgspec.field(default_factory=dict)
    """Extra request headers."""

"""HTTP as receivers speak it. What configures it is here; what sends is in `http.notifier`."""

from veriscope.alert.notify.http.config import (
    Authorization,
    BasicAuth,
    HttpConfig,
    HttpHeader,
    OAuth2,
    TlsConfig,
    TlsVersion,
    require_http_url,
)

__all__ = [
    "Authorization",
    "BasicAuth",
    "HttpConfig",
    "HttpHeader",
    "OAuth2",
    "TlsConfig",
    "TlsVersion",
    "require_http_url",
]

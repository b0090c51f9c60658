"""OAuth 2.0's client credentials grant (RFC 6749, section 4.4)."""

import time
from threading import Lock
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec
import urllib3

from veriscope.alert.notify.http.config import HttpConfig, OAuth2
from veriscope.alert.notify.http.pool import Connections
from veriscope.alert.notify.sending import Secrets

# As Go's library: a token that ends within ten seconds is not used any more.
_MARGIN_S: Final = 10.0
_OK: Final = 200


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class TokenSource:
    """Gets a token and keeps it until shortly before it ends."""

    def __init__(self, config: OAuth2) -> None:
        self._config = config
        self._connections = Connections(
            HttpConfig(tls_config=config.tls_config, proxy_url=config.proxy_url)
        )
        self._lock = Lock()
        self._token = ""
        self._good_until_s: float | None = 0.0

    def token(self, secrets: Secrets, timeout_s: float) -> str:
        """Return a token that is good now; raises urllib3's errors, `OSError`, `ValueError`."""
        with self._lock:
            if self._good_until_s is not None and time.monotonic() >= self._good_until_s:
                self._fetch(secrets, timeout_s)
            return secrets.keep(self._token)

    def _fetch(self, secrets: Secrets, timeout_s: float) -> None:
        config = self._config
        secret = secrets.read(
            config.client_secret, config.client_secret_file, "oauth2.client_secret_file"
        )
        form = {"grant_type": "client_credentials", **config.endpoint_params}
        if config.scopes:
            form["scope"] = " ".join(config.scopes)
        login = f"{quote_plus(config.client_id)}:{quote_plus(secret)}"
        response = self._connections.to(config.token_url).request(
            "POST",
            config.token_url,
            body=urlencode(form),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": "veriscope",
                **urllib3.make_headers(basic_auth=login),
            },
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(total=timeout_s),
        )
        if response.status != _OK:
            raise urllib3.exceptions.HTTPError(f"HTTP {response.status}")
        found = msgspec.json.decode(response.data, type=_Token)
        self._token = found.access_token
        life_s = found.expires_in
        self._good_until_s = None if not life_s else time.monotonic() + life_s - _MARGIN_S

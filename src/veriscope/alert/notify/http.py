"""HTTP for notifiers: Alertmanager's `http_config`, one request, and what its answer means."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import urllib3

from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.signals import InvalidInputError, Secret

_REASON_CHARACTERS: Final = 200
_SUCCESS: Final = 300
_SERVER_ERROR: Final = 500
_LONGEST_RETRY_AFTER_S: Final = 300.0
_TIMEOUT_S: Final = 10.0


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password of HTTP basic authentication."""

    username: str = ""
    """The user."""
    password: Secret | None = None
    """The password."""
    password_file: str | None = None
    """File that holds the password, read for each request."""


class Authorization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any other `Authorization` header."""

    type: str = "Bearer"
    """The scheme."""
    credentials: Secret | None = None
    """The credentials."""
    credentials_file: str | None = None
    """File that holds the credentials, read for each request."""


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to trust the other side, and how to be trusted by it."""

    ca_file: str | None = None
    """File of trusted certificates in PEM; the system's where it is not given."""
    cert_file: str | None = None
    """File of the client certificate in PEM."""
    key_file: str | None = None
    """File of the client certificate's key in PEM."""
    server_name: str | None = None
    """Name that the other side's certificate must have, instead of its address."""
    insecure_skip_verify: bool = False
    """Trust any certificate."""


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alertmanager's `http_config`."""

    basic_auth: BasicAuth | None = None
    """HTTP basic authentication."""
    authorization: Authorization | None = None
    """Any other `Authorization` header."""
    tls_config: TlsConfig = TlsConfig()
    """TLS settings."""
    follow_redirects: bool = True
    """Whether to follow redirects."""
    proxy_url: str | None = None
    """HTTP proxy to go through."""
    timeout_s: float = _TIMEOUT_S
    """Seconds that one request may take; a key of Veriscope's own."""

    def __post_init__(self) -> None:
        if self.basic_auth and self.authorization:
            raise ValueError("give basic_auth or authorization, not both")


def secret_of(value: Secret | None, file: str | None) -> str | None:
    """
    Return the secret: the *value* or what *file* holds, without white space at its ends.

    Raises `OSError` or `UnicodeDecodeError` where *file* cannot be read.
    """
    if file is not None:
        return Path(file).read_text(encoding="utf-8").strip()
    return None if value is None else value.reveal()


class HttpSender:
    """Posts JSON as *config* says; keeps connections open between requests."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._pool = _pool(config)

    def post(self, url: str, body: object, headers: Mapping[str, str] | None = None) -> Outcome:
        """Send *body* to *url* once. 429 and 5xx may be tried again, other refusals not."""
        try:
            answer = self._pool.request(
                "POST",
                url,
                body=msgspec.json.encode(body),
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": "veriscope",
                    **self._authorization(),
                    **(headers or {}),
                },
                redirect=self._config.follow_redirects,
                timeout=urllib3.Timeout(total=self._config.timeout_s),
                retries=urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5)
                if self._config.follow_redirects
                else False,
            )
        except (OSError, UnicodeDecodeError) as error:
            return Outcome.retry(Reason.OTHER, f"cannot read a secret: {error}")
        except urllib3.exceptions.TimeoutError as error:
            return Outcome.retry(Reason.DEADLINE_EXCEEDED, type(error).__name__)
        except urllib3.exceptions.LocationValueError:
            return Outcome.failed(Reason.CLIENT_ERROR, "the URL cannot be used")
        except ValueError:
            # A header with a line break in it; the error's text would show the secret.
            return Outcome.failed(Reason.CLIENT_ERROR, "a header cannot be sent; check the secrets")
        except urllib3.exceptions.HTTPError as error:
            # Its text holds the URL, which may be a secret.
            return Outcome.retry(Reason.OTHER, type(error).__name__)
        return outcome_of(answer.status, answer.data, answer.headers.get("Retry-After", ""))

    def _authorization(self) -> dict[str, str]:
        config = self._config
        if (basic := config.basic_auth) is not None:
            password = secret_of(basic.password, basic.password_file) or ""
            login = base64.b64encode(f"{basic.username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {login}"}
        if (header := config.authorization) is not None:
            credentials = secret_of(header.credentials, header.credentials_file) or ""
            return {"Authorization": f"{header.type} {credentials}"}
        return {}


def outcome_of(status: int, body: bytes, retry_after: str) -> Outcome:
    """Tell what an HTTP answer means for the notification."""
    if status < _SUCCESS:
        return Outcome.delivered()
    detail = f"HTTP {status}: {body[:_REASON_CHARACTERS].decode(errors='replace').strip()}"
    after_s = min(float(retry_after), _LONGEST_RETRY_AFTER_S) if retry_after.isdecimal() else 0.0
    if status == 429:  # noqa: PLR2004 - the status of rate limits
        return Outcome.retry(Reason.CLIENT_ERROR, detail, after_s)
    if status >= _SERVER_ERROR:
        return Outcome.retry(Reason.SERVER_ERROR, detail, after_s)
    return Outcome.failed(Reason.CLIENT_ERROR, detail)


def _pool(config: HttpConfig) -> urllib3.PoolManager:
    tls = config.tls_config
    settings: dict[str, Any] = {
        "cert_reqs": "CERT_NONE" if tls.insecure_skip_verify else "CERT_REQUIRED",
        "ca_certs": tls.ca_file,
        "cert_file": tls.cert_file,
        "key_file": tls.key_file,
    }
    if tls.server_name is not None:
        settings |= {"server_hostname": tls.server_name, "assert_hostname": tls.server_name}
    if config.proxy_url is not None:
        return urllib3.ProxyManager(config.proxy_url, **settings)
    return urllib3.PoolManager(**settings)


def require_http_url(url: str, key: str) -> None:
    """Raise `InvalidInputError`, without showing *url*, where it is not one of HTTP."""
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise InvalidInputError(f"{key} is not a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise InvalidInputError(f"{key} must be a URL of http or https")

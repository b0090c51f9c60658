"""One HTTP connection to the server, and what its answers mean."""

import codecs
import http.client
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.instrumentation.utils import (
    suppress_http_instrumentation,
    suppress_instrumentation,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from veriscope.signals import InvalidInputError, UnavailableError

_REASON_CHARACTERS: Final = 300
_LONGEST_RETRY_AFTER_S: Final = 600.0
_TOKEN_NEEDED: Final = "; the server needs a valid token: set VERISCOPE_TOKEN"  # noqa: S105 - a hint, no token
_CURES: Final = {
    401: _TOKEN_NEEDED,
    403: _TOKEN_NEEDED,
    404: "; nothing takes this there: check VERISCOPE_URL",
}
_own_work = threading.local()
# Sockets load this codec with the first host name. In a background thread that would be an import
# that a fork can cut in two, and whose lock then never opens in the child.
codecs.lookup("idna")


@contextmanager
def unobserved() -> Iterator[None]:
    """Keep instrumentation and log shipping off what this thread does, so that nothing echoes."""
    before = is_unobserved()
    _own_work.on = True
    try:
        with suppress_instrumentation(), suppress_http_instrumentation():
            yield
    finally:
        _own_work.on = before


def is_unobserved() -> bool:
    """Whether this thread is at work for delivery itself."""
    return getattr(_own_work, "on", False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is and what proves who asks."""

    url: str
    scheme: str
    host: str
    port: int | None
    prefix: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str, token: str | None, ca_file: str | None) -> "Endpoint":
        """Read what a user gave; raises `InvalidInputError` that names cause and cure."""
        hint = "write it as http://HOST:PORT or https://HOST:PORT"
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as error:
            raise InvalidInputError(f"{url!r} is not a server's URL: {error}; {hint}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInputError(f"{url!r} is not a server's URL; {hint}")
        if parts.username is not None or parts.password is not None:
            raise InvalidInputError(
                f"the URL of {parts.hostname} holds credentials; give a token by VERISCOPE_TOKEN"
            )
        if parts.query or parts.fragment:
            raise InvalidInputError(f"{url!r} has a query or a fragment; {hint}")
        headers = {"User-Agent": "Veriscope"}
        if token:
            headers["Authorization"] = f"Bearer {_checked(token)}"
        tls = _authorities(ca_file) if parts.scheme == "https" else None
        prefix = parts.path.rstrip("/")
        return cls(
            f"{parts.scheme}://{parts.netloc}{prefix}",
            parts.scheme,
            parts.hostname,
            port,
            prefix,
            headers,
            tls,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: *body* holds at most the bytes that were asked for."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class Channel:
    """
    One connection, kept alive between requests; for one thread at a time.

    A connection and no pool: a pool's lock could be held by another thread at the moment of a
    fork, and its finaliser would then hang at the child's exit.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: HTTPConnection | None = None

    def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float,
        max_bytes: int = 1 << 16,
    ) -> Answer:
        """
        Send a request and return the answer.

        *timeout_s* bounds each step up to the answer's head, and the whole of its body.

        Raises `UnavailableError` where there is no answer. A connection that the server had
        closed meanwhile is opened anew, once.
        """
        was_open = self._connection is not None and self._connection.is_connected
        for is_last in (not was_open, True):
            try:
                response = self._request(method, path, body, headers or {}, timeout_s)
                content = _read(response, max_bytes, time.monotonic() + timeout_s)
                if response.read(1):  # what is not wanted cannot stay on the connection
                    self.close()
                return Answer(response.status, response.reason or "", response.headers, content)
            except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
                self.close()
                is_stale = isinstance(error, http.client.RemoteDisconnected | ConnectionError)
                if is_last or not is_stale:
                    text = _shown(str(error)) or type(error).__name__
                    raise UnavailableError(f"{self._endpoint.url}: {text}") from error
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> HTTPResponse:
        connection = self._connected(timeout_s)
        connection.request(
            method,
            self._endpoint.prefix + path,
            body=body,
            headers={**self._endpoint.headers, **headers},
            preload_content=False,
        )
        return connection.getresponse()

    def _connected(self, timeout_s: float) -> HTTPConnection:
        connection = self._connection
        if connection is not None and not connection.is_connected:
            self.close()
            connection = None
        if connection is None:
            endpoint = self._endpoint
            if endpoint.tls is None:
                connection = HTTPConnection(endpoint.host, endpoint.port)
            else:
                connection = HTTPSConnection(endpoint.host, endpoint.port, ssl_context=endpoint.tls)
            self._connection = connection
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        return connection


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request was not taken."""

    text: str
    is_settled: bool = False
    """Whether it would be refused again, so that it must not be repeated."""
    is_suspect: bool = False
    """Whether the request itself may make the server fail."""
    retry_after_s: float = 0.0


def failure_of(answer: Answer, now_s: float) -> Failure | None:
    """
    Return what *answer* means for the request, None where it was taken; *now_s* is Unix time.

    Statuses as OTLP and remote write say: 408, 425, 429 and 5xx are repeated, other refusals not.
    """
    status = answer.status
    if status // 100 == 2:  # noqa: PLR2004 - any success
        return None
    said = _shown(answer.body[:_REASON_CHARACTERS].decode(errors="replace"))
    text = f"HTTP {status} {_shown(answer.reason)}: {said}{_CURES.get(status, '')}"
    if status // 100 != 5 and status not in (408, 425, 429):  # noqa: PLR2004 - server errors
        return Failure(text, is_settled=True)
    return Failure(
        text,
        is_suspect=status not in (408, 425, 429, 502, 503, 504),
        retry_after_s=_retry_after_s(answer.headers.get("Retry-After", "0"), now_s),
    )


def _read(response: HTTPResponse, most: int, deadline: float) -> bytes:
    """Return *most* bytes of the body at most; `TimeoutError` past *deadline* (monotonic)."""
    content = bytearray()
    while len(content) < most and (part := response.read1(most - len(content))):
        content += part
        if time.monotonic() > deadline:
            raise TimeoutError("the answer does not end in time")
    return bytes(content)


def _shown(text: str) -> str:
    """Return what of *text*, which somebody else wrote, can stand in a log."""
    said = text[:_REASON_CHARACTERS].strip()
    return "".join(letter if letter.isprintable() else " " for letter in said)


def _retry_after_s(text: str, now_s: float) -> float:
    """Return the seconds that `Retry-After` asks for (RFC 9110, 10.2.3), at most ten minutes."""
    try:
        wanted_s = (
            float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - now_s
        )
    except ValueError:
        return 0.0
    return min(max(wanted_s, 0.0), _LONGEST_RETRY_AFTER_S)


def _checked(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInputError(
            "the token holds characters that no header can; check VERISCOPE_TOKEN for spaces, "
            "line ends and letters beyond ASCII"
        )
    return token


def _authorities(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InvalidInputError(
            f"cannot use ca_file {ca_file}: {error}; name a readable PEM file"
        ) from error

"""The HTTP side of an outbox: one request, and what its answer means for the body."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import Final, Self

import aiohttp
import msgspec
from yarl import URL

from veriscope.signals import ByteSize, Clock, Duration, InvalidInputError, require_at_least
from veriscope.wire import remote_write

_LONGEST_RETRY_AFTER_S: Final = 600.0
_REASON_CHARACTERS: Final = 300
# The body is not at fault: credentials, the path, or the moment are.
_LATER: Final = frozenset({401, 403, 404, 407, 408, 425, 429})
_TOKEN_NEEDED: Final = "; the server needs a valid token: write it into the file agent.token_file"  # noqa: S105 - a hint, no token
_CURES: Final = {
    401: _TOKEN_NEEDED,
    403: _TOKEN_NEEDED,
    404: "; nothing takes remote write there: check --server",
}


class AgentOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an agent sends, and what it may keep while it cannot."""

    spool_max_bytes: ByteSize = ByteSize(512 << 20)
    """Bodies kept on disk; past it the oldest are dropped and their samples counted."""
    timeout: Duration = Duration.parse("10s")
    """Time that the server has to take one body."""
    token_file: str | None = None
    """File with the token that the server asks for; read anew for each request."""
    ca_file: str | None = None
    """PEM file of the authorities that may sign the server's certificate; else the system's."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "spool_max_bytes", "timeout")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a body was not taken; *retry_after_s* is None where it never will be."""

    cause: str
    reason: str
    retry_after_s: float | None = 0.0


class RemoteWriteClient:
    """Posts bodies to *url*; an asynchronous context that holds the connections."""

    def __init__(
        self, options: AgentOptions, url: URL, tls: ssl.SSLContext | None, clock: Clock
    ) -> None:
        self._options = options
        self._url = url
        self._clock = clock
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=True if tls is None else tls),
            timeout=aiohttp.ClientTimeout(total=options.timeout.seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, content: bytes) -> Refusal | None:
        """Send *content*, a compressed message; return why it was not taken, None where it was."""
        try:
            async with self._session.post(
                self._url, data=BytesIO(content), headers=self._headers(), allow_redirects=False
            ) as response:
                if response.status // 100 == 2:  # noqa: PLR2004 - any success
                    return None
                return await self._refusal(response)
        except TimeoutError:
            return Refusal("timeout", f"no answer within {self._options.timeout}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Refusal(type(error).__name__, str(error) or type(error).__name__)

    async def _refusal(self, response: aiohttp.ClientResponse) -> Refusal:
        status = response.status
        text = (await response.content.read(_REASON_CHARACTERS)).decode(errors="replace").strip()
        reason = f"HTTP {status} {response.reason}: {text}{_CURES.get(status, '')}"
        is_settled = 400 <= status < 500 and status not in _LATER  # noqa: PLR2004 - 4xx
        return Refusal(
            f"HTTP {status}",
            reason,
            None if is_settled else self._retry_after_s(response.headers),
        )

    def _retry_after_s(self, headers: Mapping[str, str]) -> float:
        """Return the seconds that `Retry-After` asks for (RFC 9110, 10.2.3), 0 without it."""
        text = headers.get("Retry-After", "0")
        try:
            if text.isdecimal():
                wanted_s = float(text)
            else:
                wanted_s = parsedate_to_datetime(text).timestamp() - self._clock.now_ms() / 1000
        except ValueError:
            return 0.0
        return min(max(wanted_s, 0.0), _LONGEST_RETRY_AFTER_S)

    def _headers(self) -> dict[str, str]:
        """Return the request's headers; raises `OSError` where the token cannot be read."""
        headers = {
            "Content-Type": remote_write.CONTENT_TYPE,
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
            "User-Agent": "Veriscope",
        }
        if self._options.token_file is not None:
            token = Path(self._options.token_file).read_text(encoding="utf-8").strip()
            headers["Authorization"] = f"Bearer {token}"
        return headers


def authorities(options: AgentOptions) -> ssl.SSLContext | None:
    """Return what to trust, None for the default; raises `InvalidInputError`."""
    ca_file = options.ca_file
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InvalidInputError(f"cannot use agent.ca_file {ca_file}: {error}") from error

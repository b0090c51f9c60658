"""The HTTP client of a scrape pool: credentials, TLS, and answers of bounded size."""

import asyncio
import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp
from yarl import URL

from veriscope.collect.scrape.http_config import HttpClientConfig, TlsConfig, TlsVersion
from veriscope.signals import LimitExceededError, UnavailableError

_Prepared: TypeAlias = tuple[ssl.SSLContext | None, tuple[tuple[str, str], ...]]
"""TLS settings, None for the default ones, and the headers that carry credentials."""

_KEEPALIVE_S: Final = 300.0
"""Longer than most scrape intervals, so that a target is not dialled anew for each scrape."""
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_VERSIONS: Final = {
    TlsVersion.TLS10: ssl.TLSVersion.TLSv1,
    TlsVersion.TLS11: ssl.TLSVersion.TLSv1_1,
    TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with status 200: its content type and its decompressed body."""

    content_type: str
    body: bytes


class HttpClient:
    """Sends GET requests as one configuration says; credentials are read anew each time."""

    def __init__(self, config: HttpClientConfig) -> None:
        self._config = config
        self._reads_files = any(_files(config))
        self._prepared: _Prepared | None = None
        self._session: aiohttp.ClientSession | None = None
        self._stamp: tuple[int, ...] | None = None
        self._context: ssl.SSLContext | None = None

    async def get(self, url: str, headers: Mapping[str, str], *, limit: int) -> Answer:
        """
        Fetch *url*; at most *limit* bytes after decompression.

        Raises `UnavailableError` where there is no answer with status 200, and
        `LimitExceededError` past the limit. The time limit is the caller's.
        """
        try:
            if self._prepared is None or self._reads_files:
                self._prepared = await asyncio.to_thread(self._prepare)
            context, own_headers = self._prepared
            return await self._get(url, [*headers.items(), *own_headers], context, limit)
        except (aiohttp.ClientError, OSError, ValueError, zlib.error) as error:
            raise UnavailableError(f"{type(error).__name__}: {error}") from error

    async def _get(
        self, url: str, headers: list[tuple[str, str]], context: ssl.SSLContext | None, limit: int
    ) -> Answer:
        async with self._open_session().get(
            URL(url, encoded=True),
            headers=headers,
            ssl=True if context is None else context,
            server_hostname=self._config.tls_config.server_name if context else None,
            allow_redirects=self._config.follow_redirects,
            proxy=self._config.proxy_url,
        ) as response:
            if response.status != 200:  # noqa: PLR2004 the one status that means success
                raise UnavailableError(
                    f"server returned HTTP status {response.status} {response.reason}"
                )
            body = await _read(response, limit)
            return Answer(response.headers.get("Content-Type", ""), body)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    def _prepare(self) -> _Prepared:
        """Read what rests in files; runs in a thread."""
        tls = self._config.tls_config
        headers = tuple(_headers(self._config))
        if tls == TlsConfig():
            return None, headers
        stamp = tuple(_stamp(tls))
        if self._context is None or stamp != self._stamp:
            self._context, self._stamp = _ssl_context(tls), stamp
        return self._context, headers


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body, decompressing it piece by piece so that a gzip bomb ends at *limit*."""
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "deflate"):
        raise UnavailableError(f"the answer has content encoding {encoding!r}; gzip was asked")
    inflate = None if encoding == "identity" else zlib.decompressobj(_GZIP_OR_ZLIB)
    body = bytearray()
    async for chunk in response.content.iter_any():
        rest = chunk
        while rest:
            if inflate is None:
                body += rest
                rest = b""
            else:
                if inflate.eof:  # a gzip file may have several members
                    inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
                body += inflate.decompress(rest, limit + 1 - len(body))
                rest = inflate.unconsumed_tail or inflate.unused_data
            if len(body) > limit:
                raise LimitExceededError(f"the body is larger than body_size_limit ({limit} bytes)")
    if inflate is not None and not inflate.eof:
        raise UnavailableError("the compressed body ends too early")
    return bytes(body)


def _headers(config: HttpClientConfig) -> Iterator[tuple[str, str]]:
    credentials = _authorization(config)
    if credentials is not None:
        yield "Authorization", credentials
    for name, header in config.http_headers.items():
        for value in header.values:
            yield name, value
        for secret in header.secrets:
            yield name, secret.reveal()
        for path in header.files:
            yield name, _read_secret(path)


def _authorization(config: HttpClientConfig) -> str | None:
    if config.basic_auth is not None:
        basic = config.basic_auth
        user = _read_secret(basic.username_file) if basic.username_file else basic.username
        password = basic.password.reveal() if basic.password is not None else ""
        if basic.password_file:
            password = _read_secret(basic.password_file)
        return aiohttp.encode_basic_auth(user, password, "utf-8")
    if config.authorization is not None:
        header = config.authorization
        token = header.credentials.reveal() if header.credentials is not None else ""
        if header.credentials_file:
            token = _read_secret(header.credentials_file)
        return f"{header.type} {token}".strip()
    if config.bearer_token_file:
        return f"Bearer {_read_secret(config.bearer_token_file)}"
    return f"Bearer {config.bearer_token.reveal()}" if config.bearer_token else None


def _read_secret(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip()


def _stamp(tls: TlsConfig) -> Iterator[int]:
    """Yield what changes when a certificate is renewed on disk."""
    for path in (tls.ca_file, tls.cert_file, tls.key_file):
        if path:
            state = Path(path).stat()
            yield from (state.st_mtime_ns, state.st_size, state.st_ino)


def _files(config: HttpClientConfig) -> Iterator[str | None]:
    """Yield the paths of all files that a request depends on."""
    tls, basic, header = config.tls_config, config.basic_auth, config.authorization
    yield from (tls.ca_file, tls.cert_file, tls.key_file, config.bearer_token_file)
    if basic is not None:
        yield from (basic.username_file, basic.password_file)
    if header is not None:
        yield header.credentials_file
    for item in config.http_headers.values():
        yield from item.files


def _ssl_context(tls: TlsConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file or None, cadata=tls.ca or None)
    context.minimum_version = _VERSIONS[tls.min_version]
    if tls.max_version is not None:
        context.maximum_version = _VERSIONS[tls.max_version]
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

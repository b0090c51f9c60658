"""One request and its response on an open connection, counted in bytes."""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httptools
from yarl import URL

from veriscope.collect.probe.connection import Streams
from veriscope.collect.probe.result import FailureReason
from veriscope.collect.probe.trace import ProbeError, Trace

_CHUNK_BYTES: Final = 1 << 16
_MAX_HEAD_BYTES: Final = 1 << 17
_HEAD_END: Final = b"\r\n\r\n"
_INTERIM: Final = range(100, 200)
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it will be written."""

    url: URL
    method: str
    headers: Mapping[str, str]
    body: bytes

    def encode(self) -> bytes:
        """Return the request's bytes."""
        own = {
            "host": ("Host", self.url.host_port_subcomponent or ""),
            "user-agent": ("User-Agent", "veriscope-probe"),
            "accept": ("Accept", "*/*"),
            "accept-encoding": ("Accept-Encoding", "identity"),
            "connection": ("Connection", "close"),
        }
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            own["content-length"] = ("Content-Length", str(len(self.body)))
        given = {name.lower(): (name, value) for name, value in self.headers.items()}
        lines = [f"{name}: {value}\r\n" for name, value in (own | given).values()]
        head = f"{self.method} {self.url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}\r\n"
        return head.encode("utf-8") + self.body


@dataclass(slots=True)
class Response:
    """Gathers what the parser calls out; `max_body_bytes` bounds what is kept."""

    method: str
    max_body_bytes: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    body_bytes: int = 0
    interims: int = 0
    has_head: bool = False
    complete: bool = False
    status: int = 0
    parser: httptools.HttpResponseParser = field(init=False)

    def __post_init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; its name in lower case, the last one of a name."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the status; interim responses (1xx) are passed over."""
        status = self.parser.get_status_code()
        if status in _INTERIM:
            self.headers.clear()
            self.interims += 1
            return
        self.status, self.has_head = status, True
        self.complete = self.method == "HEAD"

    def on_body(self, data: bytes) -> None:
        """Count the body, and keep it up to the limit."""
        self.body_bytes += len(data)
        self.body += data[: self.max_body_bytes - len(self.body)]

    def on_message_complete(self) -> None:
        """Note the end of the response."""
        self.complete = self.has_head

    @property
    def too_large(self) -> bool:
        """Whether the body is past the limit."""
        return self.body_bytes > self.max_body_bytes

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the body."""
        framed = "content-length" in self.headers or "transfer-encoding" in self.headers
        return self.has_head and not framed


async def exchange(request: Request, streams: Streams, limit: int, trace: Trace) -> Response:
    """
    Send *request* and read its response, up to *limit* bytes of body.

    Raises `ProbeError`.
    """
    reader, writer = streams
    response = Response(request.method, limit)
    encoded = request.encode()
    try:
        trace.current = "processing"
        writer.write(encoded)
        trace.request_bytes = len(encoded)
        await writer.drain()
        with trace.phase("processing"):
            await _read_head(reader, response, trace)
        with trace.phase("transfer"):
            await _read_body(reader, response)
    except httptools.HttpParserUpgrade as error:
        text = "the server changed to another protocol, unasked"
        raise ProbeError(FailureReason.PROTOCOL, text) from error
    except httptools.HttpParserError as error:
        raise ProbeError(FailureReason.PROTOCOL, f"the response is not HTTP/1: {error}") from error
    except ssl.SSLError as error:
        raise ProbeError(FailureReason.TLS, f"TLS broke: {error}") from error
    except ConnectionError as error:
        raise ProbeError(FailureReason.RESET, f"the connection broke: {error}") from error
    finally:
        trace.body_bytes = response.body_bytes
    return response


async def _read_head(reader: asyncio.StreamReader, response: Response, trace: Trace) -> None:
    seen = bytearray()
    while not response.has_head:
        data = await reader.read(_CHUNK_BYTES)
        if not data:
            after = "in the head of the response" if seen else "without a response"
            raise ProbeError(FailureReason.RESET, f"the connection ended {after}")
        if len(seen) > _MAX_HEAD_BYTES:
            text = f"the response's head is larger than {_MAX_HEAD_BYTES} bytes"
            raise ProbeError(FailureReason.TOO_LARGE, text)
        seen += data
        response.parser.feed_data(data)
    trace.header_bytes = _head_bytes(seen, response.interims)
    trace.status = response.status
    trace.http_version = response.parser.get_http_version()
    declared = response.headers.get("content-length", "")
    trace.content_length = int(declared) if declared.isdecimal() else -1


def _head_bytes(seen: bytearray, interims: int) -> int:
    """Return the length of the head in *seen* that comes after those of *interims* responses."""
    start = end = 0
    for _ in range(interims + 1):
        start, end = end, seen.index(_HEAD_END, end) + len(_HEAD_END)
    return end - start


async def _read_body(reader: asyncio.StreamReader, response: Response) -> None:
    while not (response.complete or response.too_large):
        data = await reader.read(_CHUNK_BYTES)
        if data:
            response.parser.feed_data(data)
        elif response.ends_with_connection:
            return
        else:
            text = f"the connection ended after {response.body_bytes} bytes of an unfinished body"
            raise ProbeError(FailureReason.RESET, text)


def decoded_body(response: Response) -> bytes:
    """
    Return the body as text checks need it, at most as long as the response's limit.

    Servers that compress unasked are understood where they use gzip or deflate; raises
    `ProbeError` otherwise.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    body = bytes(response.body)
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise ProbeError(FailureReason.BODY, f"the body is encoded as {encoding!r}; unasked")
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, response.max_body_bytes or 1)
    except zlib.error as error:
        raise ProbeError(FailureReason.BODY, f"the body is not {encoding}: {error}") from error

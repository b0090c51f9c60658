"""Servers that answer bytes of the test's choosing, also over TLS."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """A server on loopback; `requests` holds what it was sent, byte for byte."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Return the URL of *path*."""
        return f"{scheme}://{host}:{self.port}{path}"


Start = Callable[..., Awaitable[RawServer]]


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start servers that hand each request to a handler, or answer fixed bytes."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(
        answer: bytes | Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> RawServer:
        raw = RawServer(0)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            try:
                request = await _read_request(reader)
                raw.requests.append(request)
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(request, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            finally:
                writer.close()

        server = await asyncio.start_server(serve, host, 0, ssl=tls)
        servers.append(server)
        raw.port = server.sockets[0].getsockname()[1]
        return raw

    yield start
    for server in servers:
        server.close()
    for writer in writers:
        writer.transport.abort()


@dataclass(frozen=True)
class Certificate:
    """A certificate that signed itself, for `localhost` and 127.0.0.1."""

    cert: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return the settings of a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    def expiry_s(self) -> float:
        """Return what openssl says of its end, Unix seconds."""
        text = subprocess.run(
            ["openssl", "x509", "-in", self.cert, "-noout", "-enddate"],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        return ssl.cert_time_to_seconds(text.strip().removeprefix("notAfter="))


@pytest.fixture(scope="session")
def make_certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Certificate]:
    """Return a function that makes certificates with openssl."""

    def make(days: int = 30, name: str = "localhost") -> Certificate:
        folder = tmp_path_factory.mktemp("certificate")
        found = Certificate(folder / "cert.pem", folder / "key.pem")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
                *("ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days)),
                *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"),
                *("-keyout", found.key, "-out", found.cert),
            ],
            capture_output=True,
            check=True,
        )
        return found

    return make


@pytest.fixture(scope="session")
def certificate(make_certificate: Callable[..., Certificate]) -> Certificate:
    """Return a valid certificate."""
    return make_certificate()

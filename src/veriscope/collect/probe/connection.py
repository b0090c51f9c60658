"""Dials one host, each step on its own clock: resolve, connect, TLS."""

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from yarl import URL

from veriscope.collect.probe.certificates import earliest_expiry_s
from veriscope.collect.probe.lookup import Lookups
from veriscope.collect.probe.result import FailureReason
from veriscope.collect.probe.target import IpProtocol, ProbeTarget
from veriscope.collect.probe.trace import ProbeError, Trace

_Address: TypeAlias = tuple[Any, ...]
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_FAMILIES: Final = {
    IpProtocol.ANY: socket.AF_UNSPEC,
    IpProtocol.IPV4: socket.AF_INET,
    IpProtocol.IPV6: socket.AF_INET6,
}


class Dialler:
    """Opens connections; TLS settings are loaded once and again when their file changes."""

    def __init__(self) -> None:
        self._lookups = Lookups()
        self._contexts: dict[tuple[bool, str], tuple[int, ssl.SSLContext]] = {}

    async def dial(self, url: URL, target: ProbeTarget, trace: Trace) -> Streams:
        """Return an open connection to the host of *url*; raises `ProbeError`."""
        with trace.phase("resolve"):
            addresses = await self._resolve(url, target)
        context = None
        if url.scheme == "https":
            context = await asyncio.to_thread(self._context, target)
        with trace.phase("connect"):
            connected = await _connect(addresses, target.timeout_s)
        trace.remote_address = connected.getpeername()[0]
        trace.ip_protocol = 6 if connected.family == socket.AF_INET6 else 4
        if context is None:
            return await asyncio.open_connection(sock=connected)
        with trace.phase("tls"):
            name = target.server_name or (url.raw_host or "").rstrip(".")
            reader, writer = await _handshake(connected, context, name)
        tls = writer.get_extra_info("ssl_object")
        trace.tls_version = tls.version() or ""
        trace.tls_expiry_s = earliest_expiry_s(tls)
        return reader, writer

    async def _resolve(self, url: URL, target: ProbeTarget) -> Sequence[tuple[int, _Address]]:
        host, family = url.raw_host or "", _FAMILIES[target.ip_protocol]
        try:
            return await self._lookups.addresses(host, url.port or 0, family)
        except (socket.gaierror, UnicodeError) as error:
            raise ProbeError(FailureReason.DNS, f"cannot resolve {host}: {error}") from error

    def _context(self, target: ProbeTarget) -> ssl.SSLContext:
        """Read the authorities; runs in a thread."""
        key = (target.verify_tls, target.ca_file)
        try:
            stamp = Path(target.ca_file).stat().st_mtime_ns if target.ca_file else 0
            known = self._contexts.get(key)
            if known is None or known[0] != stamp:
                context = ssl.create_default_context(cafile=target.ca_file or None)
                context.set_alpn_protocols(["http/1.1"])
                if not target.verify_tls:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                known = self._contexts[key] = (stamp, context)
        except OSError as error:
            raise ProbeError(FailureReason.INTERNAL, f"ca_file: {error}") from error
        return known[1]


async def _connect(addresses: Sequence[tuple[int, _Address]], timeout_s: float) -> socket.socket:
    """Return a socket to the first address that answers; each may take its share of the time."""
    failure: OSError = OSError("no address")
    for family, address in addresses:
        try:
            async with asyncio.timeout(timeout_s / len(addresses)):
                return await _connect_one(family, address)
        except OSError as error:
            failure = error
    reason = {
        ConnectionRefusedError: FailureReason.REFUSED,
        TimeoutError: FailureReason.TIMEOUT,
    }.get(type(failure), FailureReason.UNREACHABLE)
    # asyncio puts words of its own in `strerror`.
    text = os.strerror(failure.errno) if failure.errno else f"no answer within {timeout_s:g} s"
    raise ProbeError(reason, f"cannot connect to {addresses[-1][1][0]}: {text}") from failure


async def _connect_one(family: int, address: _Address) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _handshake(sock: socket.socket, context: ssl.SSLContext, name: str) -> Streams:
    try:
        return await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate is refused: {error.verify_message}"
        raise ProbeError(FailureReason.TLS, text) from error
    except (ssl.SSLError, ValueError) as error:
        raise ProbeError(FailureReason.TLS, f"the handshake failed: {error}") from error
    except ConnectionError as error:
        text = "the connection ended during the TLS handshake"
        raise ProbeError(FailureReason.TLS, text) from error

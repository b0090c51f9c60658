"""The TCP connections that this process accepted, and those that wait for it to do so."""

import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import psutil

_ESTABLISHED: Final = 1
_LISTEN: Final = 10
"""States in `tcp_info` (include/net/tcp_states.h)."""
_TCP_INFO: Final = 11
_STATE_AT: Final = 0
_UNACKED_AT: Final = 24
_INFO_BYTES: Final = 32
_ADDRESS_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class SocketCounts:
    """
    Connections of this process's listening TCP sockets.

    *accepted* are established and this process holds them; *backlog* are established too, and
    wait in the kernel until a process accepts them. Processes that share a listening socket
    share its backlog.
    """

    accepted: int
    backlog: int


class _Tcp(NamedTuple):
    """One TCP socket of this process."""

    state: int
    port: int
    unacked: int


class ListeningSockets:
    """
    Counts the connections of this process; Linux tells the backlog too, others only 0.

    On Linux each descriptor of the process is asked by itself: on a busy host that is far
    cheaper than /proc/net/tcp, where the kernel writes out everybody's connections.
    """

    def count(self) -> SocketCounts:
        """Count now; `OSError` where the system does not tell."""
        if not sys.platform.startswith("linux"):
            return _portable_count()
        found = list(_own_sockets())
        # For a listening socket `unacked` is its accept queue (tcp_get_info in the kernel).
        listening = {each.port: each.unacked for each in found if each.state == _LISTEN}
        return SocketCounts(
            sum(each.state == _ESTABLISHED and each.port in listening for each in found),
            sum(each.unacked for each in found if each.state == _LISTEN),
        )


def _own_sockets() -> Iterator[_Tcp]:
    """
    Return every TCP socket among the descriptors of this process.

    Through the C library: a Python socket object would own, and in the end close, a descriptor
    that belongs to the application.
    """
    libc = ctypes.CDLL(None)
    info, address = (ctypes.create_string_buffer(n) for n in (_INFO_BYTES, _ADDRESS_BYTES))
    size = ctypes.c_uint32()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - thousands of Path objects are dear
        descriptor = int(name)
        size.value = _INFO_BYTES
        if libc.getsockopt(descriptor, socket.IPPROTO_TCP, _TCP_INFO, info, ctypes.byref(size)):
            continue  # closed by now, no socket, or not of TCP
        size.value = _ADDRESS_BYTES
        if libc.getsockname(descriptor, address, ctypes.byref(size)):
            continue
        yield _Tcp(
            state=info.raw[_STATE_AT],
            port=int.from_bytes(address.raw[2:4], "big"),  # in sockaddr_in and sockaddr_in6 alike
            unacked=int.from_bytes(info.raw[_UNACKED_AT : _UNACKED_AT + 4], sys.byteorder),
        )


def _portable_count() -> SocketCounts:
    try:
        connections = psutil.Process().net_connections("tcp")
    except psutil.Error as error:
        raise OSError(str(error)) from error
    ports = {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
    return SocketCounts(
        sum(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port in ports
            for each in connections
        ),
        0,
    )

"""
Clients that cost far less than what they measure.

Requests are encoded beforehand; answers are read whole and not looked into.
"""

import http.client
import selectors
import socket
import time
import urllib.parse
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_BUFFER_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 300


class BadAnswerError(Exception):
    """A server answered with an error, or not as HTTP asks."""


def get(path: str, parameters: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return a GET request in bytes."""
    query = urllib.parse.urlencode(list(parameters))
    return f"GET {path}{'?' if query else ''}{query} HTTP/1.1\r\nHost: peer\r\n\r\n".encode()


def post(path: str, headers: Iterable[tuple[str, str]], length: int) -> bytes:
    """Return the head of a POST request whose body has *length* bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"POST {path} HTTP/1.1\r\nHost: peer\r\n{lines}Content-Length: {length}\r\n\r\n".encode()


class Answer:
    """One answer, fed what arrives until it is whole; keeps its bytes only where asked to."""

    def __init__(self, *, keep: bool = False) -> None:
        self.status = 0
        self._head = b""
        self._chunked = False
        self._missing = 0
        self._tail = b""
        self._kept = bytearray() if keep else None

    def feed(self, piece: memoryview) -> bool:
        """Take what arrived; answer whether that was the last of it."""
        if not self.status:
            head, found, rest = (self._head + bytes(piece)).partition(_HEAD_END)
            if not found:
                self._head = head
                return False
            self._read_head(head)
            piece = memoryview(rest)
        if self._kept is not None:
            self._kept += piece
        if self._chunked:
            # JSON holds no raw line end, so nothing but the last chunk looks like it.
            self._tail = (self._tail + bytes(piece[-len(_LAST_CHUNK) :]))[-len(_LAST_CHUNK) :]
            return self._tail == _LAST_CHUNK
        self._missing -= len(piece)
        return self._missing <= 0

    def body(self) -> bytes:
        """Return what was kept of a whole answer."""
        if self._kept is None:
            raise BadAnswerError("the answer was not kept")
        return _joined(self._kept) if self._chunked else bytes(self._kept)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ", 2)[1])
        headers = dict(line.lower().split(b": ", 1) for line in lines)
        self._chunked = headers.get(b"transfer-encoding") == b"chunked"
        self._tail = b"\r\n"  # an empty body is the last chunk alone
        self._missing = int(headers.get(b"content-length", 0))


def _joined(chunked: bytearray) -> bytes:
    out, at = bytearray(), 0
    while True:
        end = chunked.index(b"\r\n", at)
        size = int(chunked[at:end], 16)
        if not size:
            return bytes(out)
        out += memoryview(chunked)[end + 2 : end + 2 + size]
        at = end + 2 + size + 2


class Connection:
    """A connection that is kept alive; requests wait for each other."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket = _connected(self._address)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def ask(self, request: bytes, body: bytes | memoryview = b"", *, keep: bool = False) -> Answer:
        """
        Send a request and read its whole answer, whatever its status.

        Where the server has closed the connection, which it may while nothing is asked, it is
        opened anew, as any client does.
        """
        try:
            count = self._begin(request, body)
        except ConnectionError:
            count = 0
        if not count:
            self._socket.close()
            self._socket = _connected(self._address)
            count = self._begin(request, body)
        answer = Answer(keep=keep)
        while not answer.feed(self._buffer[:count]):
            if not (count := self._socket.recv_into(self._buffer)):
                raise BadAnswerError("the server hung up in the middle of an answer")
        return answer

    def fetch(self, request: bytes) -> bytes:
        """Return the body of the answer; raises `BadAnswerError` where it is not 2xx."""
        answer = self.ask(request, keep=True)
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise BadAnswerError(f"{answer.status} for {request!r}: {answer.body()[:300]!r}")
        return answer.body()

    def _begin(self, request: bytes, body: bytes | memoryview) -> int:
        self._socket.sendall(request)
        if body:
            self._socket.sendall(body)
        return self._socket.recv_into(self._buffer)


def _connected(address: tuple[str, int]) -> socket.socket:
    opened = socket.create_connection(address, timeout=_TIMEOUT_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


@dataclass(frozen=True, slots=True)
class Throughput:
    """What some clients were answered in a time."""

    answers: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


class _Client:
    """One of many: it asks the next request as soon as the last is answered."""

    def __init__(self, host: str, port: int, requests: Sequence[bytes], first: int) -> None:
        self.socket = _connected((host, port))
        self._requests = requests
        self._next = first
        self._answer = Answer()

    def ask(self) -> None:
        """Send the next request."""
        self.socket.sendall(self._requests[self._next % len(self._requests)])
        self._next += 1
        self._answer = Answer()

    def receive(self, buffer: memoryview) -> bool:
        """Take what has arrived; answer whether that was the last of the answer."""
        if not (count := self.socket.recv_into(buffer)):
            raise BadAnswerError("the server hung up in the middle of an answer")
        if not self._answer.feed(buffer[:count]):
            return False
        if self._answer.status >= http.client.MULTIPLE_CHOICES:
            raise BadAnswerError(f"the server answered {self._answer.status}")
        return True


def drive(
    host: str, port: int, requests: Sequence[bytes], *, clients: int, seconds: float
) -> Throughput:
    """
    Let *clients* ask *requests* round and round for *seconds*, from one thread.

    Raises `BadAnswerError` where an answer is not 2xx.
    """
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    answers = 0
    with selectors.DefaultSelector() as ready, ExitStack() as opened:
        for number in range(clients):
            client = _Client(host, port, requests, number * len(requests) // clients)
            opened.enter_context(client.socket)
            ready.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        begun = now = time.perf_counter()
        while ready.get_map():
            for key, _ in ready.select(_TIMEOUT_S):
                client = key.data
                if not client.receive(buffer):
                    continue
                answers += 1
                if now - begun < seconds:
                    client.ask()
                else:
                    ready.unregister(client.socket)
            now = time.perf_counter()
    return Throughput(answers, now - begun)

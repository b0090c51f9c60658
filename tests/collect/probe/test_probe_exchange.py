import asyncio
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from veriscope.collect.probe.exchange import Request, Response, exchange
from veriscope.collect.probe.trace import ProbeError, Trace

LINES = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue", b"HTTP/1.0 404 No", b"HTTP/1.1 204 None"),
        *(
            b"HTTP/1.1 101 Switch",
            b"Upgrade: websocket",
            b"Connection: upgrade",
            b"Connection: close",
        ),
        *(b"Content-Length: 3", b"Content-Length: -1", b"Transfer-Encoding: chunked", b"X: y", b""),
        *(b"3", b"abc", b"0", b"ffffffffffffffffff", b": :", b"\xff\x00"),
    ]
)
HTTP = st.lists(LINES, max_size=12).map(b"\r\n".join)


class NoWriter:
    """Takes what is written."""

    def write(self, _data: bytes) -> None:
        """Take it."""

    async def drain(self) -> None:
        """Wait for nothing."""


async def read(answer: bytes, cut: int, method: str = "GET") -> Response:
    """Return what an exchange makes of *answer*, which arrives in two pieces."""
    reader = asyncio.StreamReader()
    reader.feed_data(answer[:cut])
    asyncio.get_running_loop().call_soon(reader.feed_data, answer[cut:])
    asyncio.get_running_loop().call_soon(reader.feed_eof)
    streams: Any = (reader, NoWriter())
    request = Request(URL("http://host/"), method, {}, b"")
    return await exchange(request, streams, 100, Trace())


@given(st.one_of(st.binary(max_size=200), HTTP), st.integers(0, 200))
@example(b"HTTP/1.1 200 OK\n\n", 0)
@example(b"HTTP/1.1 200 OK\nContent-Length: 0\n\nx\r\n\r\n", 0)
@example(b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 0)
@example(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 10)
def test_no_bytes_break_the_exchange(answer: bytes, cut: int) -> None:
    """Whatever a server sends is a response or a failure with a reason."""
    try:
        response = asyncio.run(read(answer, cut))
    except ProbeError:
        return
    assert 200 <= response.status <= 999
    assert len(response.body) <= 100


@pytest.mark.parametrize("cut", range(60))
def test_it_does_not_matter_how_bytes_arrive(cut: int) -> None:
    """Any piece of a response may come alone."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    response = asyncio.run(read(answer, cut))
    assert (response.status, bytes(response.body)) == (200, b"abc")

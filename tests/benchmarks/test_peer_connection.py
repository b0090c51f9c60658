import http.server
import threading
from collections.abc import Iterator

import pytest

from peers import connection
from peers.connection import Answer, BadAnswerError, Connection

BODY = b'{"status":"success"}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n"
    + BODY[:8]
    + b"\r\nc\r\n"
    + BODY[8:]
    + b"\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("raw", [PLAIN, CHUNKED], ids=["plain", "chunked"])
def test_an_answer_is_whole_at_its_last_byte(raw: bytes, step: int) -> None:
    """However it is cut on the way, it ends where it ends and says what it said."""
    answer = Answer(keep=True)
    pieces = [raw[at : at + step] for at in range(0, len(raw), step)]
    assert [answer.feed(memoryview(piece)) for piece in pieces] == [False] * (len(pieces) - 1) + [
        True
    ]
    assert answer.status == 200
    assert answer.body() == BODY


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_answer_may_be_empty(raw: bytes) -> None:
    """No body is a body too."""
    answer = Answer(keep=True)
    assert answer.feed(memoryview(raw))
    assert answer.body() == b""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.close_connection = self.path == "/last"  # without a word, as an idle time ends
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Serve on a free port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_clients_ask_until_the_time_is_over(port: int) -> None:
    """Every answer counts once, and every connection is answered before it is closed."""
    done = connection.drive(
        "127.0.0.1", port, [connection.get("/a"), connection.get("/b")], clients=3, seconds=0.05
    )
    assert done.answers >= 3
    assert done.per_second == done.answers / done.seconds


def test_an_error_is_no_answer(port: int) -> None:
    """A server that refuses quickly is not a fast server."""
    with pytest.raises(BadAnswerError, match="500"):
        connection.drive("127.0.0.1", port, [connection.get("/bad")], clients=1, seconds=10)
    client = Connection("127.0.0.1", port)
    with pytest.raises(BadAnswerError, match="500"):
        client.fetch(connection.get("/bad"))
    assert client.fetch(connection.get("/good")) == BODY
    client.close()


def test_a_connection_closed_while_idle_is_opened_anew(port: int) -> None:
    """A server may end an idle connection; the next question does not suffer."""
    client = Connection("127.0.0.1", port)
    assert client.fetch(connection.get("/last")) == BODY
    assert client.fetch(connection.get("/next")) == BODY
    client.close()

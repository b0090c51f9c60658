import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from veriscope.facade.performance.sockets import ListeningSockets, SocketCounts

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="asks the kernel by TCP_INFO"
)


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """Return a listening socket of this process."""
    host = "127.0.0.1" if request.param == socket.AF_INET else "::1"
    with socket.socket(request.param) as opened:
        try:
            opened.bind((host, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        opened.listen(16)
        yield opened


def counts_become(condition: Callable[[SocketCounts], bool]) -> SocketCounts:
    """Return the counts as soon as they satisfy *condition*."""
    ends_s = time.monotonic() + 60
    while not condition(found := ListeningSockets().count()):
        assert time.monotonic() < ends_s, found
        time.sleep(0.005)
    return found


def test_backlog_and_accepted_connections_are_told_apart(listener: socket.socket) -> None:
    """A connection waits in the backlog until it is accepted, and counts until it is closed."""
    before = ListeningSockets().count()
    with contextlib.ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(socket.create_connection(listener.getsockname()[:2], timeout=10))
        counts_become(lambda found: found.backlog == before.backlog + 3)
        accepted, _ = listener.accept()
        with accepted:
            one_less = SocketCounts(before.accepted + 1, before.backlog + 2)
            counts_become(lambda found: found == one_less)
        counts_become(lambda found: found.accepted == before.accepted)


def test_connections_to_others_do_not_count() -> None:
    """A connection that this process opened is not one that it serves."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = ListeningSockets().count()
        with socket.create_connection(server.getsockname(), timeout=10):
            counts_become(lambda found: found == SocketCounts(before.accepted, before.backlog + 1))


def test_no_descriptor_of_the_application_is_closed() -> None:
    """Counting leaves sockets, pipes and files as they are."""
    left, right = socket.socketpair()
    with left, right, socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(3):
            ListeningSockets().count()
        left.sendall(b"x")
        assert right.recv(1) == b"x"
        with socket.create_connection(server.getsockname(), timeout=10) as client:
            accepted, _ = server.accept()
            with accepted:
                ListeningSockets().count()
                accepted.sendall(b"y")
                assert client.recv(1) == b"y"

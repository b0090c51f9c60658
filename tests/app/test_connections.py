"""Connections whose clients send nothing, or not all."""

import http.client
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_HEAD = b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


@pytest.fixture
def connect(run_server: Callable[..., Any], tmp_path: Path) -> Callable[[], socket.socket]:
    """Connect to a server that waits a tenth of a second, and wants a token."""
    (tmp_path / "token").write_text("s3cret")
    config = tmp_path / "veriscope.yml"
    config.write_text(json.dumps({"server": {"read_timeout": "100ms", "token_file": "token"}}))
    server = run_server(tmp_path / "data", "--config", str(config))
    host, port = server.url.removeprefix("http://").split(":")
    return lambda: socket.create_connection((host, int(port)), timeout=30)


def test_a_connection_without_a_request_ends(connect: Callable[[], socket.socket]) -> None:
    """Also where a request has begun, and where one is answered before it is whole."""
    for sent, answer in ((b"", b""), (_HEAD[:20], b""), (_HEAD + b"1", b"HTTP/1.1 401 ")):
        with connect() as client:
            client.sendall(sent)
            received = b""
            while chunk := client.recv(1000):  # raises where nothing comes for 30 seconds
                received += chunk
            assert received.startswith(answer)
            assert bool(received) is bool(answer)


def test_a_connection_may_rest_between_requests(connect: Callable[[], socket.socket]) -> None:
    """Dashboards come again each half minute."""
    client = http.client.HTTPConnection("unused")
    with connect() as client.sock:
        for _ in range(2):
            client.request("GET", "/-/healthy")
            assert client.getresponse().read() == b"Veriscope is Healthy.\n"
            time.sleep(0.3)  # three times the limit: what must not happen has no event

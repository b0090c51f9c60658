"""Real processes, killed for real."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import numpy as np
import pytest

from veriscope.signals import SampleBatch, to_labels
from veriscope.wire import remote_write

pytestmark = pytest.mark.fault

_SERIES: Final = 500
_BODIES: Final = 4_000
_FIRST_MS: Final = (int(time.time()) - _BODIES - 60) * 1000
_LABELS: Final = tuple(
    to_labels({"__name__": "survivor", "number": str(number)}) for number in range(_SERIES)
)


def _body(number: int) -> bytes:
    """Return body *number*: one sample of each series, at a second of its own."""
    values = np.full(_SERIES, float(number))
    return remote_write.encode(SampleBatch.at(_LABELS, values, _FIRST_MS + number * 1000))


class _Clients:
    """Eight clients that post bodies as fast as they are accepted, until the server is gone."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = iter(range(_BODIES))
        self._lock = threading.Lock()
        self.acknowledged: set[int] = set()
        self.sent: set[int] = set()
        self.threads = [threading.Thread(target=self._work) for _ in range(8)]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers, None)
                if number is None:
                    return
                self.sent.add(number)
            try:
                status = self._server.write(_body(number))
            except (URLError, ConnectionError):
                return
            if status == 204:
                self.acknowledged.add(number)


def _stored(server: Any) -> dict[int, int]:
    """Return how many samples of each body the server has."""
    end = str(_FIRST_MS / 1000 + _BODIES)
    result = server.query(f"survivor[{_BODIES + 60}s]", time=end)
    counts: dict[int, int] = {}
    for series in result:
        for _, value in series["values"]:
            counts[int(value)] = counts.get(int(value), 0) + 1
    return counts


def test_kill_during_writes_loses_nothing_acknowledged(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """After `kill -9` at full speed every acknowledged sample is there, and none twice."""
    server = run_server(tmp_path)
    clients = _Clients(server)
    deadline = time.monotonic() + 60
    while len(clients.acknowledged) < 300 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    for thread in clients.threads:
        thread.join()
    assert clients.acknowledged
    assert clients.sent > clients.acknowledged, "the kill was not in the middle of writes"

    server = run_server(tmp_path)
    stored = _stored(server)
    lost = {number for number in clients.acknowledged if stored.get(number) != _SERIES}
    assert not lost
    assert max(stored.values()) == _SERIES

    # A client that got no answer sends again, and that stores nothing twice either.
    for number in sorted(clients.sent):
        assert server.write(_body(number)) == 204
    assert _stored(server) == dict.fromkeys(clients.sent, _SERIES)


def test_a_second_start_on_the_same_data_says_it_is_in_use(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """It names the directory and the process, and the first server is not disturbed."""
    server = run_server(tmp_path)
    second = subprocess.run(
        [sys.executable, "-m", "veriscope", "server", "--data", str(tmp_path), "--listen", ":0"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "can be reached from other machines" in second.stderr
    second = subprocess.run(
        [*second.args[:-1], "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert f"is in use by process {server.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert server.get("/health")["status"] == "healthy"


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_stores_what_is_in_flight(
    run_server: Callable[..., Any], tmp_path: Path, name: int
) -> None:
    """Whoever was answered finds their samples after the stop; the exit code is 0."""
    server = run_server(tmp_path, command="up")
    clients = _Clients(server)
    deadline = time.monotonic() + 60
    while len(clients.acknowledged) < 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.stop(name) == 0
    for thread in clients.threads:
        thread.join()
    server = run_server(tmp_path)
    stored = _stored(server)
    assert {number for number in clients.acknowledged if stored.get(number) != _SERIES} == set()

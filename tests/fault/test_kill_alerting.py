"""Servers that are killed between an alert and the people who are to be told."""

import json
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.sink import Receiver

pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]
RunServer: TypeAlias = Callable[..., Any]


class Office:
    """A server that tells a receiver of each alert by its name; it can be killed."""

    def __init__(self, folder: Path, run_server: RunServer, url: str, wait: str = "0s") -> None:
        self._folder = folder
        self._run_server = run_server
        self._url = url
        self.start(wait)

    def start(self, wait: str = "0s") -> None:
        """Start it on the data that it had; groups are told of after *wait*."""
        hook = {"url": self._url, "http_config": {"timeout_s": 600}}
        config = {
            "rules": {"meta": False},
            "route": {
                "receiver": "people",
                "group_by": ["alertname"],
                "group_wait": wait,
                "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [{"name": "people", "webhook_configs": [hook]}],
        }
        path = self._folder / "veriscope.yml"
        path.write_text(json.dumps(config))
        self.server = self._run_server(self._folder / "data", "--config", str(path))

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        assert self.server.stop(signal.SIGKILL) == -signal.SIGKILL

    def post(self, *names: str) -> None:
        """Have alerts fire; on return they are acknowledged."""
        self.post_labels([{"alertname": name} for name in names])

    def post_labels(self, alerts: list[dict[str, str]]) -> None:
        """Have alerts with these labels fire."""
        body = json.dumps([{"labels": labels} for labels in alerts]).encode()
        request = urllib.request.Request(
            f"{self.server.url}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    def wait_until(self, is_so: Callable[[Any], bool]) -> None:
        """Wait until something is true of how telling the receiver goes."""
        deadline = time.monotonic() + 60
        while not is_so(self._integration()):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _integration(self) -> Any:
        (receiver,) = self.server.get("/api/veriscope/v1/notifications")["data"]
        return receiver["integrations"][0]


@pytest.fixture
def open_office(tmp_path: Path, run_server: RunServer) -> Callable[..., Office]:
    """Open an office in the folder of the test."""

    def opened(url: str, wait: str = "0s") -> Office:
        return Office(tmp_path, run_server, url, wait)

    return opened


class Held:
    """Holds answers back, and knows when a request is there as a whole."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._let_go = threading.Event()

    def wait(self, timeout_s: float) -> bool:
        """Hold one back; called where a request was read."""
        self.arrived.set()
        return self._let_go.wait(timeout_s)

    def set(self) -> None:
        """Answer."""
        self._let_go.set()


def told(receiver: Any) -> list[str]:
    """Return the names of the alerts that the receiver was told of, in order."""
    return [alert["labels"]["alertname"] for body in receiver.bodies for alert in body["alerts"]]


def wait_for(receiver: Any, *names: str) -> None:
    """Wait until the receiver was told of *names*."""
    receiver.wait_for(lambda: set(names) <= set(told(receiver)))


def test_killed_before_anybody_was_told(open_office: Callable[..., Office], receiver: Any) -> None:
    """What was acknowledged is told after the restart, once."""
    office = open_office(receiver.url, wait="1h")
    office.post("Hot", "Slow")
    office.kill()
    assert told(receiver) == []
    office.start()
    wait_for(receiver, "Hot", "Slow")
    office.post("Last")
    wait_for(receiver, "Last")
    assert sorted(told(receiver)) == ["Hot", "Last", "Slow"]


def test_killed_while_the_receiver_answers(
    open_office: Callable[..., Office], receiver: Any
) -> None:
    """Nobody knows whether it arrived, so it is told again, under the same key."""
    office = open_office(receiver.url)
    held = receiver.answers = Held()
    office.post("Hot")
    assert held.arrived.wait(60)
    office.kill()
    held.set()
    receiver.wait(1)
    office.start()
    first, again = receiver.wait(2)
    assert first.body["groupKey"] == again.body["groupKey"]
    office.post("Last")
    wait_for(receiver, "Last")
    assert told(receiver) == ["Hot", "Hot", "Last"]


def test_killed_after_it_was_told(open_office: Callable[..., Office], receiver: Any) -> None:
    """It is not told again, though the alert goes on firing."""
    office = open_office(receiver.url)
    office.post("Hot")
    office.wait_until(lambda integration: integration["sent"] == 1)
    # What is known when an alert comes is stored before that is acknowledged.
    office.post("Unsettled")
    office.kill()
    office.start()
    office.post("Hot", "Last")
    wait_for(receiver, "Last")
    assert told(receiver).count("Hot") == 1


def test_a_receiver_that_comes_back_is_told_once_in_order(
    open_office: Callable[..., Office], free_port: int
) -> None:
    """Also by a server that was killed meanwhile."""
    office = open_office(f"http://127.0.0.1:{free_port}")
    office.post("First")
    office.wait_until(lambda integration: integration["consecutive_failures"] > 1)
    office.kill()
    office.start()
    office.post("Second")
    receiver = Receiver(free_port)
    try:
        wait_for(receiver, "First", "Second")
        office.post("Last")
        wait_for(receiver, "Last")
        assert sorted(told(receiver)) == ["First", "Last", "Second"]
    finally:
        receiver.close()


def test_a_receiver_that_hangs_does_not_hold_up_the_end(
    open_office: Callable[..., Office], receiver: Any
) -> None:
    """A stop waits some seconds for it, not for the ten minutes it may take; it is told again."""
    office = open_office(receiver.url)
    held = receiver.answers = Held()
    office.post("Hot")
    assert held.arrived.wait(60)
    assert office.server.stop() == 0
    held.set()
    office.start()
    wait_for(receiver, "Hot")
    assert set(told(receiver)) == {"Hot"}


def test_killed_with_ten_thousand_alerts(open_office: Callable[..., Office], receiver: Any) -> None:
    """Each of them is told once after the restart, in as many messages as there are groups."""
    office = open_office(receiver.url, wait="1h")
    flood = [
        [{"alertname": f"Down{group}", "instance": f"host-{host}"} for host in range(1_000)]
        for group in range(10)
    ]
    for alerts in flood:
        office.post_labels(alerts)
    office.kill()
    assert told(receiver) == []
    office.start()
    receiver.wait_for(lambda: len(told(receiver)) >= 10_000)
    office.post("Last")
    wait_for(receiver, "Last")
    *groups, _ = receiver.bodies
    found = [[alert["labels"] for alert in body["alerts"]] for body in groups]
    assert [sorted(each, key=str) for each in sorted(found, key=str)] == [
        sorted(each, key=str) for each in flood
    ]

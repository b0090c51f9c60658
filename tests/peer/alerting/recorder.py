"""A webhook receiver that keeps what it was told and when; holds no tests."""

import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from tests.sink import Loopback, Reply


@dataclass(frozen=True, slots=True)
class Told:
    """One notification, and when it came on the clock that never steps."""

    at_s: float
    body: dict[str, Any]

    @property
    def alerts(self) -> dict[str, str]:
        """The state of each alert, in the order of the notification, by what tells it apart."""
        return {_name(alert): alert["status"] for alert in self.body["alerts"]}


def _name(alert: dict[str, Any]) -> str:
    labels = alert["labels"]
    return str(labels.get("service") or labels["alertname"])


class Recorder(Loopback):
    """Keeps notifications by receiver, until they are read; the URL's path names the receiver."""

    def __init__(self, port: int = 0) -> None:
        self.statuses: defaultdict[str, deque[int]] = defaultdict(deque)
        """What a receiver answers first; then 200."""
        self.refused: defaultdict[str, int] = defaultdict(int)
        self._unread: defaultdict[str, deque[Told]] = defaultdict(deque)
        super().__init__(port)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Keep what came, unless it is to be refused."""
        del headers
        name = path.strip("/")
        if self.statuses[name]:
            self.refused[name] += 1
            return Reply(self.statuses[name].popleft())
        self._unread[name].append(Told(time.monotonic(), json.loads(body)))
        return Reply()

    def read(self, receiver: str, timeout_s: float) -> Told:
        """Return the first notification of *receiver* that nobody has read; wait for it."""
        with self.arrived:
            came = self.arrived.wait_for(lambda: bool(self._unread[receiver]), timeout_s)
            assert came, f"{receiver} was told nothing"
            return self._unread[receiver].popleft()

    def unread(self) -> dict[str, list[dict[str, str]]]:
        """Return what nobody has read."""
        with self.arrived:
            return {
                name: [told.alerts for told in left] for name, left in self._unread.items() if left
            }

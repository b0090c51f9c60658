"""Both sides at once: what is done to one is done to the other, and compared; holds no tests."""

import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from tests.peer.alerting.recorder import Told
from tests.peer.alerting.sides import Side, fetch, wait_until
from veriscope.signals import STALE_NAN, SampleBatch, is_stale, to_labels
from veriscope.wire import remote_write

BOUND_S = 2.0
"""What the two may be apart: one evaluation interval and one `group_wait`, of one second each."""
GROUP_INTERVAL_S = 2.0
_WRITE = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class Sample(NamedTuple):
    """The value that a series has from now on; None ends the series."""

    name: str
    value: float | None
    labels: dict[str, str]


def sample(name: str, value: float | None, **labels: str) -> Sample:
    """Return what a series is set to."""
    return Sample(name, value, labels)


class Pair:
    """Theirs and ours."""

    def __init__(self, theirs: Side, ours: Side) -> None:
        self.theirs = theirs
        self.ours = ours
        self.has_restarted = False
        """Whether both have been ended while alerts fired."""
        self.apart_s = 0.0
        """How far apart the two began again; what was pending began to fire as far apart."""
        self._threads = ThreadPoolExecutor(2)
        self._probes = 0
        self._groups: set[tuple[str, str]] = set()

    def each(self, do: Callable[[Side], Any]) -> tuple[Any, Any]:
        """Do the same to both, at the same time; return what theirs and ours gave."""
        first, second = self._threads.map(do, (self.theirs, self.ours))
        return first, second

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def set(self, *samples: Sample) -> None:
        """Write the same samples to both, with the time that it is now."""
        values = np.array([STALE_NAN if each.value is None else each.value for each in samples])
        labels = tuple(to_labels({"__name__": each.name, **each.labels}) for each in samples)
        assert is_stale(values).tolist() == [each.value is None for each in samples]
        batch = SampleBatch.at(labels, values, time.time_ns() // 1_000_000)
        body = remote_write.compress(remote_write.encode(batch))

        def write(side: Side) -> None:
            request = urllib.request.Request(f"{side.rules_url}/api/v1/write", body, _WRITE)
            with urllib.request.urlopen(request, timeout=30):
                pass

        self.each(write)

    def wait_for_state(self, alert: str, state: str, count: int = 1) -> None:
        """Wait until the rules of both have *count* alerts in *state*: `pending` or `firing`."""

        def wait(side: Side) -> None:
            wait_until(
                lambda: sum(found["state"] == state for found in self.active(side, alert)) == count,
                f"{count} {alert} {state} at {type(side).__name__}",
            )

        self.each(wait)

    def active(self, side: Side, alert: str) -> list[Any]:
        """Return the alerts of the rule *alert*."""
        found = fetch(f"{side.rules_url}/api/v1/alerts")["data"]["alerts"]
        return [each for each in found if each["labels"]["alertname"] == alert]

    def wait_until_known(self, alert: str, count: int) -> None:
        """Wait until those who tell people know of *count* alerts that fire."""

        def wait(side: Side) -> None:
            def known() -> int:
                found = fetch(f"{side.alerts_url}/api/v2/alerts")
                return sum(each["labels"]["alertname"] == alert for each in found)

            wait_until(lambda: known() == count, f"{count} {alert} known to {type(side).__name__}")

        self.each(wait)

    def told(
        self, receiver: str, alerts: dict[str, str], *, held_s: float = 0
    ) -> tuple[Told, Told]:
        """
        Wait until both tell *receiver* of exactly *alerts*, in this order; compare.

        *held_s* is the `group_interval` of a group that was there before, but of which nobody
        was told: each side has its own beat.
        """
        theirs, ours = self._read(receiver)
        self._compare(receiver, theirs, ours, held_s)
        assert list(theirs.alerts.items()) == list(alerts.items()), theirs.alerts
        return theirs, ours

    def told_groups(
        self, receiver: str, groups: Sequence[dict[str, str]], *, held_s: float = 0
    ) -> None:
        """Wait until both tell *receiver* of each of *groups*, in any order; compare."""
        read = [self._read(receiver) for _ in groups]
        theirs = sorted((each for each, _ in read), key=lambda told: told.body["groupKey"])
        ours = sorted((each for _, each in read), key=lambda told: told.body["groupKey"])
        for one, other in zip(theirs, ours, strict=True):
            self._compare(receiver, one, other, held_s)
        found = [told.alerts for told in theirs]
        assert found == list(groups), found

    def told_at_last(self, receiver: str, alerts: dict[str, str]) -> None:
        """Wait for *alerts*, past notifications that repeat what was told before."""

        def read(side: Side) -> Told:
            while (told := side.recorder.read(receiver, 30)).alerts != alerts:
                assert set(told.alerts.values()) == {"firing"}
            return told

        self._compare(receiver, *self.each(read))

    def nobody_else_told(self) -> None:
        """
        Let a group that comes later be told of, and expect that nothing else was.

        It waits for a group interval before it is flushed, so each other group that has news
        was flushed before.
        """
        self._probes += 1
        name = f"probe {self._probes}"
        self.set(sample("probe", 1, service=name))
        self.told("probe", {name: "firing"})
        left = [side.recorder.unread() for side in (self.theirs, self.ours)]
        assert left == [{}, {}], f"told too: {left}"

    def silence(self, **matchers: str) -> tuple[str, str]:
        """Silence both; return the silences' ids."""
        now = datetime.now().astimezone()
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in matchers.items()
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "test",
            "comment": "known",
        }
        return self.each(
            lambda side: fetch(f"{side.alerts_url}/api/v2/silences", body)["silenceID"]
        )

    def expire(self, ids: tuple[str, str]) -> None:
        """End a silence."""
        theirs, ours = ids
        fetch(f"{self.theirs.alerts_url}/api/v2/silence/{theirs}", method="DELETE")
        fetch(f"{self.ours.alerts_url}/api/v2/silence/{ours}", method="DELETE")

    def _read(self, receiver: str) -> tuple[Told, Told]:
        return self.each(lambda side: side.recorder.read(receiver, 30))

    def _compare(self, receiver: str, theirs: Told, ours: Told, held_s: float = 0) -> None:
        """Expect the same notification, at nearly the same time, of what began at the same time."""
        expected, found = _without_times(theirs.body), _without_times(ours.body)
        found = {key: found.get(key) for key in expected}
        assert found == expected, f"theirs: {expected}\nours: {found}"
        for one, other in zip(theirs.body["alerts"], ours.body["alerts"], strict=True):
            began_s, ended_s = (
                (moment(other[key]) - moment(one[key])).total_seconds()
                for key in ("startsAt", "endsAt")
            )
            # Alertmanager forgets alerts when it ends: Prometheus tells it of a later beginning.
            is_older = self.has_restarted and began_s < 0
            assert is_older or abs(began_s) <= BOUND_S + self.apart_s, (receiver, one, other)
            assert abs(ended_s) <= BOUND_S, (receiver, one, other)
        lag_s = ours.at_s - theirs.at_s
        group = (receiver, expected["groupKey"])
        # A group that was told of before is flushed at a beat of its own.
        allowed_s = BOUND_S + (held_s or (GROUP_INTERVAL_S if group in self._groups else 0))
        self._groups.add(group)
        assert abs(lag_s) <= allowed_s, f"{receiver} was told {lag_s:+.1f} s later"


def moment(text: str) -> datetime:
    """Return a time as Go spells it."""
    return datetime.fromisoformat(text)


def _without_times(body: dict[str, Any]) -> dict[str, Any]:
    alerts = [
        {key: value for key, value in alert.items() if key not in {"startsAt", "endsAt"}}
        for alert in body["alerts"]
    ]
    return {**body, "alerts": alerts}

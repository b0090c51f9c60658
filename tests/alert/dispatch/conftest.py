"""Alerting on clocks that stand still, with receivers and a store that do as they are told."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry

from veriscope.alert import AlertGroup
from veriscope.alert.alerting import Alerting
from veriscope.alert.config import AlertingConfig
from veriscope.alert.notify import Notifier, Outcome, Reason
from veriscope.signals import decode_unit, to_labels
from veriscope.signals.alerts import PostedAlert

START_MS = 1_700_000_000_000


class TwoClocks:
    """A wall clock that can jump, and one that cannot; both stand still."""

    def __init__(self) -> None:
        self._now_ms = START_MS
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        """Return the wall clock."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Return the time that was let pass."""
        return self._monotonic_ms / 1000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ms += round(seconds * 1000)
        self._monotonic_ms += round(seconds * 1000)

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        self._now_ms += round(seconds * 1000)


class MemoryState:
    """Documents that outlive an `Alerting`; fails, or keeps writers waiting, when told to."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, bytes]] = {}
        self.is_away = False
        self.writes = 0
        self.open = threading.Event()
        self.open.set()

    def all(self, kind: str) -> dict[str, bytes]:
        """Return what is kept."""
        return dict(self.kinds.get(kind, {}))

    def get(self, kind: str, key: str) -> bytes | None:
        """Return what is kept under *key*."""
        return self.kinds.get(kind, {}).get(key)

    def put_many(self, kind: str, documents: Mapping[str, bytes]) -> None:
        """Keep *documents*."""
        self._write()
        self.kinds.setdefault(kind, {}).update(documents)

    def delete_many(self, kind: str, keys: Collection[str]) -> None:
        """Drop documents."""
        self._write()
        for key in keys:
            self.kinds.setdefault(kind, {}).pop(key, None)

    def _write(self) -> None:
        self.open.wait(30)
        if self.is_away:
            raise OSError("the store is away")
        self.writes += 1


@dataclass
class Notified:
    """One try that came in, in short."""

    receiver: str
    key: str
    status: str
    firing: tuple[str, ...]
    resolved: tuple[str, ...]
    group: AlertGroup = field(repr=False)

    @classmethod
    def of(cls, group: AlertGroup) -> "Notified":
        """Return what *group* says."""
        ended = [a for a in group.alerts if a.ends_at_ms is not None]
        return cls(
            group.receiver,
            group.key,
            group.status,
            tuple(dict(a.labels)["alertname"] for a in group.firing),
            tuple(dict(a.labels)["alertname"] for a in ended),
            group,
        )


class Person:
    """A notifier that remembers what it was told, and answers as it is told to."""

    integration = "person"

    def __init__(self, *, send_resolved: bool = True) -> None:
        self.send_resolved = send_resolved
        self.told: list[Notified] = []
        self.tries = 0
        self.answers: deque[Outcome] = deque()
        self.always: Callable[[AlertGroup], Outcome] = lambda _: Outcome.delivered()
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()

    def notify(self, group: AlertGroup) -> Outcome:
        """Answer, and remember what was taken."""
        self.open.wait(30)
        with self._lock:
            self.tries += 1
            outcome = self.answers.popleft() if self.answers else self.always(group)
            if outcome == Outcome.delivered():
                self.told.append(Notified.of(group))
            return outcome

    @property
    def heard(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Status, firing and ended alerts of each notification."""
        return [(each.status, each.firing, each.resolved) for each in self.told]


ROUTE = """
global: {resolve_timeout: 1h}
route:
  receiver: team
  group_by: [job]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
receivers: [{name: team}]
"""


class Office:
    """An `Alerting` that is driven by hand, and what is around it."""

    def __init__(self) -> None:
        self.clock = TwoClocks()
        self.state = MemoryState()
        self.registry = CollectorRegistry()
        self.people: dict[str, list[Notifier]] = {}
        self.person = Person()
        self._others: list[Person] = []
        self.alerting: Alerting
        self._journal: asyncio.Task[None] | None = None

    async def open(self, text: str = ROUTE, **options: Any) -> Alerting:
        """Start with the configuration *text*, and with what the store holds."""
        self.registry = CollectorRegistry()
        self.alerting = Alerting(
            self.config(text),
            state=self.state,
            clock=self.clock,
            registry=self.registry,
            external_url="http://veriscope",
            build=self._build,
            **options,
        )
        await self.alerting.load()
        never = asyncio.Event()
        self._journal = asyncio.create_task(self.alerting._journal.run(never))
        return self.alerting

    async def kill(self) -> None:
        """Stop as `kill -9` does, with what was written."""
        await self.stop_writing()
        self.alerting._dispatcher.close()
        await self.alerting._receivers.close(0)

    def config(self, text: str) -> AlertingConfig:
        """Read a configuration."""
        return msgspec.convert(yaml.safe_load(text), AlertingConfig, dec_hook=decode_unit)

    async def stop_writing(self) -> None:
        """Leave the store to `Alerting.run`."""
        assert self._journal is not None
        self._journal.cancel()
        await asyncio.wait([self._journal])

    def _build(self, config: AlertingConfig, **_: Any) -> dict[str, list[Notifier]]:
        return {each.name: self.people.get(each.name, [self.person]) for each in config.receivers}

    def posted(self, name: str, *, starts_s: float = 0, **labels: str) -> PostedAlert:
        """Return an alert that began *starts_s* from now and has no end."""
        starts_at_ms = self.clock.now_ms() + round(starts_s * 1000)
        return PostedAlert(to_labels({"alertname": name, **labels}), starts_at_ms=starts_at_ms)

    def failing(self) -> Callable[[AlertGroup], Outcome]:
        """Return an answer that asks for another try."""
        return lambda _: Outcome.retry(Reason.SERVER_ERROR, "HTTP 500")

    def taking(self) -> Callable[[AlertGroup], Outcome]:
        """Return an answer that takes everything."""
        return lambda _: Outcome.delivered()

    def new_person(self, *, send_resolved: bool = True) -> Person:
        """Return another notifier."""
        person = Person(send_resolved=send_resolved)
        self._others.append(person)
        return person

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let threads go on until something is so."""
        async with asyncio.timeout(30):
            while not is_so():  # noqa: ASYNC110 - threads set no event of this loop
                await asyncio.sleep(0.001)

    def free(self) -> None:
        """Let everybody go on who waits."""
        self.state.is_away = False
        self.state.open.set()
        for person in (self.person, *self._others):
            person.open.set()

    async def post(self, name: str, *, ends_s: float | None = None, **labels: str) -> None:
        """Post one alert; it has ended where *ends_s* is not in the future."""
        await self.alerting.put(
            [
                PostedAlert(
                    to_labels({"alertname": name, **labels}),
                    ends_at_ms=None
                    if ends_s is None
                    else self.clock.now_ms() + round(ends_s * 1000),
                )
            ]
        )

    async def pass_time(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time pass in steps, doing what is due at each."""
        left_s = seconds
        while left_s > 0:
            self.clock.advance(min(step_s, left_s))
            left_s -= step_s
            await self.settle()

    async def settle(self) -> None:
        """Do all that is due, and wait until nothing is under way."""
        while True:
            due_s = self.alerting.step()
            await asyncio.sleep(0)
            if self.alerting.is_idle:
                if due_s is None or due_s > self.clock.monotonic_s():
                    await asyncio.sleep(0)
                    if self.alerting.is_idle:
                        return
            else:
                await asyncio.sleep(0.001)

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample of the registry, 0 where there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def office() -> Any:
    """Return what `Office.open` starts; it is stopped at the end."""
    made = Office()
    yield made
    made.free()
    if made._journal is not None:
        await made.kill()

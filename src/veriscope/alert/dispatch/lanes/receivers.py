"""All receivers: the lanes to their integrations, kept over reloads of the configuration."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from prometheus_client import CollectorRegistry

from veriscope.alert.config import AlertingConfig, read_templates
from veriscope.alert.dispatch.lanes.lane import Desk, Lane
from veriscope.alert.dispatch.lanes.rate_limits import TokenBucket
from veriscope.alert.dispatch.views import Address, DeadLetter, ReceiverView
from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.outcome import Notifier, Outcome
from veriscope.alert.notify.receivers import ReceiverConfig, build_notifiers
from veriscope.signals import Clock
from veriscope.templates.alertmanager import NotificationTemplates

_POLL_S: Final = 0.05

Built: TypeAlias = Mapping[str, Sequence[Notifier]]
"""The notifiers of each receiver, by its name."""


class BuildNotifiers(Protocol):
    """Makes the notifiers of every receiver of a configuration."""

    def __call__(
        self,
        config: AlertingConfig,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        external_url: str,
    ) -> Built:
        """Raise `InvalidInputError` where one cannot be built."""


def build_receivers(
    config: AlertingConfig, *, clock: Clock, registry: CollectorRegistry, external_url: str
) -> Built:
    """Return the notifiers of *config*; raises `InvalidInputError`."""
    templates = NotificationTemplates(read_templates(config), external_url, clock)
    return {
        each.name: build_notifiers(each, config.global_, clock, templates, registry)
        for each in config.receivers
    }


class Receivers:
    """The receivers by name, and a lane for each of their integrations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lanes: dict[str, list[Lane]] = {}
        self._leaving: list[Lane] = []

    @property
    def is_idle(self) -> bool:
        """Whether no try is under way."""
        return all(lane.is_idle for lane in self._all())

    def use(self, configs: Sequence[ReceiverConfig], notifiers: Built) -> None:
        """
        Go on with *notifiers*; the lanes that there were stay, and what they are doing.

        So a notification that is under way is logged, and not sent again.
        """
        former = {lane.address: lane for lanes in self._lanes.values() for lane in lanes}
        self._lanes = {}
        for config in configs:
            numbers: Counter[str] = Counter()
            lanes = self._lanes[config.name] = []
            for notifier in notifiers[config.name]:
                kind = notifier.integration
                address = Address(config.name, kind, numbers[kind])
                numbers[kind] += 1
                bucket = self._bucket(config)
                lane = former.pop(address, None)
                if lane is None:
                    lane = Lane(address, notifier, bucket, self._desk)
                else:
                    lane.replace(notifier, bucket)
                lanes.append(lane)
        self._leaving = [lane for lane in self._leaving if not lane.is_idle]
        for lane in former.values():
            lane.close()
            self._leaving.append(lane)

    def lanes(self, receiver: str) -> Sequence[Lane]:
        """Return the lanes of *receiver*; none where there is no such receiver."""
        return self._lanes.get(receiver, ())

    def forget(self, receiver: str, group_key: str) -> None:
        """Say that a group is no more."""
        for lane in self.lanes(receiver):
            lane.forget(group_key)

    async def send(self, letter: DeadLetter, group: AlertGroup) -> bool:
        """Try to deliver *group* where *letter* was to go; False where nobody took it."""
        for lane in self.lanes(letter.receiver):
            if lane.address == (letter.receiver, letter.integration, letter.index):
                return bool(await lane.send(group))
        return False

    async def acknowledge(self, receiver: str, group: AlertGroup) -> list[tuple[str, Outcome]]:
        """Say to those of *receiver* that can hear it that somebody has taken *group*."""
        found = [(lane, await lane.acknowledge(group)) for lane in self.lanes(receiver)]
        return [(lane.address.integration, outcome) for lane, outcome in found if outcome]

    def views(self) -> list[ReceiverView]:
        """Return how telling each receiver goes."""
        return [
            ReceiverView(name, tuple(lane.view() for lane in lanes))
            for name, lanes in self._lanes.items()
        ]

    async def close(self, patience_s: float) -> None:
        """Start nothing more, and wait for what is under way, at most *patience_s*."""
        for lanes in self._lanes.values():
            for lane in lanes:
                lane.close()
        for _ in range(round(patience_s / _POLL_S)):
            if self.is_idle:
                return
            await asyncio.sleep(_POLL_S)

    def _all(self) -> list[Lane]:
        return [*(lane for lanes in self._lanes.values() for lane in lanes), *self._leaving]

    def _bucket(self, config: ReceiverConfig) -> TokenBucket | None:
        limit = config.rate_limit
        if limit is None:
            return None
        return TokenBucket(limit.notifications, limit.per.seconds, self._desk.clock)

"""Notifications that nobody got: kept, so that somebody can see them and send them again."""

from hashlib import blake2b
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry

from veriscope.alert.dispatch.metrics import metrics_of
from veriscope.alert.dispatch.views import Address, DeadLetter
from veriscope.alert.group import Alert, AlertGroup
from veriscope.alert.notify.outcome import Outcome
from veriscope.alert.state import Journal
from veriscope.signals import Clock, Labels
from veriscope.signals.log import get_log

_log = get_log(__name__)
_KIND: Final = "dead_letter"
_MOST: Final = 1_000
_MOST_ALERTS: Final = 100


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A letter as it is stored."""

    receiver: str
    integration: str
    index: int
    alerts: tuple[Alert, ...]
    group_labels: Labels
    external_url: str
    truncated_alerts: int
    route_key: str
    reason: str
    detail: str
    count: int
    first_ms: int
    last_ms: int


class DeadLetters:
    """
    At most a thousand letters, kept over restarts; the oldest go first.

    There is one for each integration and group: what fails again is counted there.
    """

    def __init__(self, journal: Journal, clock: Clock, registry: CollectorRegistry) -> None:
        self._journal = journal
        self._clock = clock
        self._metrics = metrics_of(registry)
        self._letters: dict[str, DeadLetter] = {}  # the last one to fail comes last

    async def load(self) -> None:
        """Read what was stored; raises what the store raises."""
        found = []
        for letter_id, body in (await self._journal.all(_KIND)).items():
            try:
                found.append(_letter(letter_id, msgspec.json.decode(body, type=_Document)))
            except msgspec.DecodeError as error:
                _log.error("dead_letter_not_readable", id=letter_id, error=str(error))
        for letter in sorted(found, key=lambda letter: letter.last_ms):
            self._letters[letter.id] = letter
        self._count()

    def all(self) -> list[DeadLetter]:
        """Return the letters, the newest first."""
        return list(reversed(self._letters.values()))

    def get(self, letter_id: str) -> DeadLetter | None:
        """Return a letter, or None where there is none."""
        return self._letters.get(letter_id)

    def add(self, address: Address, group: AlertGroup, outcome: Outcome) -> None:
        """Keep a notification that was not delivered, and why."""
        now_ms = self._clock.now_ms()
        letter_id = _id(address, group)
        before = self._letters.pop(letter_id, None)
        letter = DeadLetter(
            letter_id,
            *address,
            _bounded(group),
            outcome.reason,
            outcome.detail,
            1 if before is None else before.count + 1,
            now_ms if before is None else before.first_ms,
            now_ms,
        )
        self._letters[letter_id] = letter
        self._journal.put(_KIND, letter_id, msgspec.json.encode(_document(letter)))
        while len(self._letters) > _MOST:
            self.delete(next(iter(self._letters)))
            self._metrics.dead_letters_dropped.inc()
        self._count()

    def delete(self, letter_id: str) -> bool:
        """Forget a letter; False where there is none."""
        if self._letters.pop(letter_id, None) is None:
            return False
        self._journal.delete(_KIND, letter_id)
        self._count()
        return True

    def delivered(self, address: Address, group: AlertGroup) -> None:
        """Forget the letter of *group* where *group*, which was delivered, says all it said."""
        letter = self._letters.get(_id(address, group))
        if letter is None:
            return
        told = {alert.fingerprint for alert in group.alerts}
        if told.issuperset(alert.fingerprint for alert in letter.group.firing):
            self.delete(letter.id)

    def _count(self) -> None:
        self._metrics.dead_letters.set(len(self._letters))


def _id(address: Address, group: AlertGroup) -> str:
    return blake2b(msgspec.json.encode((*address, group.key)), digest_size=10).hexdigest()


def _bounded(group: AlertGroup) -> AlertGroup:
    """Return *group* without evidence and with a hundred alerts at most."""
    return AlertGroup(
        group.receiver,
        group.alerts[:_MOST_ALERTS],
        group.group_labels,
        group.external_url,
        group.truncated_alerts + max(0, len(group.alerts) - _MOST_ALERTS),
        group.route_key,
    )


def _document(letter: DeadLetter) -> _Document:
    group = letter.group
    return _Document(
        letter.receiver,
        letter.integration,
        letter.index,
        group.alerts,
        group.group_labels,
        group.external_url,
        group.truncated_alerts,
        group.route_key,
        letter.reason,
        letter.detail,
        letter.count,
        letter.first_ms,
        letter.last_ms,
    )


def _letter(letter_id: str, document: _Document) -> DeadLetter:
    group = AlertGroup(
        document.receiver,
        document.alerts,
        document.group_labels,
        document.external_url,
        document.truncated_alerts,
        document.route_key,
    )
    return DeadLetter(
        letter_id,
        document.receiver,
        document.integration,
        document.index,
        group,
        document.reason,
        document.detail,
        document.count,
        document.first_ms,
        document.last_ms,
    )

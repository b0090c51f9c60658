"""An alerting that says what a test wants, with real silences; holds no tests."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from prometheus_client import CollectorRegistry

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.config import AlertingConfig
from veriscope.alert.dispatch.views import (
    AlertState,
    AlertStatus,
    AlertView,
    DeadLetter,
    GroupView,
    IntegrationView,
    ReceiverView,
)
from veriscope.alert.group import Alert, AlertGroup
from veriscope.alert.silences import Silences
from veriscope.signals import OverloadedError, SystemClock, to_labels
from veriscope.signals.alerts import PostedAlert


class Documents:
    """State in memory."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, bytes]] = {}

    def all(self, kind: str) -> dict[str, bytes]:
        """Return the documents of *kind*."""
        return dict(self._kinds.get(kind, {}))

    def get(self, kind: str, key: str) -> bytes | None:
        """Return one document."""
        return self._kinds.get(kind, {}).get(key)

    def put_many(self, kind: str, documents: Mapping[str, bytes]) -> None:
        """Keep *documents*."""
        self._kinds.setdefault(kind, {}).update(documents)

    def delete_many(self, kind: str, keys: Collection[str]) -> None:
        """Forget documents."""
        for key in keys:
            self._kinds.get(kind, {}).pop(key, None)


class FakeAlerting:
    """What the API asks of alerting."""

    def __init__(self) -> None:
        self.config = AlertingConfig()
        self.silences = Silences(Documents(), SystemClock(), CollectorRegistry())
        self.posted: list[PostedAlert] = []
        self.views: list[AlertView] = []
        self.found_groups: list[GroupView] = []
        self.found_receivers: list[ReceiverView] = []
        self.letters: list[DeadLetter] = []
        self.retried: list[str] = []
        self.full = False

    async def put(self, posted: Sequence[PostedAlert]) -> None:
        """Keep what is posted."""
        await asyncio.sleep(0)
        if self.full:
            raise OverloadedError("too many alerts; try again later")
        self.posted += posted

    def alerts(self) -> list[AlertView]:
        """Return what was set."""
        return self.views

    def groups(self) -> list[GroupView]:
        """Return what was set."""
        return self.found_groups

    def receivers(self) -> list[ReceiverView]:
        """Return what was set."""
        return self.found_receivers

    def dead_letters(self) -> list[DeadLetter]:
        """Return what was set."""
        return self.letters

    async def retry_dead_letter(self, letter_id: str) -> bool:
        """Note who was retried."""
        if letter_id not in {letter.id for letter in self.letters}:
            raise KeyError(letter_id)
        await asyncio.sleep(0)
        self.retried.append(letter_id)
        return True

    def delete_dead_letter(self, letter_id: str) -> bool:
        """Forget one."""
        left = [letter for letter in self.letters if letter.id != letter_id]
        found = len(left) < len(self.letters)
        self.letters = left
        return found


def view(
    receivers: Sequence[str] = ("team",),
    *,
    silenced_by: Sequence[str] = (),
    inhibited_by: Sequence[str] = (),
    state: AlertState | None = None,
    **labels: str,
) -> AlertView:
    """Return an alert as alerting shows it."""
    held = silenced_by or inhibited_by
    status = AlertStatus(
        state or (AlertState.SUPPRESSED if held else AlertState.ACTIVE),
        tuple(silenced_by),
        tuple(inhibited_by),
    )
    alert = StoredAlert(
        to_labels(labels), (("summary", "s"),), 1_000, 1_800_000_000_500, 2_000, "http://x/graph"
    )
    return AlertView(alert, status, tuple(receivers))


def integration(name: str, **facts: object) -> IntegrationView:
    """Return an integration that has not been used."""
    unused: dict[str, object] = {
        "index": 0, "send_resolved": True, "sent": 0, "failed": 0, "waiting": 0,
        "consecutive_failures": 0, "last_try_ms": None, "last_try_s": 0.0,
        "last_success_ms": None, "last_error": "", "last_error_ms": None,
    }  # fmt: skip
    return IntegrationView(integration=name, **{**unused, **facts})  # type: ignore[arg-type]


def letter(letter_id: str) -> DeadLetter:
    """Return a dead letter of one alert."""
    alert = Alert((("alertname", "Down"),), (), 1_000)
    group = AlertGroup("team", (alert,), (("alertname", "Down"),))
    return DeadLetter(
        letter_id, "team", "webhook", 0, group, "clientError", "it said 400", 2, 1_000, 2_000
    )

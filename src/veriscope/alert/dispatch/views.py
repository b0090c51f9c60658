"""What alerting shows of itself: frozen answers for those who ask."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.group import AlertGroup
from veriscope.signals import Labels


class Address(NamedTuple):
    """An integration of a receiver; *place* is its number among those of its kind there."""

    receiver: str
    integration: str
    place: int

    def __str__(self) -> str:
        """Spell it as Alertmanager does in its notification log."""
        return f"{self.receiver}/{self.integration}/{self.place}"


class AlertState(StrEnum):
    """Alertmanager's words for what becomes of an alert."""

    UNPROCESSED = "unprocessed"
    ACTIVE = "active"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """Whether an alert is told about, and what holds it back where it is not."""

    state: AlertState
    silenced_by: tuple[str, ...] = ()
    """Ids of silences."""
    inhibited_by: tuple[str, ...] = ()
    """Fingerprints of alerts."""
    muted_by: tuple[str, ...] = ()
    """Names of time intervals; known for the alerts of a group only."""


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert that has not ended."""

    alert: StoredAlert
    status: AlertStatus
    receivers: tuple[str, ...]
    """Names, in the order of the routes that it matches."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """The alerts that are told about together; there is at least one."""

    key: str
    labels: Labels
    receiver: str
    alerts: tuple[AlertView, ...]


@dataclass(frozen=True, slots=True)
class IntegrationView:
    """One way in which a receiver is told, and how that goes; times are Unix milliseconds."""

    integration: str
    """`webhook`, `email`, …"""
    index: int
    """Its place among those of its kind in the receiver."""
    send_resolved: bool
    sent: int
    """Notifications that were delivered."""
    failed: int
    """Notifications that were refused, or given up."""
    waiting: int
    """Groups whose notification waits, for its turn, the rate limit or the next try."""
    consecutive_failures: int
    """Tries that failed since the last that did not."""
    last_try_ms: int | None
    last_try_s: float
    """Seconds that the last try took."""
    last_success_ms: int | None
    last_error: str
    """Of the last try that failed; empty where none did."""
    last_error_ms: int | None


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """One receiver and its integrations, in the order of the file."""

    name: str
    integrations: tuple[IntegrationView, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A notification that was refused for good or could not be delivered in time."""

    id: str
    receiver: str
    integration: str
    index: int
    group: AlertGroup
    """What was to be sent, at most its first hundred alerts."""
    reason: str
    """One of Alertmanager's words: `clientError`, `serverError`, `contextDeadlineExceeded`, …"""
    detail: str
    """What the other side answered, or why it was given up."""
    count: int
    """How often."""
    first_ms: int
    last_ms: int

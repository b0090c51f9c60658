"""What became of one try to send, and the seam that every kind of receiver fills."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable

from veriscope.alert.group import AlertGroup


class Verdict(StrEnum):
    """How a try to send ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a notification was lost; the first four are Alertmanager's words."""

    CLIENT_ERROR = "clientError"
    SERVER_ERROR = "serverError"
    DEADLINE_EXCEEDED = "contextDeadlineExceeded"
    OTHER = "other"
    QUEUE_FULL = "queueFull"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One try: its verdict and, where it did not succeed, why; no secret is in it."""

    verdict: Verdict
    reason: Reason = Reason.OTHER
    detail: str = ""
    retry_after_s: float = 0.0

    @classmethod
    def delivered(cls) -> Self:
        """Say that it was taken."""
        return cls(Verdict.DELIVERED)

    @classmethod
    def retry(cls, reason: Reason, detail: str, retry_after_s: float = 0.0) -> Self:
        """Say that it was not taken, but that a later try could succeed."""
        return cls(Verdict.RETRY, reason, detail, retry_after_s)

    @classmethod
    def failed(cls, reason: Reason, detail: str) -> Self:
        """Say that it was not taken and never will be."""
        return cls(Verdict.FAILED, reason, detail)


class Notifier(Protocol):
    """Delivers one group of alerts to one receiver."""

    integration: str
    """The kind, in Alertmanager's words: `webhook`, `email`, `slack`, …"""
    send_resolved: bool
    """Whether it is told about the end of alerts."""

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once; answer `retry` only if a later try could succeed."""


@runtime_checkable
class Acknowledger(Protocol):
    """A notifier whose service can be told that somebody is looking after a group."""

    def acknowledge(self, group: AlertGroup) -> Outcome:
        """Say once that the incident of *group* is acknowledged."""

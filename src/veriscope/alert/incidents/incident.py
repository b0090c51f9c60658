"""One incident as it is kept: its alerts, what was done, and what that says about it."""

from enum import StrEnum
from typing import Final

import msgspec

from veriscope.alert.alerts import StoredAlert
from veriscope.signals import Labels

MOST_MEMBERS: Final = 1_000
"""Alerts of an incident that are kept; the others are counted."""
_MOST_ENTRIES: Final = 1_000
_MOST_GROUPS: Final = 1_000
_GRAVITY: Final = ("critical", "page", "error", "major", "high", "warning", "minor", "low", "info")
_UNKNOWN_GRAVITY: Final = _GRAVITY.index("warning") + 0.5
_NO_GRAVITY: Final = float(len(_GRAVITY))


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class TimelineEntry(msgspec.Struct, frozen=True):
    """Something that happened to an incident."""

    at_ms: int
    kind: str
    """`opened`, `joined`, `ended`, `again`, `flapping`, …, or what somebody did."""
    by: str
    """Who did it; empty for what happened by itself."""
    text: str


class Member(msgspec.Struct):
    """An alert of an incident; times are Unix milliseconds."""

    labels: Labels
    annotations: Labels
    starts_at_ms: int
    ends_at_ms: int | None
    generator_url: str


class Incident(msgspec.Struct, kw_only=True):
    """What is known of an incident; times are Unix milliseconds."""

    number: int
    title: str
    severity: str
    opened_ms: int
    joined_ms: int
    """When its latest alert began."""
    state: IncidentState = IncidentState.OPEN
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    resolved_ms: int | None = None
    resolved_by: str = ""
    assignee: str = ""
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    """By fingerprint, the first 1,000."""
    firing: set[str] = msgspec.field(default_factory=set)
    """Fingerprints of all that have not ended."""
    alert_count: int = 0
    groups: list[tuple[str, str]] = msgspec.field(default_factory=list)
    """Receiver and key of the groups by which people are told of it."""
    timeline: list[TimelineEntry] = msgspec.field(default_factory=list)
    left_out: int = 0
    """Entries of the timeline that there was no room for."""

    @property
    def id(self) -> str:
        """What people call it."""
        return f"INC-{self.number}"

    @property
    def is_live(self) -> bool:
        """Whether alerts may still join: until it is resolved and nothing of it fires."""
        return self.state is not IncidentState.RESOLVED or bool(self.firing)

    @property
    def labels(self) -> Labels:
        """What all of its alerts share."""
        members = iter(self.members.values())
        first = next(members, None)
        if first is None:
            return ()
        shared = set(first.labels)
        for member in members:
            shared.intersection_update(member.labels)
        return tuple(sorted(shared))

    @property
    def receivers(self) -> tuple[str, ...]:
        """Who is told of it."""
        return tuple(dict.fromkeys(receiver for receiver, _ in self.groups))

    @property
    def acknowledge_s(self) -> float | None:
        """Seconds until somebody took it."""
        return _seconds(self.opened_ms, self.acknowledged_ms)

    @property
    def resolve_s(self) -> float | None:
        """Seconds until it was resolved."""
        return _seconds(self.opened_ms, self.resolved_ms)

    def note(self, at_ms: int, kind: str, text: str, by: str = "") -> None:
        """
        Add to the timeline.

        Where it is full the oldest thing that happened by itself makes room for what people do;
        what happens by itself is counted only.
        """
        if len(self.timeline) >= _MOST_ENTRIES:
            self.left_out += 1
            place = next((n for n, each in enumerate(self.timeline) if not each.by), None)
            if not by or place is None:
                return
            del self.timeline[place]
        self.timeline.append(TimelineEntry(at_ms, kind, by, text))

    def add(self, alert: StoredAlert, groups: list[tuple[str, str]], now_ms: int) -> bool:
        """Take *alert* in, or as firing again; tell whether it is new here."""
        fingerprint = alert.fingerprint
        known = self.members.get(fingerprint)
        is_new = known is None and fingerprint not in self.firing
        self.alert_count += is_new
        self.firing.add(fingerprint)
        self.joined_ms = now_ms
        if known is not None or len(self.members) < MOST_MEMBERS:
            self.members[fingerprint] = Member(
                alert.labels, alert.annotations, alert.starts_at_ms, None, alert.generator_url
            )
        if len(self.groups) < _MOST_GROUPS:
            self.groups += [group for group in groups if group not in self.groups]
        severity = dict(alert.labels).get("severity", "")
        if self.alert_count == 1 or gravity(severity) < gravity(self.severity):
            self.title, self.severity = title_of(alert), severity
        return is_new


def gravity(severity: str) -> float:
    """Return the rank of a severity, the gravest first; one that is not known is near `warning`."""
    if not severity:
        return _NO_GRAVITY
    name = severity.lower()
    return float(_GRAVITY.index(name)) if name in _GRAVITY else _UNKNOWN_GRAVITY


def title_of(alert: StoredAlert) -> str:
    """Return what an incident that *alert* stands for is called."""
    annotations = dict(alert.annotations)
    name = dict(alert.labels).get("alertname", "alert without a name")
    said = annotations.get("summary") or annotations.get("title") or ""
    return f"{name}: {said}"[:300] if said else name


def _seconds(from_ms: int, to_ms: int | None) -> float | None:
    return None if to_ms is None else max(0, to_ms - from_ms) / 1000

"""Alerts and the groups in which they are sent, in Alertmanager's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from veriscope.signals import Labels, label_value, to_labels
from veriscope.templates.constants import quote

if TYPE_CHECKING:
    from veriscope.signals.evidence import Evidence

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_SEPARATOR: Final = 255
_ZERO_TIME: Final = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Alert:
    """
    Something that is, or was, wrong.

    Times are Unix milliseconds; `ends_at_ms` is None while it fires. The label `alertname`
    names it.
    """

    labels: Labels
    annotations: Labels
    starts_at_ms: int
    ends_at_ms: int | None = None
    generator_url: str = ""

    @property
    def status(self) -> str:
        """`firing` or `resolved`."""
        return "firing" if self.ends_at_ms is None else "resolved"

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stand for the labels."""
        return fingerprint_of(self.labels)

    def payload(self) -> dict[str, Any]:
        """Return the alert as it stands in Alertmanager's webhook, version 4."""
        return {
            "status": self.status,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": rfc3339(self.starts_at_ms),
            "endsAt": _ZERO_TIME if self.ends_at_ms is None else rfc3339(self.ends_at_ms),
            "generatorURL": self.generator_url,
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts that are sent together to `receiver`; there is at least one."""

    receiver: str
    alerts: tuple[Alert, ...]
    group_labels: Labels = ()
    external_url: str = ""
    truncated_alerts: int = 0
    route_key: str = "{}"
    """Alertmanager's name for the route that made the group."""
    evidence: "Evidence | None" = None
    """What was seen around the moment at which the alerts began to fire."""

    @property
    def status(self) -> str:
        """`firing` while any of the alerts fires, else `resolved`."""
        return "firing" if self.firing else "resolved"

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that fire."""
        return tuple(alert for alert in self.alerts if alert.ends_at_ms is None)

    @property
    def common_labels(self) -> Labels:
        """The labels that every alert has, with the same value."""
        return _common([alert.labels for alert in self.alerts])

    @property
    def common_annotations(self) -> Labels:
        """The annotations that every alert has, with the same text."""
        return _common([alert.annotations for alert in self.alerts])

    @property
    def key(self) -> str:
        """The identity of the group between notifications, which deduplication goes by."""
        return group_key(self.route_key, self.group_labels)

    @property
    def name(self) -> str:
        """The alert's name, or that of the first alert where they differ."""
        found = label_value(self.common_labels, "alertname")
        return found or label_value(self.alerts[0].labels, "alertname")

    def payload(self) -> dict[str, Any]:
        """Return the group as Alertmanager's webhook receivers get it, version 4."""
        return {
            "version": "4",
            "groupKey": self.key,
            "truncatedAlerts": self.truncated_alerts,
            "status": self.status,
            "receiver": self.receiver,
            "groupLabels": dict(self.group_labels),
            "commonLabels": dict(self.common_labels),
            "commonAnnotations": dict(self.common_annotations),
            "externalURL": self.external_url,
            "alerts": [alert.payload() for alert in self.alerts],
        }


def alert_labels(name: str, extra: Mapping[str, str]) -> Labels:
    """Return the labels of an alert called *name*."""
    return to_labels({**extra, "alertname": name})


@lru_cache(32_768)  # alerts are heard of again and again
def fingerprint_of(labels: Labels) -> str:
    """
    Return sixteen hexadecimal digits that stand for *labels*.

    FNV-1a over names and values, each followed by the byte 255: Prometheus' `LabelSet.
    Fingerprint` (`common/model/signature.go`).
    """
    number = _FNV_OFFSET
    for pair in labels:
        for text in pair:
            for byte in (*text.encode(), _SEPARATOR):
                number = (number ^ byte) * _FNV_PRIME & 0xFFFF_FFFF_FFFF_FFFF
    return f"{number:016x}"


@lru_cache(32_768)  # a group is told of again and again
def group_key(route_key: str, group_labels: Labels) -> str:
    """Return the identity of a group, as Alertmanager spells it."""
    labels = ", ".join(f"{name}={quote(value)}" for name, value in group_labels)
    return f"{route_key}:{{{labels}}}"


def rfc3339(time_ms: int) -> str:
    """Spell Unix milliseconds as RFC 3339 in UTC, as Go does: no zeros at the end."""
    seconds, ms = divmod(time_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    return f"{moment}.{ms:03d}".rstrip("0") + "Z" if ms else f"{moment}Z"


def _common(sets: Sequence[Labels]) -> Labels:
    shared = set(sets[0]).intersection(*map(set, sets[1:]))
    return tuple(pair for pair in sets[0] if pair in shared)

"""Inhibition: no word of alerts that a greater one explains."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from veriscope.alert.config.inhibit_rules import InhibitRule
from veriscope.alert.matchers import Matching
from veriscope.signals import Labels


class SourceAlert(Protocol):
    """What inhibition needs to know of an alert; `StoredAlert` has it."""

    @property
    def labels(self) -> Labels:
        """Its labels."""

    @property
    def fingerprint(self) -> str:
        """What stands for the labels."""

    def resolved_at(self, now_ms: int) -> bool:
        """Tell whether it has ended by *now_ms*."""


class Inhibitor:
    """
    Inhibition by *rules*, told of every alert as it changes.

    An alert that fulfils both sides of a rule is not inhibited by others that do, and so never by
    itself. Alerts are found by the values of the rule's `equal` labels, whatever their number.
    """

    def __init__(self, rules: Iterable[InhibitRule]) -> None:
        self._rules = tuple(_Rule(rule) for rule in rules)

    def update(self, alerts: Iterable[SourceAlert]) -> None:
        """Keep *alerts* in mind, each in place of the former one with its labels."""
        for alert in alerts:
            labels = dict(alert.labels)
            for rule in self._rules:
                rule.update(alert, labels)

    def forget(self, alerts: Iterable[SourceAlert]) -> None:
        """Drop *alerts*, which are kept no more."""
        for alert in alerts:
            labels = dict(alert.labels)
            for rule in self._rules:
                rule.forget(alert, labels)

    def inhibited_by(self, labels: Labels, now_ms: int) -> tuple[str, ...]:
        """
        Return the fingerprint of the alert that inhibits one with *labels*; none if none does.

        One is enough, the first by the order of the rules, as in Alertmanager.
        """
        pairs = dict(labels)
        for rule in self._rules:
            if (found := rule.inhibited_by(pairs, now_ms)) is not None:
                return (found,)
        return ()


class _Rule:
    """One rule, and the alerts that are its sources by the values of the equal labels."""

    def __init__(self, rule: InhibitRule) -> None:
        self._source = Matching(rule.sources())
        self._target = Matching(rule.targets())
        self._equal = tuple(dict.fromkeys(rule.equal))
        # Those that match the target side too, and those that do not.
        self._sources: dict[tuple[str, ...], tuple[_Sources, ...]] = {}

    def update(self, alert: SourceAlert, labels: Mapping[str, str]) -> None:
        if not self._source.matches(labels):
            return
        values = self._values(labels)
        sides = self._sources.get(values)
        if sides is None:
            sides = self._sources[values] = (_Sources(), _Sources())
        sides[self._target.matches(labels)].put(alert)

    def forget(self, alert: SourceAlert, labels: Mapping[str, str]) -> None:
        if not self._source.matches(labels):
            return
        values = self._values(labels)
        sides = self._sources.get(values, ())
        for side in sides:
            side.drop(alert.fingerprint)
        if not any(map(len, sides)):
            self._sources.pop(values, None)

    def inhibited_by(self, labels: Mapping[str, str], now_ms: int) -> str | None:
        sides = self._sources.get(self._values(labels))
        if sides is None or not self._target.matches(labels):
            return None
        if self._source.matches(labels):
            sides = sides[:1]
        found = (side.firing(now_ms) for side in sides)
        return next((each for each in found if each is not None), None)

    def _values(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(labels.get(name, "") for name in self._equal)


class _Sources:
    """Alerts that are sources alike; one that fires is found without looking at all each time."""

    def __init__(self) -> None:
        self._alerts: dict[str, SourceAlert] = {}
        self._last = ""
        self._none_from_ms: int | None = None

    def __len__(self) -> int:
        return len(self._alerts)

    def put(self, alert: SourceAlert) -> None:
        self._alerts[alert.fingerprint] = alert
        self._none_from_ms = None

    def drop(self, fingerprint: str) -> None:
        self._alerts.pop(fingerprint, None)

    def firing(self, now_ms: int) -> str | None:
        """Return the fingerprint of one that fires, the last that was found while it does."""
        last = self._alerts.get(self._last)
        if last is not None and not last.resolved_at(now_ms):
            return self._last
        # What has ended stays so as time goes on, until there is a new alert.
        if self._none_from_ms is not None and now_ms >= self._none_from_ms:
            return None
        for fingerprint, alert in self._alerts.items():
            if not alert.resolved_at(now_ms):
                self._last = fingerprint
                return fingerprint
        self._none_from_ms = now_ms
        return None

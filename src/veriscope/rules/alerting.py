"""
Alerts of one rule: inactive, pending, firing, and inactive again.

Source of every transition: Prometheus, rules/alerting.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from veriscope.rules.errors import RuleError
from veriscope.signals import METRIC_NAME, Labels, to_labels

ALERT_NAME: Final = "alertname"
"""The label that holds an alert's name."""
ALERT_STATE: Final = "alertstate"
"""The label of `ALERTS` that holds an alert's state."""
ALERTS: Final = "ALERTS"
"""The metric that is 1 for each alert that is pending or firing."""
ALERTS_FOR_STATE: Final = "ALERTS_FOR_STATE"
"""The metric whose value is the time since when an alert is active, in Unix seconds."""

RESOLVED_RETENTION_MS: Final = 15 * 60_000
"""How long an alert that has ended is kept, so that its end is told again and again."""


class AlertState(StrEnum):
    """What an alert is, in Prometheus' words."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


class Found(NamedTuple):
    """An element of what a rule's expression gives, as an alert."""

    labels: Labels
    annotations: Labels
    value: float


@dataclass(slots=True, eq=False)
class Alert:
    """
    One alert of a rule; times are Unix milliseconds on the clock of the evaluations.

    An inactive one has fired and ended at `resolved_at_ms`.
    """

    labels: Labels
    annotations: Labels
    value: float
    active_at_ms: int
    state: AlertState = AlertState.PENDING
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None
    keep_firing_since_ms: int | None = None
    sent_at_ms: int | None = None
    """The evaluation whose state was told last."""
    _series: dict[AlertState, tuple[Labels, Labels]] = field(default_factory=dict)

    @property
    def series(self) -> tuple[Labels, Labels]:
        """The labels of its `ALERTS` and `ALERTS_FOR_STATE`; the same objects each time."""
        if (found := self._series.get(self.state)) is None:
            state, since = dict(self.labels), dict(self.labels)
            state |= {METRIC_NAME: ALERTS, ALERT_STATE: str(self.state)}
            since[METRIC_NAME] = ALERTS_FOR_STATE
            found = self._series[self.state] = (to_labels(state), to_labels(since))
        return found

    @property
    def is_untold(self) -> bool:
        """Whether its end was not told yet."""
        ended, told = self.resolved_at_ms, self.sent_at_ms
        return ended is not None and (told is None or ended > told)


class AlertingRule:
    """
    The alerts of one rule, carried on by each of its evaluations.

    An alert fires once it has been active for *hold_ms*, and goes on for *keep_firing_ms* when
    its condition has ended. More than *limit* alerts are an error; zero is no limit. Series are
    written once the rule is `restored`, which one without *hold_ms* always is.
    """

    def __init__(
        self, *, hold_ms: int, keep_firing_ms: int = 0, limit: int = 0, restored: bool = True
    ) -> None:
        self.hold_ms = hold_ms
        self.restored = restored or not hold_ms
        self.evaluations = 0
        """Those that gave an answer."""
        self.leaving: list[Alert] = []
        """Ended alerts whose place another one has taken before their end was told."""
        self.taken_over = False
        """Whether another rule has gone on with these alerts."""
        self._keep_firing_ms = keep_firing_ms
        self._limit = limit
        self._alerts: dict[Labels, Alert] = {}

    @property
    def alerts(self) -> Sequence[Alert]:
        """Every alert, also those that have ended a while ago."""
        return tuple(self._alerts.values())

    @property
    def active(self) -> Sequence[Alert]:
        """Those that are pending or firing."""
        return tuple(a for a in self.alerts if a.state is not AlertState.INACTIVE)

    @property
    def state(self) -> AlertState:
        """The most serious state of its alerts."""
        states = {alert.state for alert in self.active}
        if AlertState.FIRING in states:
            return AlertState.FIRING
        return AlertState.PENDING if states else AlertState.INACTIVE

    def advance(self, found: Sequence[Found], time_ms: int) -> None:
        """
        Carry the alerts on to *time_ms*, when the expression gave *found*.

        Raises `RuleError`: for two of the same labels nothing is changed, past the limit every
        alert is forgotten, as Prometheus does.
        """
        fresh = {each.labels: each for each in found}
        if len(fresh) != len(found):
            raise RuleError(
                "vector contains metrics with the same labelset after applying alert labels;"
                " the rule needs a label that tells them apart"
            )
        for each in found:
            self._see(each, time_ms)
        active = 0
        for labels, alert in list(self._alerts.items()):
            if labels in fresh:
                alert.keep_firing_since_ms = None
            elif not self._outlives(alert, time_ms):
                self._miss(alert, time_ms)
                continue
            active += 1
            if alert.state is AlertState.PENDING and time_ms - alert.active_at_ms >= self.hold_ms:
                alert.state, alert.fired_at_ms = AlertState.FIRING, time_ms
        self.evaluations += 1
        if self._limit and active > self._limit:
            self._alerts = {}
            raise RuleError(f"exceeded limit of {self._limit} with {active} alerts")

    def take_over(self, old: "AlertingRule") -> None:
        """Go on with the alerts of *old*, which is given up."""
        old.taken_over = True
        self.restored = self.restored or old.restored
        self.evaluations, self.leaving = old.evaluations, old.leaving
        self._alerts = {alert.labels: alert for alert in old.alerts}

    def end(self, time_ms: int) -> None:
        """Resolve what fires and forget what is pending, since the rule is no more."""
        for alert in list(self._alerts.values()):
            if alert.state is not AlertState.INACTIVE:
                self._miss(alert, time_ms)

    def shift(self, by_ms: int) -> None:
        """Move every time by *by_ms*, since the wall clock has jumped by that."""
        for alert in (*self._alerts.values(), *self.leaving):
            alert.active_at_ms += by_ms
            alert.fired_at_ms = _moved(alert.fired_at_ms, by_ms)
            alert.resolved_at_ms = _moved(alert.resolved_at_ms, by_ms)
            alert.keep_firing_since_ms = _moved(alert.keep_firing_since_ms, by_ms)
            alert.sent_at_ms = _moved(alert.sent_at_ms, by_ms)

    def _see(self, found: Found, time_ms: int) -> None:
        alert = self._alerts.get(found.labels)
        if alert is not None and alert.state is not AlertState.INACTIVE:
            alert.value, alert.annotations = found.value, found.annotations
            return
        if alert is not None and alert.is_untold:
            self.leaving.append(alert)
        self._alerts[found.labels] = Alert(*found, active_at_ms=time_ms)

    def _outlives(self, alert: Alert, time_ms: int) -> bool:
        """Return whether *alert*, whose condition is not met, goes on firing all the same."""
        if alert.state is not AlertState.FIRING or not self._keep_firing_ms:
            return False
        if alert.keep_firing_since_ms is None:
            alert.keep_firing_since_ms = time_ms
        return time_ms - alert.keep_firing_since_ms < self._keep_firing_ms

    def _miss(self, alert: Alert, time_ms: int) -> None:
        ended = alert.resolved_at_ms
        old = ended is not None and time_ms - ended > RESOLVED_RETENTION_MS
        if alert.state is AlertState.PENDING or old:
            del self._alerts[alert.labels]
        elif alert.state is AlertState.FIRING:
            alert.state, alert.resolved_at_ms = AlertState.INACTIVE, time_ms


def _moved(time_ms: int | None, by_ms: int) -> int | None:
    return None if time_ms is None else time_ms + by_ms

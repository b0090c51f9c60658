"""One flush of a group: who of its receiver is to be told what, and with which evidence."""

import dataclasses
from collections.abc import Container, Sequence
from typing import Final

from veriscope.alert.alerts import Alerts, StoredAlert
from veriscope.alert.dispatch.evidence import LIMIT_S, EvidenceDesk
from veriscope.alert.dispatch.groups import Done, Group
from veriscope.alert.dispatch.lanes.lane import Job, Lane
from veriscope.alert.dispatch.lanes.receivers import Receivers
from veriscope.alert.dispatch.pipeline import Suppression
from veriscope.alert.group import AlertGroup
from veriscope.signals import Clock
from veriscope.signals.evidence import Evidence

_SHORTEST_S: Final = 10.0


class Flushes:
    """Leads the alerts of groups past what may hold them back to the lanes of the receiver."""

    def __init__(
        self,
        suppression: Suppression,
        receivers: Receivers,
        evidence: EvidenceDesk,
        *,
        alerts: Alerts,
        flapping: Container[str],
        clock: Clock,
        external_url: str,
    ) -> None:
        """*flapping* holds the fingerprints of alerts that begin and end again and again."""
        self._suppression = suppression
        self._receivers = receivers
        self._evidence = evidence
        self._alerts = alerts
        self._flapping = flapping
        self._clock = clock
        self._external_url = external_url
        self._is_closed = False

    @property
    def lead_s(self) -> float:
        """How long before a flush `prepare` is to be called; 0 where it need not be."""
        return LIMIT_S if self._evidence.is_wanted else 0.0

    def close(self) -> None:
        """Tell nobody any more."""
        self._is_closed = True

    def prepare(self, group: Group, wait_s: float) -> None:
        """Begin to gather evidence for a flush in *wait_s* seconds, if it has news."""
        if self._evidence.is_full:
            return
        present = self.present(group)
        if present is not None and self._wanting(group, present):
            self._evidence.prepare(present, wait_s)

    def flush(self, group: Group, alerts: Sequence[StoredAlert], done: Done) -> None:
        """Have everybody told who needs to be; call *done* when that is over."""
        now_ms = self._clock.now_ms()
        # Stored before it is told: a restart must not take for firing what was said to have ended.
        for alert in alerts:
            if alert.resolved_at(now_ms):
                self._alerts.settle(alert, now_ms)
        heard = self._suppression.sift(group.route, alerts, now_ms)
        told = self._told(group, heard, now_ms)
        lanes = self._receivers.lanes(group.route.receiver)
        wanting = [] if told is None else self._wanting(group, told)
        for lane in lanes:
            if lane not in wanting:
                lane.withdraw(group.key)
        if told is None or not wanting:
            done(True)
            return
        deadline_s = self._clock.monotonic_s() + max(group.route.group_interval_s, _SHORTEST_S)
        self._evidence.ask(
            told, lambda found: self._submit(group, told, found, wanting, deadline_s, done)
        )

    def dropped(self, group: Group) -> None:
        """Say that *group* is no more."""
        self._receivers.forget(group.route.receiver, group.key)

    def present(self, group: Group) -> AlertGroup | None:
        """Return *group* as it would be told of now; None where there is nothing to tell."""
        now_ms = self._clock.now_ms()
        heard = self._suppression.passed(group.route, group.in_order(), now_ms)
        return self._told(group, heard, now_ms)

    def _wanting(self, group: Group, told: AlertGroup) -> list[Lane]:
        lanes = self._receivers.lanes(group.route.receiver)
        return [lane for lane in lanes if lane.needs(told, group.route.repeat_interval_s)]

    def _told(self, group: Group, heard: Sequence[StoredAlert], now_ms: int) -> AlertGroup | None:
        if not heard:
            return None
        return AlertGroup(
            group.route.receiver,
            tuple(alert.notified(now_ms) for alert in heard),
            group.labels,
            self._external_url,
            route_key=group.route.key,
        )

    def _with_hints(self, evidence: Evidence, told: AlertGroup) -> Evidence:
        """Add to what was seen at the onset what has become of the alerts since."""
        names = {
            dict(alert.labels).get("alertname", "an alert")
            for alert in told.firing
            if alert.fingerprint in self._flapping
        }
        hints = tuple(f"{name} flaps: it begins and ends again and again" for name in sorted(names))
        return dataclasses.replace(evidence, hints=hints + evidence.hints) if hints else evidence

    def _submit(  # noqa: PLR0917 - what one flush is made of
        self,
        group: Group,
        told: AlertGroup,
        evidence: Evidence | None,
        lanes: Sequence[Lane],
        deadline_s: float,
        done: Done,
    ) -> None:
        if self._is_closed:
            return
        if evidence is not None:
            told = dataclasses.replace(told, evidence=self._with_hints(evidence, told))
        tally = _Tally(len(lanes), done)
        for lane in lanes:
            lane.submit(
                Job(
                    told,
                    deadline_s,
                    group.route.repeat_interval_s,
                    group.route.group_interval_s,
                    tally.add,
                )
            )


class _Tally:
    """Waits for all lanes of a flush."""

    def __init__(self, count: int, done: Done) -> None:
        self._left = count
        self._done = done
        self._succeeded = True

    def add(self, succeeded: bool) -> None:  # noqa: FBT001 - of the type `Done`
        self._left -= 1
        self._succeeded = self._succeeded and succeeded
        if self._left == 0:
            self._done(self._succeeded)

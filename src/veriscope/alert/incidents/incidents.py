"""Every incident: which alerts join which, when one ends, and what people do."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Gauge

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.incidents.flapping import Flapping
from veriscope.alert.incidents.incident import Incident, IncidentState, title_of
from veriscope.alert.incidents.joining import Group, Joining
from veriscope.alert.incidents.options import IncidentOptions
from veriscope.alert.state import Journal
from veriscope.instrument.per_registry import PerRegistry
from veriscope.signals import Clock, InvalidInputError
from veriscope.signals.log import get_log

_log = get_log(__name__)
_KIND: Final = "incident"
_MOST: Final = 10_000
_RETENTION_MS: Final = 90 * 24 * 3600 * 1000
_MOST_NAME: Final = 200
_MOST_TEXT: Final = 10_000
_ID: Final = "INC-"


class UnknownIncidentError(InvalidInputError):
    """There is no incident with this id."""


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.incidents = Gauge(
            "veriscope_incidents", "Incidents that are kept.", ["state"], registry=registry
        )


_metrics_of: Final = PerRegistry(_Metrics)


class Incidents:
    """
    Puts alerts that begin into incidents. Used from one event loop.

    An alert belongs to the incident that it was in, as long as that is not over. Else it joins
    one with an alert of its group, or one with an alert of its place that began a moment ago; of
    several the one that opened first. Else it opens one. See `Joining`.
    """

    def __init__(
        self, journal: Journal, clock: Clock, registry: CollectorRegistry, options: IncidentOptions
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._kept: dict[int, Incident] = {}
        self._last = 0
        self._changed: set[int] = set()
        self._joining = Joining(clock)
        self._quiet_since_s: dict[int, float] = {}
        self.flapping: Final = Flapping(clock)
        self.use(options)
        metrics = _metrics_of(registry).incidents
        for state in IncidentState:
            metrics.labels(state).set_function(partial(self._count, state))

    def use(self, options: IncidentOptions) -> None:
        """Go on with other *options*; what is in an incident stays there."""
        self._options = options
        self._joining.use(options.labels, options.window.seconds)

    async def load(self) -> None:
        """Read what was stored; raises what the store raises."""
        for key, document in (await self._journal.all(_KIND)).items():
            try:
                incident = msgspec.json.decode(document, type=Incident)
            except msgspec.DecodeError as error:
                _log.error("incident_not_readable", id=f"{_ID}{key}", error=str(error))
                continue
            self._kept[incident.number] = incident
            if incident.is_live:
                self._joining.take_up(incident)
        self._kept = dict(sorted(self._kept.items()))
        self._last = max(self._kept, default=0)

    def began(self, alert: StoredAlert, groups: Sequence[Group]) -> None:
        """Take in an alert that begins to fire; *groups* are receivers and keys of its groups."""
        fingerprint, now_ms = alert.fingerprint, self._clock.now_ms()
        name = dict(alert.labels).get("alertname", "")
        number = self._joining.find(fingerprint, alert.labels, groups)
        incident = self._open(alert, now_ms) if number is None else self._kept[number]
        if fingerprint in incident.firing:
            return
        is_new = incident.add(alert, self._joining.unknown(incident.number, groups), now_ms)
        if incident.alert_count > 1 or not is_new:
            incident.note(now_ms, "joined" if is_new else "again", title_of(alert))
        if incident.state is IncidentState.RESOLVED:
            self._set_open(incident, now_ms, "", f"{name} began")
        self._quiet_since_s.pop(incident.number, None)
        self._joining.join(incident.number, fingerprint, alert.labels, groups)
        self._note_flapping(incident, fingerprint, name, now_ms)
        self._changed.add(incident.number)

    def is_firing(self, fingerprint: str) -> bool:
        """Tell whether an alert is in an incident, and fires there."""
        incident = self._of_alert(fingerprint)
        return incident is not None and fingerprint in incident.firing

    def ended(self, fingerprint: str, now_ms: int) -> None:
        """Note that an alert has ended."""
        incident = self._of_alert(fingerprint)
        if incident is None or fingerprint not in incident.firing:
            return
        incident.firing.discard(fingerprint)
        name = ""
        if member := incident.members.get(fingerprint):
            member.ends_at_ms = now_ms
            name = dict(member.labels).get("alertname", "")
        incident.note(now_ms, "ended", name)
        self._note_flapping(incident, fingerprint, name, now_ms)
        if not incident.firing:
            self._quiet_since_s[incident.number] = self._clock.monotonic_s()
            if not incident.is_live:
                self._leave(incident)
        self._changed.add(incident.number)

    def mind(self, ended: Callable[[str], bool]) -> None:
        """Look which alerts have *ended*, by fingerprint, and which incidents have with them."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        for fingerprint in [each for each in self._joining.alerts() if ended(each)]:
            self.ended(fingerprint, now_ms)
        for number, incident in list(self._kept.items()):
            if incident.state is IncidentState.RESOLVED or incident.firing:
                continue
            quiet_since_s = self._quiet_since_s.setdefault(number, now_s)
            if now_s - quiet_since_s >= self._options.settle.seconds:
                self._resolve(incident, now_ms, "", "All alerts have ended.")
        for fingerprint in self.flapping.rest():
            if of_alert := self._of_alert(fingerprint):
                of_alert.note(now_ms, "calm", "an alert no longer flaps")
                self._changed.add(of_alert.number)
        self._collect(now_ms)

    def store(self) -> None:
        """Have what has changed written."""
        for number in sorted(self._changed):
            if incident := self._kept.get(number):
                self._journal.put(_KIND, str(number), msgspec.json.encode(incident))
        self._changed.clear()

    def all(
        self,
        *,
        states: Sequence[IncidentState] = (),
        fingerprint: str = "",
        start_ms: int = 0,
        end_ms: int | None = None,
    ) -> list[Incident]:
        """Return the incidents of *states*, an alert and a time, the newest first."""
        return [
            each
            for each in reversed(self._kept.values())
            if (not states or each.state in states)
            and (not fingerprint or fingerprint in each.members or fingerprint in each.firing)
            and each.opened_ms >= start_ms
            and (end_ms is None or each.opened_ms <= end_ms)
        ]

    def get(self, incident_id: str) -> Incident:
        """Return an incident; raises `UnknownIncidentError`."""
        number = incident_id.removeprefix(_ID)
        found = self._kept.get(int(number)) if number.isascii() and number.isdigit() else None
        if found is None:
            raise UnknownIncidentError(f"there is no incident {incident_id!r}")
        return found

    def is_flapping(self, incident: Incident) -> bool:
        """Tell whether an alert of *incident* flaps."""
        return any(fingerprint in self.flapping for fingerprint in incident.members)

    # --- what people do: each raises `InvalidInputError`, and changes nothing, for a bad request

    def acknowledge(self, incident_id: str, by: str, text: str = "") -> Incident:
        """Say that somebody has taken it."""
        incident = self._acting(incident_id, by, text)
        if incident.state is IncidentState.RESOLVED:
            raise InvalidInputError(f"{incident.id} is resolved; reopen it first")
        if incident.state is IncidentState.OPEN:
            incident.state = IncidentState.ACKNOWLEDGED
            incident.acknowledged_by = by
            if incident.acknowledged_ms is None:
                incident.acknowledged_ms = self._clock.now_ms()
        return self._noted(incident, "acknowledged", by, text)

    def assign(self, incident_id: str, by: str, to: str, text: str = "") -> Incident:
        """Give it to somebody."""
        incident = self._acting(incident_id, by, text)
        incident.assignee = _named("to", to)
        return self._noted(incident, "assigned", by, f"to {to}. {text}" if text else f"to {to}")

    def comment(self, incident_id: str, by: str, text: str) -> Incident:
        """Say something about it."""
        incident = self._acting(incident_id, by, text)
        if not text.strip():
            raise InvalidInputError("`text` is empty; write what is to be said")
        return self._noted(incident, "comment", by, text)

    def resolve(self, incident_id: str, by: str, text: str = "") -> Incident:
        """End it; where alerts still fire the next new one opens it again."""
        incident = self._acting(incident_id, by, text)
        if incident.state is IncidentState.RESOLVED:
            raise InvalidInputError(f"{incident.id} is resolved already")
        if firing := len(incident.firing):
            text = f"{text} ({firing:,} still firing)".strip()
        self._resolve(incident, self._clock.now_ms(), by, text)
        return incident

    def reopen(self, incident_id: str, by: str, text: str = "") -> Incident:
        """Go on with what was resolved."""
        incident = self._acting(incident_id, by, text)
        if incident.state is not IncidentState.RESOLVED:
            raise InvalidInputError(f"{incident.id} is not resolved")
        self._set_open(incident, self._clock.now_ms(), by, text)
        self._quiet_since_s.pop(incident.number, None)
        self._joining.take_up(incident)
        return incident

    def add_note(self, incident: Incident, kind: str, text: str) -> None:
        """Put into the timeline what came of something that was done."""
        incident.note(self._clock.now_ms(), kind, text)
        self._changed.add(incident.number)

    def _acting(self, incident_id: str, by: str, text: str) -> Incident:
        incident = self.get(incident_id)
        _named("by", by)
        if len(text) > _MOST_TEXT:
            raise InvalidInputError(f"`text` is longer than {_MOST_TEXT:,} characters; shorten it")
        return incident

    def _noted(self, incident: Incident, kind: str, by: str, text: str) -> Incident:
        incident.note(self._clock.now_ms(), kind, text, by)
        self._changed.add(incident.number)
        return incident

    def _set_open(self, incident: Incident, now_ms: int, by: str, text: str) -> None:
        incident.state = IncidentState.OPEN
        incident.resolved_ms, incident.resolved_by = None, ""
        incident.note(now_ms, "reopened", text, by)
        self._changed.add(incident.number)

    def _resolve(self, incident: Incident, now_ms: int, by: str, text: str) -> None:
        incident.state = IncidentState.RESOLVED
        incident.resolved_ms, incident.resolved_by = now_ms, by
        incident.note(now_ms, "resolved", text, by)
        self._changed.add(incident.number)
        if not incident.is_live:
            self._leave(incident)

    def _open(self, alert: StoredAlert, now_ms: int) -> Incident:
        self._last += 1
        severity = dict(alert.labels).get("severity", "")
        incident = Incident(
            number=self._last,
            title=title_of(alert),
            severity=severity,
            opened_ms=now_ms,
            joined_ms=now_ms,
        )
        incident.note(now_ms, "opened", incident.title)
        self._kept[incident.number] = incident
        return incident

    def _leave(self, incident: Incident) -> None:
        """Let nothing join it any more."""
        self._joining.leave(incident.number)
        self._quiet_since_s.pop(incident.number, None)

    def _of_alert(self, fingerprint: str) -> Incident | None:
        number = self._joining.of_alert(fingerprint)
        return None if number is None else self._kept[number]

    def _note_flapping(self, incident: Incident, fingerprint: str, name: str, now_ms: int) -> None:
        if self.flapping.note(fingerprint):
            incident.note(now_ms, "flapping", f"{name} begins and ends again and again")

    def _count(self, state: IncidentState) -> float:
        return sum(each.state is state for each in self._kept.values())

    def _collect(self, now_ms: int) -> None:
        """Forget what ended long ago, and of too many those that ended first."""
        ended = [each for each in self._kept.values() if not each.is_live]
        over = len(self._kept) - _MOST
        for place, incident in enumerate(ended):
            if place >= over and (incident.resolved_ms or 0) > now_ms - _RETENTION_MS:
                continue
            del self._kept[incident.number]
            self._changed.discard(incident.number)
            self._journal.delete(_KIND, str(incident.number))


def _named(field: str, name: str) -> str:
    if not name.strip():
        raise InvalidInputError(f"`{field}` is empty; write a name")
    if len(name) > _MOST_NAME:
        raise InvalidInputError(f"`{field}` is longer than {_MOST_NAME} characters; shorten it")
    return name

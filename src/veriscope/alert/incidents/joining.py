"""Which incident an alert joins."""

from collections.abc import Iterable, Sequence

from veriscope.alert.incidents.incident import Incident
from veriscope.signals import Clock, Labels

Group = tuple[str, str]
"""Receiver and key of a group of alerts."""


class Joining:
    """
    The incidents that alerts may join, by alert, by group and by place.

    A place is the value of one of the labels that it uses. Whoever comes longer after the latest
    alert of an incident than its window is no neighbour of that any more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.use((), 0.0)
        self._of_alert: dict[str, int] = {}
        self._of_group: dict[Group, int] = {}
        self._of_place: dict[tuple[str, str], int] = {}
        self._joined_s: dict[int, float] = {}

    def use(self, labels: Sequence[str], window_s: float) -> None:
        """Have places be values of *labels*, and neighbours be so for *window_s* seconds."""
        self._labels = labels
        self._window_s = window_s

    def of_alert(self, fingerprint: str) -> int | None:
        """Return the number of the incident that an alert is in."""
        return self._of_alert.get(fingerprint)

    def alerts(self) -> list[str]:
        """Return the fingerprints of all alerts that are in an incident."""
        return list(self._of_alert)

    def find(self, fingerprint: str, labels: Labels, groups: Iterable[Group]) -> int | None:
        """Return the number of the incident that an alert joins; None where it opens one."""
        if (own := self._of_alert.get(fingerprint)) is not None:
            return own
        of_group = [self._of_group[group] for group in groups if group in self._of_group]
        if of_group:
            return min(of_group)
        earliest_s = self._clock.monotonic_s() - self._window_s
        places = [place for place in self._places(labels) if place in self._of_place]
        near = {self._of_place[place] for place in places}
        return min((n for n in near if self._joined_s[n] >= earliest_s), default=None)

    def unknown(self, number: int, groups: Iterable[Group]) -> list[Group]:
        """Return those of *groups* that are not known to be of the incident."""
        return [group for group in groups if self._of_group.get(group) != number]

    def join(self, number: int, fingerprint: str, labels: Labels, groups: Iterable[Group]) -> None:
        """Note that an alert is in an incident, from now on."""
        self._of_alert[fingerprint] = number
        for place in self._places(labels):
            self._of_place[place] = number
        for group in groups:
            self._of_group.setdefault(group, number)
        self._joined_s[number] = self._clock.monotonic_s()

    def take_up(self, incident: Incident) -> None:
        """Let others join an incident again, as when its latest alert came."""
        number = incident.number
        for fingerprint in incident.firing:
            self._of_alert[fingerprint] = number
        for fingerprint, member in incident.members.items():
            self.join(number, fingerprint, member.labels, ())
        for group in incident.groups:
            self._of_group.setdefault(group, number)
        ago_s = (self._clock.now_ms() - incident.joined_ms) / 1000
        self._joined_s[number] = self._clock.monotonic_s() - max(0.0, ago_s)

    def leave(self, number: int) -> None:
        """Let nothing join an incident any more."""
        self._of_alert = {key: of for key, of in self._of_alert.items() if of != number}
        self._of_group = {key: of for key, of in self._of_group.items() if of != number}
        self._of_place = {key: of for key, of in self._of_place.items() if of != number}
        self._joined_s.pop(number, None)

    def _places(self, labels: Labels) -> list[tuple[str, str]]:
        given = dict(labels)
        return [(name, given[name]) for name in self._labels if given.get(name)]

"""Groups of alerts and when each is flushed, as Alertmanager's `dispatch/dispatch.go` has it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeAlias

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.dispatch.order import in_order
from veriscope.alert.dispatch.timers import Timer, Timers
from veriscope.alert.group import group_key
from veriscope.alert.routing import Route
from veriscope.signals import Clock, Labels

_SWEEP_S: Final = 30.0
# What could not be delivered a day after it ended is given up.
_GIVEN_UP_MS: Final = 24 * 3600 * 1000

Done: TypeAlias = Callable[[bool], None]
"""Told once, when a flush is over: whether everybody who was to be told has been."""


class Group:
    """Alerts of one route with the same group labels."""

    __slots__ = ("alerts", "has_flushed", "is_busy", "is_late", "key", "labels", "route", "timer")

    def __init__(self, route: Route, labels: Labels) -> None:
        self.route = route
        self.labels = labels
        self.key = group_key(route.key, labels)
        self.alerts: dict[str, StoredAlert] = {}
        self.timer: Timer | None = None
        self.has_flushed = False
        self.is_busy = False
        """A flush is under way."""
        self.is_late = False
        """The next one was due meanwhile."""

    def in_order(self) -> list[StoredAlert]:
        """Return its alerts in the order of notifications."""
        return in_order(self.alerts.values())


class Flushing(Protocol):
    """What is done with groups."""

    @property
    def lead_s(self) -> float:
        """How long before a flush `prepare` is to be called; 0 where it need not be."""

    def prepare(self, group: Group, wait_s: float) -> None:
        """Get ready for a flush in *wait_s* seconds."""

    def flush(self, group: Group, alerts: Sequence[StoredAlert], done: Done) -> None:
        """Tell about *alerts*, which are in order; call *done* when that is over."""

    def dropped(self, group: Group) -> None:
        """Say that *group* is no more."""

    def close(self) -> None:
        """Tell nobody any more."""


class Dispatcher:
    """
    Puts alerts into groups, and has each group flushed when it is time.

    That is `group_wait` after the group was made, then each `group_interval`, but not while the
    last flush is under way. An alert that has ended leaves its group when a flush that had it has
    succeeded.
    """

    def __init__(
        self, root: Route | None, *, clock: Clock, timers: Timers, flushes: Flushing
    ) -> None:
        self._root = root
        self._clock = clock
        self._timers = timers
        self._flushes = flushes
        self._groups: dict[tuple[Route, Labels], Group] = {}
        self._routes: dict[Labels, tuple[Route, ...]] = {}
        self._is_closed = False
        timers.after(_SWEEP_S, self._sweep)

    def __len__(self) -> int:
        return len(self._groups)

    def groups(self) -> Iterable[Group]:
        """Return every group, those without alerts included."""
        return self._groups.values()

    def find(self, receiver: str, key: str) -> Group | None:
        """Return the group that *receiver* knows as *key*."""
        for group in self._groups.values():
            if group.key == key and group.route.receiver == receiver:
                return group
        return None

    def routes(self, labels: Labels) -> tuple[Route, ...]:
        """Return the routes that alerts with *labels* take."""
        if self._root is None:
            return ()
        found = self._routes.get(labels)
        if found is None:
            found = self._routes[labels] = tuple(self._root.find(labels))
        return found

    def insert(self, alert: StoredAlert) -> None:
        """Put *alert* into its groups, in place of the former one with its labels."""
        for route in self.routes(alert.labels):
            labels = route.group_labels(alert.labels)
            group = self._groups.get((route, labels))
            if group is None:
                group = self._groups[route, labels] = Group(route, labels)
                group.alerts[alert.fingerprint] = alert
                self._schedule(group, 0 if self._is_overdue(group, alert) else route.group_wait_s)
                continue
            group.alerts[alert.fingerprint] = alert
            if not group.has_flushed and self._is_overdue(group, alert):
                self._schedule(group, 0)

    def replace(self, old: StoredAlert, new: StoredAlert) -> None:
        """Put *new* in the place of *old*, which has its labels, where that is in a group."""
        for route in self.routes(old.labels):
            group = self._groups.get((route, route.group_labels(old.labels)))
            if group is not None and group.alerts.get(old.fingerprint) is old:
                group.alerts[old.fingerprint] = new

    def forget(self, alerts: Iterable[StoredAlert]) -> None:
        """Keep nothing in mind of *alerts*, which are in no group."""
        for alert in alerts:
            self._routes.pop(alert.labels, None)

    def fingerprints(self) -> set[str]:
        """Return the fingerprints of all alerts that are in a group."""
        return {each for group in self._groups.values() for each in group.alerts}

    def close(self) -> None:
        """Flush nothing any more."""
        self._is_closed = True
        self._flushes.close()
        for group in self._groups.values():
            if group.timer is not None:
                group.timer.cancel()

    def _is_overdue(self, group: Group, alert: StoredAlert) -> bool:
        """Tell whether *alert* began so long ago that the group need not wait for others."""
        wait_ms = group.route.group_wait_s * 1000
        return alert.starts_at_ms + wait_ms < self._clock.now_ms()

    def _schedule(self, group: Group, after_s: float) -> None:
        if group.timer is not None:
            group.timer.cancel()
        group.timer = self._timers.after(after_s, lambda: self._tick(group))
        if lead_s := min(self._flushes.lead_s, after_s):
            self._timers.after(after_s - lead_s, lambda: self._lead(group, lead_s))

    def _lead(self, group: Group, wait_s: float) -> None:
        if group.alerts and not self._is_closed:
            self._flushes.prepare(group, wait_s)

    def _tick(self, group: Group) -> None:
        if self._is_closed:
            return
        if group.is_busy:
            group.is_late = True
            return
        self._schedule(group, group.route.group_interval_s)
        group.has_flushed = True
        if not group.alerts:
            return
        group.is_busy = True
        alerts = group.in_order()
        now_ms = self._clock.now_ms()

        def done(succeeded: bool) -> None:  # noqa: FBT001 - of the type `Done`
            self._flushed(group, alerts, now_ms, succeeded=succeeded)

        try:
            self._flushes.flush(group, alerts, done)
        except Exception:
            group.is_busy = False  # so that its next flush is tried
            raise

    def _flushed(
        self, group: Group, alerts: Sequence[StoredAlert], flushed_ms: int, *, succeeded: bool
    ) -> None:
        group.is_busy = False
        for alert in alerts:
            if not alert.resolved_at(flushed_ms):
                continue
            if not succeeded and alert.ends_at_ms > flushed_ms - _GIVEN_UP_MS:
                continue
            if group.alerts.get(alert.fingerprint) is alert:  # it has not been heard of since
                del group.alerts[alert.fingerprint]
        if group.is_late:
            group.is_late = False
            self._tick(group)

    def _sweep(self) -> None:
        """Drop the groups that have been empty, as Alertmanager does twice a minute."""
        if self._is_closed:
            return
        for place, group in list(self._groups.items()):
            if not group.alerts and not group.is_busy:
                if group.timer is not None:
                    group.timer.cancel()
                del self._groups[place]
                self._flushes.dropped(group)
        self._timers.after(_SWEEP_S, self._sweep)

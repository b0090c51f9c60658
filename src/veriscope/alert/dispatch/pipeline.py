"""What holds alerts back on their way to a receiver: Alertmanager's stages, in its order."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.dispatch.metrics import metrics_of
from veriscope.alert.dispatch.views import AlertState, AlertStatus
from veriscope.alert.inhibition import Inhibitor
from veriscope.alert.intervals import TimeIntervals
from veriscope.alert.routing import Route
from veriscope.alert.silences import Silences
from veriscope.signals import Labels

_Count: TypeAlias = Callable[[str, int], None]


class Suppression:
    """Inhibition, active and mute intervals, and silences: an alert must get past them all."""

    def __init__(
        self,
        inhibitor: Inhibitor,
        intervals: TimeIntervals,
        silences: Silences,
        registry: CollectorRegistry,
    ) -> None:
        self.inhibitor: Final = inhibitor
        self._intervals = intervals
        self._silences = silences
        self._suppressed = metrics_of(registry).suppressed

    def passed(self, route: Route, alerts: Sequence[StoredAlert], now_ms: int) -> list[StoredAlert]:
        """Return those of *alerts* that may be told of, without counting the others."""
        return self._pass(route, alerts, now_ms, lambda _reason, _count: None)

    def sift(self, route: Route, alerts: Sequence[StoredAlert], now_ms: int) -> list[StoredAlert]:
        """Return those of *alerts* that may be told of; count the others by what holds them."""

        def count(reason: str, number: int) -> None:
            if number:
                self._suppressed.labels(reason).inc(number)

        return self._pass(route, alerts, now_ms, count)

    def muted_by(self, route: Route, now_ms: int) -> tuple[str, ...]:
        """Return the names of the intervals by which nothing is told on *route* now."""
        inactive = () if self._is_active(route, now_ms) else route.active_time_intervals
        return inactive + tuple(self._mutes(route, now_ms))

    def status(self, labels: Labels, now_ms: int, muted_by: tuple[str, ...] = ()) -> AlertStatus:
        """Return what holds back an alert with *labels*."""
        silenced_by = self._silences.silenced_by(labels, now_ms)
        inhibited_by = self.inhibitor.inhibited_by(labels, now_ms)
        held = silenced_by or inhibited_by or muted_by
        state = AlertState.SUPPRESSED if held else AlertState.ACTIVE
        return AlertStatus(state, silenced_by, inhibited_by, muted_by)

    def _pass(
        self, route: Route, alerts: Sequence[StoredAlert], now_ms: int, count: _Count
    ) -> list[StoredAlert]:
        left = [a for a in alerts if not self.inhibitor.inhibited_by(a.labels, now_ms)]
        count("inhibition", len(alerts) - len(left))
        if left and not self._is_active(route, now_ms):
            count("active_time_interval", len(left))
            return []
        if left and any(self._mutes(route, now_ms)):
            count("mute_time_interval", len(left))
            return []
        heard = [a for a in left if not self._silences.silenced_by(a.labels, now_ms)]
        count("silence", len(left) - len(heard))
        return heard

    def _is_active(self, route: Route, now_ms: int) -> bool:
        names = route.active_time_intervals
        return not names or any(self._intervals.contains(name, now_ms) for name in names)

    def _mutes(self, route: Route, now_ms: int) -> Iterable[str]:
        return (
            name for name in route.mute_time_intervals if self._intervals.contains(name, now_ms)
        )

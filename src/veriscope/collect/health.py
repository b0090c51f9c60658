"""Which sensors work: said once in the log, and always as a gauge."""

from dataclasses import dataclass

from veriscope.collect.sensors import AbsentError, Readings, SeriesTable, series
from veriscope.signals import Clock
from veriscope.signals.log import get_log

_log = get_log(__name__)


@dataclass(slots=True)
class _State:
    up: bool = True
    logged: bool = False
    retry_at_s: float = 0.0
    quiet_until_s: float = 0.0


class Health:
    """
    Remembers which sensors work, and logs a change once.

    A sensor that fails is left alone for *retry_s* seconds; a flickering one is logged at most
    once in that time, and again if it stays down.
    """

    def __init__(self, collector: str, *, clock: Clock, retry_s: float) -> None:
        self._collector = collector
        self._clock = clock
        self._retry_s = retry_s
        self._states: dict[str, _State] = {}
        self._table: SeriesTable[str] = SeriesTable(
            lambda name: (
                series("veriscope_collector_sensor_up", collector=collector, sensor=name),
            )
        )

    def ok(self, name: str) -> None:
        """Note that *name* answered."""
        state = self._states.get(name)
        if state is None:
            self._states[name] = _State()
        elif not state.up:
            state.up = True
            if state.logged:
                state.logged = False
                _log.info("sensor recovered", collector=self._collector, sensor=name)

    def failed(self, name: str, error: Exception) -> None:
        """Note that *name* failed with *error*; it is due again after the retry time."""
        now = self._clock.monotonic_s()
        state = self._states.setdefault(name, _State())
        if not state.logged and now >= state.quiet_until_s:
            report = _log.info if isinstance(error, AbsentError) else _log.warning
            report(
                "sensor unavailable",
                collector=self._collector,
                sensor=name,
                error=str(error) or type(error).__name__,
                retry_s=self._retry_s,
            )
            state.logged = True
            state.quiet_until_s = now + self._retry_s
        state.up = False
        state.retry_at_s = now + self._retry_s

    def is_up(self, name: str) -> bool:
        """Tell whether *name* is not known to be broken."""
        state = self._states.get(name)
        return state is None or state.up

    def is_due(self, name: str) -> bool:
        """Tell whether *name* works, or its time to be retried has come."""
        state = self._states.get(name)
        return state is None or state.up or self._clock.monotonic_s() >= state.retry_at_s

    def down(self, name: str) -> None:
        """Note that *name* cannot answer for a reason that was logged already; due at once."""
        self._states.setdefault(name, _State()).up = False

    def mend(self, name: str) -> bool:
        """
        Note that the part *name* is no longer at fault; tell whether it is forgotten.

        Parts such as mounts come and go, so they are shown only around their faults.
        """
        self.ok(name)
        if self._clock.monotonic_s() < self._states[name].quiet_until_s:
            return False
        del self._states[name]
        return True

    def readings(self) -> Readings:
        """Return `veriscope_collector_sensor_up` of every known sensor."""
        return Readings(
            self._table.labels(self._states),
            [1.0 if state.up else 0.0 for state in self._states.values()],
        )

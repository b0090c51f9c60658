"""How the parts of evidence ask: of whom, for how long, and about which alerts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from veriscope.insight.evidence.expression import Expression
from veriscope.query.promql import PromqlEngine
from veriscope.signals import Clock, FetchLimits, Grid, Matrix
from veriscope.signals.cancel import Cancellation
from veriscope.signals.evidence import FiringAlerts
from veriscope.store.events import EventStore
from veriscope.store.log_search import LogSearch
from veriscope.store.span_search import SpanSearch

_MOST_SERIES: Final = 20_000
_MOST_SAMPLES: Final = 20_000_000
_MOST_BYTES: Final = 512 << 20

SERVICE: Final = ("service", "service_name", "job")
"""Labels that may hold the name of a service, as its spans and records have it."""
SERVICE_OF_OBJECTIVE: Final = ("sloth_service", "slo_service")
"""The same, where the alert is one of an objective's."""
WHERE: Final = ("instance", "pod", "host", *SERVICE, *SERVICE_OF_OBJECTIVE, "model", "namespace")
"""Labels that say of what an alert is, the narrowest first."""


class NothingToSayError(Exception):
    """A part of the evidence cannot be had for these alerts; the message says why."""


@dataclass(frozen=True, slots=True)
class EvidenceSources:
    """Where evidence is looked for; everything may be called from any thread."""

    metrics: PromqlEngine
    logs: LogSearch
    spans: SpanSearch
    events: EventStore


@dataclass(frozen=True, slots=True)
class Case:
    """The alerts, and what is known of them before anything is asked."""

    firing: FiringAlerts
    expression: Expression | None
    """What the alerts come from, where that is PromQL."""
    onset_ms: int
    """Since when the condition holds, in Unix milliseconds: pending counts."""
    now_ms: int

    @property
    def common(self) -> Mapping[str, str]:
        """The labels that all alerts share."""
        return dict(self.firing.common_labels)

    @property
    def service(self) -> str:
        """Return the service that the alerts are about; raise where they name none."""
        common = self.common
        for name in (*SERVICE, *SERVICE_OF_OBJECTIVE):
            if service := common.get(name):
                return service
        raise NothingToSayError("the alerts have no label `service` or `job` in common")


class Asking:
    """Asks the sources until a deadline on the monotonic clock."""

    def __init__(self, sources: EvidenceSources, clock: Clock, deadline_s: float) -> None:
        self.sources: Final = sources
        self.cancel: Final = Cancellation()
        self._clock = clock
        self._deadline_s = deadline_s

    @property
    def left_ms(self) -> int:
        """Milliseconds until the deadline, at least one."""
        return max(1, int((self._deadline_s - self._clock.monotonic_s()) * 1000))

    def instant(self, text: str, time_ms: int) -> Matrix:
        """Return what *text* gives at a moment; raises as `PromqlEngine` does."""
        result = self.sources.metrics.instant_query(
            text, time_ms, timeout_ms=self.left_ms, cancel=self.cancel, cache=False
        )
        return _vector(result.value)

    def over(self, text: str, grid: Grid) -> Matrix:
        """Return what *text* gives on every step of *grid*; raises as `PromqlEngine` does."""
        result = self.sources.metrics.range_query(
            text, grid, timeout_ms=self.left_ms, cancel=self.cancel, cache=False
        )
        return _vector(result.value)

    def limits(self) -> FetchLimits:
        """Return the bounds of a search that begins now."""
        return FetchLimits(
            max_samples=_MOST_SAMPLES,
            max_series=_MOST_SERIES,
            max_memory_bytes=_MOST_BYTES,
            timeout_ms=self.left_ms,
            cancel=self.cancel,
        )


Part: TypeAlias = Callable[[Case, Asking], Mapping[str, Any]]
"""Finds fields of `Evidence`; raises `NothingToSayError` or whatever a source raises."""


def _vector(value: object) -> Matrix:
    if not isinstance(value, Matrix):
        raise NothingToSayError("the expression gives no series")
    return value

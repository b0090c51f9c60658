"""
Sensors: the seam between what can be read on a machine and the panel that reads it.

Label sets are built once and handed on as the same objects, which is what makes collecting
every second cheap.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, Protocol, TypeVar

from veriscope.signals import (
    METRIC_NAME,
    Labels,
    MetricMetadata,
    MetricType,
    UnavailableError,
    to_labels,
)

Row = TypeVar("Row", bound=Hashable)


class AbsentError(UnavailableError):
    """What a sensor reads is not there, such as a GPU or a fan: a fact and no fault."""


class SourceLostError(UnavailableError):
    """The device behind a sensor is gone; none of its sensors can answer."""


@dataclass(frozen=True, slots=True)
class Readings:
    """
    What a sensor read: `values[i]` belongs to the series `labels[i]`.

    `labels` is the same object as the last time while the series are the same. `faults` names
    parts that could not be read while the rest could.
    """

    labels: tuple[Labels, ...]
    values: Sequence[float]
    faults: tuple[tuple[str, Exception], ...] = ()

    def __post_init__(self) -> None:
        # A short line of the kernel must not shift every later value to a wrong series.
        if len(self.labels) != len(self.values):
            raise ValueError(f"{len(self.values)} values for {len(self.labels)} series")


class Sensor(Protocol):
    """One source of readings, such as a file of the kernel."""

    @property
    def name(self) -> str:
        """Name the sensor within its collector, as `cpu` or `gpu0/fan`."""

    @property
    def source(self) -> str:
        """Name the device that it shares with other sensors; empty where it stands alone."""

    @property
    def every(self) -> int:
        """Return how many ticks of the collector pass from one reading to the next."""

    @property
    def metadata(self) -> Sequence[MetricMetadata]:
        """Describe the metrics it can give."""

    def read(self, now_ms: int) -> Readings:
        """Read it; any exception means that it is broken, `SourceLostError` its whole source."""


def series(name: str, /, **labels: str) -> Labels:
    """Return the label set of metric *name* with *labels*."""
    return to_labels({METRIC_NAME: name, **labels})


def counter(name: str, help_text: str, unit: str = "") -> MetricMetadata:
    """Describe a counter."""
    return MetricMetadata(name, MetricType.COUNTER, help_text, unit)


def gauge(name: str, help_text: str, unit: str = "") -> MetricMetadata:
    """Describe a gauge."""
    return MetricMetadata(name, MetricType.GAUGE, help_text, unit)


def info(name: str, help_text: str) -> MetricMetadata:
    """Describe a gauge that is always 1 and carries its facts in labels."""
    return MetricMetadata(name, MetricType.INFO, help_text)


class SeriesTable(Generic[Row]):
    """The label sets of a table whose rows (disks, CPUs, …) come and go, built once a row."""

    def __init__(self, build: Callable[[Row], Iterable[Labels]]) -> None:
        self._build = build
        self._rows: tuple[Row, ...] = ()
        self._known: dict[Row, tuple[Labels, ...]] = {}
        self._labels: tuple[Labels, ...] = ()

    def labels(self, rows: Iterable[Row]) -> tuple[Labels, ...]:
        """Return the label sets of *rows* in order; the same object while the rows are."""
        wanted = tuple(rows)
        if wanted != self._rows:
            self._known = {
                row: self._known[row] if row in self._known else tuple(self._build(row))
                for row in wanted
            }
            self._labels = tuple(chain.from_iterable(self._known[row] for row in wanted))
            self._rows = wanted
        return self._labels

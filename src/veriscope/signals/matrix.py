"""Query results in columns: dense matrices on a grid, and ragged raw samples."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.grid import Grid
from veriscope.signals.labels import Labels

if TYPE_CHECKING:
    from veriscope.signals.histograms import Histograms

T = TypeVar("T")
_SAMPLE_BYTES: Final = 16


class LabelSets(tuple[Labels, ...]):  # noqa: SLOT001 - a tuple with a memory
    """
    The label sets of a vector's rows.

    What is computed from all of them is computed once, see `derived`. Who answers fetches hands
    out the same object again for the same series, so that it lasts from one query to the next.
    """

    _derived: dict[Hashable, Any]

    def __new__(cls, labels: Iterable[Labels] = ()) -> Self:
        """Return *labels* themselves where they are label sets already."""
        if isinstance(labels, cls):
            return labels
        made = super().__new__(cls, labels)
        made._derived = {}
        return made

    def derived(self, key: Hashable, compute: Callable[["LabelSets"], T]) -> T:
        """
        Return `compute(self)`, remembered under *key*.

        *key* names the computation and all that it depends on. Two threads may compute it twice.
        """
        try:
            found: T = self._derived[key]
        except KeyError:
            found = self._derived[key] = compute(self)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class HistogramPoints:
    """
    The points of a matrix that are native histograms, in row-major order.

    Point *k* is `values` *k* in row `rows[k]` at step `steps[k]`; both have shape `(points,)`.
    """

    rows: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: "Histograms"


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """
    A vector on every step: row *i* is the series `labels[i]`, column *j* the *j*-th step.

    `values` has shape `(series, steps)`; where `present` (same shape) is False there is no
    point and the value means nothing. NaN is a value like any other. A point that is one of
    `histograms` is present, and its value means nothing.
    """

    labels: LabelSets
    grid: Grid
    values: NDArray[np.float64]
    present: NDArray[np.bool_]
    histograms: HistogramPoints | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", LabelSets(self.labels))
        shape = (len(self.labels), len(self.grid))
        if self.values.shape != shape or self.present.shape != shape:
            raise ValueError(f"expected shape {shape}, got {self.values.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class HistogramSamples:
    """
    Native histograms of a segment, in the order of row and time.

    Sample *k* is `values` *k*, of row `rows[k]` of the segment at `timestamps_ms[k]`; both have
    shape `(samples,)`. There are none outside of the fetch's time.
    """

    rows: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    values: "Histograms"

    def take(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> "HistogramSamples":
        """Return the samples at *places*, in that order, or those where *places* is True."""
        return HistogramSamples(
            self.rows[places], self.timestamps_ms[places], self.values.take(places)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """
    Samples of some series: those of row *i* are `starts[i]:stops[i]` of the two columns.

    The columns may hold other samples too, so rows are chosen without copying samples.
    Timestamps rise strictly within a row. Stale markers are still in `values`; see `is_stale`.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    histograms: HistogramSamples | None = None

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.starts)

    @property
    def samples(self) -> int:
        """How many samples the rows hold; a histogram counts as many as it takes memory of."""
        native = 0 if self.histograms is None else self.histograms.values.nbytes // _SAMPLE_BYTES
        return int((self.stops - self.starts).sum()) + native


@dataclass(frozen=True, slots=True, eq=False)
class RaggedSamples:
    """Raw samples of many series: the rows of the segments, one after the other, are `labels`."""

    labels: LabelSets
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", LabelSets(self.labels))
        if (rows := sum(map(len, self.segments))) != len(self.labels):
            raise ValueError(f"{len(self.labels)} label sets for {rows} rows")

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return sum(segment.samples for segment in self.segments)

    @classmethod
    def of(
        cls,
        labels: Iterable[Labels],
        offsets: NDArray[np.int64],
        timestamps_ms: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> "RaggedSamples":
        """Return one segment, whose row *i* is `offsets[i]:offsets[i + 1]` of the columns."""
        offsets = np.asarray(offsets, dtype=np.int64)
        segment = Segment(offsets[:-1], offsets[1:], timestamps_ms, values)
        return cls(LabelSets(labels), (segment,))

    def joined(self) -> Segment:
        """Return all rows as one segment without gaps; for answers, not for hot paths."""
        if not self.segments:
            none = np.empty(0, dtype=np.int64)
            return Segment(none, none, none, np.empty(0))
        index = np.concatenate([_positions(segment) for segment in self.segments])
        bases = np.cumsum([0, *(len(segment.values) for segment in self.segments)])
        counts = np.concatenate([segment.stops - segment.starts for segment in self.segments])
        owners = np.repeat(bases[:-1], [int((s.stops - s.starts).sum()) for s in self.segments])
        stops = np.cumsum(counts)
        return Segment(
            stops - counts,
            stops,
            np.concatenate([segment.timestamps_ms for segment in self.segments])[index + owners],
            np.concatenate([segment.values for segment in self.segments])[index + owners],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rollups:
    """
    Buckets of many series: those of `labels[i]` are `starts[i]:stops[i]` of the columns.

    A bucket that ends at `ends_ms` holds `counts` samples, stale markers left out, and never
    none; `firsts_ms`, `lasts_ms`, `first` and `last` are its outermost. `figures` are, by name,
    its `sum`, `min`, `max`, `changes`, `resets` and `lost`: what a counter had reached before
    each of its resets, added up. Buckets without a sample are left out.
    """

    labels: LabelSets
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    ends_ms: NDArray[np.int64]
    firsts_ms: NDArray[np.int64]
    lasts_ms: NDArray[np.int64]
    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    figures: Mapping[str, NDArray[np.float64]]


def _positions(segment: Segment) -> NDArray[np.int64]:
    """Return the places of the rows' samples in the columns, row by row."""
    counts = segment.stops - segment.starts
    before = np.cumsum(counts) - counts
    positions: NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(
        segment.starts - before, counts
    )
    return positions

"""Native histograms in columns: many of them as a few arrays, buckets end to end."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.errors import InvalidInputError, LimitExceededError
from veriscope.signals.labels import Labels
from veriscope.signals.samples import MetricMetadata, is_stale

CUSTOM_BUCKETS: Final = -53
"""The schema of histograms whose bucket bounds are listed rather than computed."""
LEAST_SCHEMA: Final = -4
GREATEST_SCHEMA: Final = 8
"""Exponential schemas: the upper bound of bucket *i* of schema *s* is `2 ** (i / 2 ** s)`."""
MAX_BUCKETS: Final = 10_000
"""Buckets of one histogram that `Histograms.check` lets pass unless told otherwise."""


class ResetHint(IntEnum):
    """What the sender knows of a counter reset before a histogram; numbers as in remote write."""

    UNKNOWN = 0
    YES = 1
    NO = 2
    GAUGE = 3
    """The histogram may go down, so there are no resets."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """
    Runs of values, end to end: run *i* is `values[offsets[i]:offsets[i + 1]]`.

    `offsets` has shape `(runs + 1,)` and begins with 0.
    """

    offsets: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def none(cls, runs: int) -> "Runs":
        """Return so many empty runs."""
        return cls(np.zeros(runs + 1, dtype=np.int64), np.empty(0))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many values each run has, shape `(runs,)`."""
        found: NDArray[np.int64] = np.diff(self.offsets)
        return found

    def take(self, rows: NDArray[np.int64]) -> "Runs":
        """Return the runs *rows*, in that order."""
        offsets, places = _places(self.offsets, rows)
        return Runs(offsets, self.values[places])

    @classmethod
    def concatenate(cls, parts: Sequence["Runs"]) -> "Runs":
        """Return all runs of *parts*, one after the other."""
        return cls(
            _offsets(np.concatenate([part.lengths for part in parts])),
            np.concatenate([part.values for part in parts]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """
    The buckets of histograms on one side of zero.

    Those of histogram *i* are `offsets[i]:offsets[i + 1]` of `index` and `count`. Indices rise
    strictly within a histogram, away from zero: bucket *k* of an exponential schema *s* holds
    absolute values in `(2 ** ((k - 1) / 2 ** s), 2 ** (k / 2 ** s)]`, bucket *k* of custom
    buckets those up to bound *k* (the last one those above all bounds). Counts are not
    cumulative.
    """

    offsets: NDArray[np.int64]
    index: NDArray[np.int32]
    count: NDArray[np.float64]

    @classmethod
    def none(cls, histograms: int) -> "Buckets":
        """Return no buckets, for so many histograms."""
        offsets = np.zeros(histograms + 1, dtype=np.int64)
        return cls(offsets, np.empty(0, dtype=np.int32), np.empty(0))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many buckets each histogram has, shape `(histograms,)`."""
        found: NDArray[np.int64] = np.diff(self.offsets)
        return found

    @property
    def owners(self) -> NDArray[np.int64]:
        """The histogram of each bucket, shape `(buckets,)`."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def take(self, rows: NDArray[np.int64]) -> "Buckets":
        """Return the buckets of the histograms *rows*, in that order."""
        offsets, places = _places(self.offsets, rows)
        return Buckets(offsets, self.index[places], self.count[places])

    def where(self, kept: NDArray[np.bool_]) -> "Buckets":
        """Return only the buckets that are *kept*, shape `(buckets,)`."""
        counts = np.bincount(self.owners[kept], minlength=len(self.offsets) - 1)
        return Buckets(_offsets(counts), self.index[kept], self.count[kept])

    @classmethod
    def concatenate(cls, parts: Sequence["Buckets"]) -> "Buckets":
        """Return the buckets of all *parts*, one after the other."""
        return cls(
            _offsets(np.concatenate([part.lengths for part in parts])),
            np.concatenate([part.index for part in parts]),
            np.concatenate([part.count for part in parts]),
        )

    def merged(self, shifts: NDArray[np.int64]) -> "Buckets":
        """Return each histogram with `2 ** shifts[i]` neighbouring buckets made one."""
        owners = self.owners
        index = ((self.index.astype(np.int64) - 1) >> shifts[owners]) + 1
        fresh = np.ones(len(index), dtype=np.bool_)
        fresh[1:] = (index[1:] != index[:-1]) | (owners[1:] != owners[:-1])
        starts = np.flatnonzero(fresh)
        count = np.add.reduceat(self.count, starts) if len(starts) else self.count
        lengths = np.bincount(owners[starts], minlength=len(self.offsets) - 1)
        return Buckets(_offsets(lengths), index[starts].astype(np.int32), count)


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """
    Native histograms, as Prometheus has them, in columns.

    Every array has shape `(histograms,)` unless said otherwise. Counts are floats since they
    need not be whole after arithmetic. `sum` holds the stale marker where a series ends.
    """

    schema: NDArray[np.int8]
    """`LEAST_SCHEMA` to `GREATEST_SCHEMA`, or `CUSTOM_BUCKETS`."""
    reset_hint: NDArray[np.int8]
    """See `ResetHint`."""
    count: NDArray[np.float64]
    """Observations; more than in the buckets where NaN was observed."""
    sum: NDArray[np.float64]
    zero_threshold: NDArray[np.float64]
    """Observations of at most this absolute value are in the zero bucket."""
    zero_count: NDArray[np.float64]
    positive: Buckets
    negative: Buckets
    bounds: Runs
    """Upper bounds of custom buckets, rising strictly and finite; empty for other schemas."""

    def __len__(self) -> int:
        """Count the histograms."""
        return len(self.schema)

    @classmethod
    def none(cls) -> "Histograms":
        """Return no histograms."""
        small, wide = np.empty(0, dtype=np.int8), np.empty(0)
        empty = Buckets.none(0)
        return cls(small, small, wide, wide, wide, wide, empty, empty, Runs.none(0))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Histograms":
        """Return the histograms *rows* (places, or a mask), in that order."""
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        places = rows.astype(np.int64, copy=False)
        return Histograms(
            schema=self.schema[places],
            reset_hint=self.reset_hint[places],
            count=self.count[places],
            sum=self.sum[places],
            zero_threshold=self.zero_threshold[places],
            zero_count=self.zero_count[places],
            positive=self.positive.take(places),
            negative=self.negative.take(places),
            bounds=self.bounds.take(places),
        )

    @classmethod
    def concatenate(cls, parts: Iterable["Histograms"]) -> "Histograms":
        """Return the histograms of all *parts*, one after the other."""
        filled = [part for part in parts if len(part)]
        if not filled:
            return cls.none()
        if len(filled) == 1:
            return filled[0]
        return cls(
            schema=np.concatenate([part.schema for part in filled]),
            reset_hint=np.concatenate([part.reset_hint for part in filled]),
            count=np.concatenate([part.count for part in filled]),
            sum=np.concatenate([part.sum for part in filled]),
            zero_threshold=np.concatenate([part.zero_threshold for part in filled]),
            zero_count=np.concatenate([part.zero_count for part in filled]),
            positive=Buckets.concatenate([part.positive for part in filled]),
            negative=Buckets.concatenate([part.negative for part in filled]),
            bounds=Runs.concatenate([part.bounds for part in filled]),
        )

    @property
    def custom(self) -> NDArray[np.bool_]:
        """Which of the histograms have custom buckets."""
        return np.equal(self.schema, CUSTOM_BUCKETS)

    @property
    def stale(self) -> NDArray[np.bool_]:
        """Which of the histograms are markers that their series has ended."""
        return is_stale(self.sum)

    @property
    def buckets(self) -> int:
        """How many buckets there are in all."""
        return len(self.positive.index) + len(self.negative.index)

    @property
    def nbytes(self) -> int:
        """How much memory the columns take."""
        fixed = len(self) * (2 + 4 * 8 + 3 * 8)
        return fixed + self.buckets * 12 + self.bounds.values.nbytes

    def with_reset_hint(self, hint: ResetHint) -> "Histograms":
        """Return the same histograms, all with *hint*."""
        return replace(self, reset_hint=np.full(len(self), hint, dtype=np.int8))

    def at_most(self, schema: NDArray[np.int8] | int) -> "Histograms":
        """
        Return the histograms at no higher resolution than exponential *schema* (for each or all).

        Neighbouring buckets are added up, which loses nothing but resolution. Histograms of
        custom buckets stay as they are.
        """
        target = np.where(self.custom, self.schema, np.minimum(self.schema, schema))
        shifts = self.schema.astype(np.int64) - target
        if not shifts.any():
            return self
        return replace(
            self,
            schema=target.astype(np.int8),
            positive=self.positive.merged(shifts),
            negative=self.negative.merged(shifts),
        )

    def compact(self) -> "Histograms":
        """Return the histograms without their empty buckets."""
        if self.positive.count.all() and self.negative.count.all():
            return self
        return replace(
            self,
            positive=self.positive.where(self.positive.count != 0),
            negative=self.negative.where(self.negative.count != 0),
        )

    def check(self, *, max_buckets: int = MAX_BUCKETS) -> None:
        """
        Raise `InvalidInputError` where a histogram is not what Prometheus accepts.

        `LimitExceededError` where one has more than *max_buckets* buckets. Stale markers pass.
        The text names the first offender by its place.
        """
        for where, text in self._faults():
            if where.any():
                raise InvalidInputError(f"histogram {int(np.argmax(where))}: {text}")
        sizes = np.maximum(self.positive.lengths + self.negative.lengths, self.bounds.lengths + 1)
        if (sizes > max_buckets).any():
            row = int(np.argmax(sizes > max_buckets))
            raise LimitExceededError(
                f"histogram {row}: {sizes[row]:,} buckets, {max_buckets:,} allowed; "
                "lower its resolution (its schema)"
            )

    def _faults(self) -> Iterator[tuple[NDArray[np.bool_], str]]:
        """Yield what may be wrong: where it is, and what to say of it."""
        alive, custom = ~self.stale, self.custom
        exponential = (self.schema >= LEAST_SCHEMA) & (self.schema <= GREATEST_SCHEMA)
        yield (
            alive & ~exponential & ~custom,
            f"a schema outside of {LEAST_SCHEMA} to {GREATEST_SCHEMA} (custom: {CUSTOM_BUCKETS})",
        )
        yield (
            ~np.isin(self.reset_hint, tuple(ResetHint)),
            "an unknown counter reset hint; it must be between 0 and 3",
        )
        yield alive & (self.count < 0), "a negative count of observations"
        yield alive & (self.zero_count < 0), "a negative count in the zero bucket"
        yield (
            alive & ~(np.isfinite(self.zero_threshold) & (self.zero_threshold >= 0)),
            "a zero threshold that is negative or not finite",
        )
        for side, buckets in (("positive", self.positive), ("negative", self.negative)):
            bad = self._any(buckets.owners[buckets.count < 0])
            yield alive & bad, f"a {side} bucket with a negative count"
            bad = self._any(buckets.owners[1:][_falls(buckets.index, buckets.owners)])
            yield bad, f"{side} buckets that do not rise strictly"
        yield ~custom & (self.bounds.lengths > 0), "custom bounds beside an exponential schema"
        strange = (self.zero_count != 0) | (self.zero_threshold != 0)
        yield (
            custom & (strange | (self.negative.lengths > 0)),
            "custom buckets beside a zero bucket or negative buckets",
        )
        owners = self.positive.owners
        outside = (self.positive.index < 0) | (self.positive.index > self.bounds.lengths[owners])
        yield custom & self._any(owners[outside]), "a custom bucket without a bound"
        bounds = self.bounds
        owners = np.repeat(np.arange(len(self)), bounds.lengths)
        bad = self._any(owners[~np.isfinite(bounds.values)])
        yield bad, "custom bounds that are not finite"
        bad = self._any(owners[1:][_falls(bounds.values, owners)])
        yield bad, "custom bounds that do not rise strictly"

    def _any(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a mask that is True at *rows*."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[rows] = True
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class HistogramBatch:
    """
    Native histograms to store: *i* is `values` *i* at `timestamps_ms[i]` of `labels[series[i]]`.

    See `SampleBatch`, whose promises are those of this.
    """

    labels: tuple[Labels, ...]
    series: NDArray[np.uint32]
    timestamps_ms: NDArray[np.int64]
    values: Histograms
    metadata: tuple[MetricMetadata, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.series) == len(self.timestamps_ms) == len(self.values):
            raise ValueError("columns of a batch must have the same length")

    def __len__(self) -> int:
        """Count the histograms."""
        return len(self.values)


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _places(
    offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the offsets of the runs *rows* end to end, and where their values were."""
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    moved = _offsets(lengths)
    places = np.arange(moved[-1]) + np.repeat(starts - moved[:-1], lengths)
    return moved, places


def _falls(
    values: NDArray[np.float64] | NDArray[np.int32], owners: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return where a value is not above the one before it of the same owner."""
    found: NDArray[np.bool_] = (owners[1:] == owners[:-1]) & (values[1:] <= values[:-1])
    return found

"""Adding, scaling, comparing and trimming native histograms."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.histograms import comparison_kernels, fold_kernels
from veriscope.query.promql.histograms.bucket_kernels import Columns
from veriscope.query.promql.histograms.fold_kernels import COLLISION, INCOMPATIBLE, RECONCILED
from veriscope.signals.histograms import (
    GREATEST_SCHEMA,
    Buckets,
    Histograms,
    ResetHint,
    Runs,
)

_NO_HISTOGRAMS: Final = Histograms.none()


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Histograms that were added up, and what there is to say about each."""

    values: Histograms
    flags: NDArray[np.int8]
    """Bits `RECONCILED`, `COLLISION` and `INCOMPATIBLE` of `kernels`; shape `(sums,)`."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which sums exist: exponential and custom buckets do not add up."""
        found: NDArray[np.bool_] = (self.flags & INCOMPATIBLE) == 0
        return found

    def refused(self, where: NDArray[np.bool_]) -> "Sums":
        """Return the same sums, of which those *where* do not exist."""
        return replace(self, flags=np.where(where, np.int8(INCOMPATIBLE), self.flags))

    @property
    def reconciled(self) -> bool:
        """Whether custom bounds had to be reduced to those in common."""
        return bool((self.flags & RECONCILED).any())

    @property
    def collision(self) -> bool:
        """Whether counter resets and their absence met."""
        return bool((self.flags & COLLISION).any())


def columns(histograms: Histograms) -> Columns:
    """Return *histograms* as kernels take them."""
    return Columns(
        np.ascontiguousarray(histograms.schema, dtype=np.int8),
        np.ascontiguousarray(histograms.reset_hint, dtype=np.int8),
        np.ascontiguousarray(histograms.count, dtype=np.float64),
        np.ascontiguousarray(histograms.sum, dtype=np.float64),
        np.ascontiguousarray(histograms.zero_threshold, dtype=np.float64),
        np.ascontiguousarray(histograms.zero_count, dtype=np.float64),
        np.ascontiguousarray(histograms.positive.offsets, dtype=np.int64),
        np.ascontiguousarray(histograms.positive.index, dtype=np.int32),
        np.ascontiguousarray(histograms.positive.count, dtype=np.float64),
        np.ascontiguousarray(histograms.negative.offsets, dtype=np.int64),
        np.ascontiguousarray(histograms.negative.index, dtype=np.int32),
        np.ascontiguousarray(histograms.negative.count, dtype=np.float64),
        np.ascontiguousarray(histograms.bounds.offsets, dtype=np.int64),
        np.ascontiguousarray(histograms.bounds.values, dtype=np.float64),
    )


def from_columns(found: Columns) -> Histograms:
    """Return what kernels have made."""
    return Histograms(
        schema=found.schema,
        reset_hint=found.hint,
        count=found.counts,
        sum=found.sums,
        zero_threshold=found.zero_threshold,
        zero_count=found.zero_count,
        positive=Buckets(found.positive_offsets, found.positive_index, found.positive_count),
        negative=Buckets(found.negative_offsets, found.negative_index, found.negative_count),
        bounds=Runs(found.bound_offsets, found.bounds),
    )


def fold(
    histograms: Histograms,
    starts: NDArray[np.int64],
    source: NDArray[np.int64],
    *,
    weight: NDArray[np.float64] | None = None,
    resolution: NDArray[np.int8] | None = None,
    mean: bool = False,
) -> Sums:
    """
    Add up histograms: sum *i* is that of `weight[k] * histograms[source[k]]`.

    Here `k` is in `starts[i]:starts[i + 1]`, which is never empty. Weights are 1 unless given;
    *resolution* bounds the schema of each sum; *mean* divides each by its number of summands.
    Sums are compensated (Kahan and Neumaier), and have no empty buckets.
    """
    if len(starts) <= 1:
        return Sums(_NO_HISTOGRAMS, np.empty(0, dtype=np.int8))
    if weight is None:
        weight = np.ones(len(source))
    if resolution is None:
        resolution = np.full(len(starts) - 1, GREATEST_SCHEMA, dtype=np.int8)
    found, flags = fold_kernels.fold(
        columns(histograms),
        np.ascontiguousarray(starts, dtype=np.int64),
        np.ascontiguousarray(source, dtype=np.int64),
        weight,
        resolution,
        mean,
    )
    return Sums(from_columns(found), flags)


def add(left: Histograms, right: Histograms) -> Sums:
    """Return `left[i] + right[i]`."""
    return _pairwise(left, right, 1.0)


def subtract(left: Histograms, right: Histograms) -> Sums:
    """Return `left[i] - right[i]`, which are gauges."""
    found = _pairwise(left, right, -1.0)
    return replace(found, values=found.values.with_reset_hint(ResetHint.GAUGE))


def scaled(histograms: Histograms, factor: NDArray[np.float64]) -> Histograms:
    """Return `factor[i] * histograms[i]` without empty buckets; a negative factor makes a gauge."""
    found = _each(histograms, np.multiply, factor)
    return replace(found, reset_hint=_hint(histograms, factor)).compact()


def divided(histograms: Histograms, divisor: NDArray[np.float64]) -> Histograms:
    """
    Return `histograms[i] / divisor[i]` without empty buckets.

    A negative divisor makes a gauge, and zero leaves no buckets at all.
    """
    found = _each(histograms, np.divide, divisor)
    whole = divisor != 0
    found = replace(
        found,
        reset_hint=_hint(histograms, divisor),
        positive=found.positive.where(whole[found.positive.owners]),
        negative=found.negative.where(whole[found.negative.owners]),
    )
    return found.compact()


def equal(
    histograms: Histograms, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return whether histograms *rows* and *others* are the same; hints do not count."""
    return _compared(histograms, comparison_kernels.EQUAL, rows, others)


def resets(
    histograms: Histograms, rows: NDArray[np.int64], previous: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return whether a counter was reset between histogram `previous[i]` and `rows[i]`."""
    return _compared(histograms, comparison_kernels.RESET, rows, previous)


def _compared(
    histograms: Histograms, what: int, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.bool_]:
    if not len(rows):
        return np.empty(0, dtype=np.bool_)
    found: NDArray[np.bool_] = comparison_kernels.pairs(
        columns(histograms),
        what,
        np.ascontiguousarray(rows, dtype=np.int64),
        np.ascontiguousarray(others, dtype=np.int64),
    )
    return found


def _pairwise(left: Histograms, right: Histograms, sign: float) -> Sums:
    both, count = Histograms.concatenate((left, right)), len(left)
    source = np.stack((np.arange(count), np.arange(count, 2 * count)), axis=1).ravel()
    weight = np.tile((1.0, sign), count)
    return fold(both, 2 * np.arange(count + 1), source, weight=weight)


def _each(histograms: Histograms, change: np.ufunc, by: NDArray[np.float64]) -> Histograms:
    positive, negative = histograms.positive, histograms.negative
    return replace(
        histograms,
        count=change(histograms.count, by),
        sum=change(histograms.sum, by),
        zero_count=change(histograms.zero_count, by),
        positive=replace(positive, count=change(positive.count, by[positive.owners])),
        negative=replace(negative, count=change(negative.count, by[negative.owners])),
    )


def _hint(histograms: Histograms, factor: NDArray[np.float64]) -> NDArray[np.int8]:
    found: NDArray[np.int8] = np.where(factor < 0, np.int8(ResetHint.GAUGE), histograms.reset_hint)
    return found

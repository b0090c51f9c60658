"""Where buckets begin and end, for whole columns at once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.histograms import Buckets, Histograms

_ROUNDED: Final = (
    "1111112111211111112311222222222211211121122211221122102211221122"
    "1111112222332122112111211112111111121011213311221122112121332222"
    "2121223322322122212222323233223311221111223311322233212122332232"
    "2243222233333333333333444455334422322232324422333243223333543344"
)
"""
How Prometheus' table of these bounds, which its clients share, was rounded.

A digit for each: 1 where it is the nearest float, else so many units of 2 ** -53 more below it.
"""
FRACTIONS: Final = (
    0.5 * 2.0 ** (np.arange(256) / 256)
    - (np.array([int(digit) for digit in _ROUNDED]) - 1) * 2.0**-53
)
"""Bounds of schema 8 between 0.5 and 1; lower schemas use every second, fourth … of them."""
_LARGEST: Final = np.finfo(np.float64).max
_BEYOND: Final = 1026
"""A binary exponent that no float has."""


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Buckets as intervals of observed values; every array has shape `(buckets,)`."""

    owners: NDArray[np.int64]
    """The histogram of each bucket."""
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    count: NDArray[np.float64]


def positive(histograms: Histograms) -> Intervals:
    """Return the positive and the custom buckets, in rising order for each histogram."""
    buckets, owners = histograms.positive, histograms.positive.owners
    index, schema = buckets.index.astype(np.int64), histograms.schema[owners]
    lower, upper = exponential_bounds(index - 1, schema), exponential_bounds(index, schema)
    if histograms.custom.any():
        custom = histograms.custom[owners]
        lower = np.where(custom, _custom_bounds(histograms, owners, index - 1), lower)
        upper = np.where(custom, _custom_bounds(histograms, owners, index), upper)
    return Intervals(owners, lower, upper, buckets.count)


def negative(histograms: Histograms) -> Intervals:
    """Return the negative buckets, in falling order for each histogram."""
    buckets: Buckets = histograms.negative
    owners, index = buckets.owners, buckets.index.astype(np.int64)
    schema = histograms.schema[owners]
    lower, upper = -exponential_bounds(index, schema), -exponential_bounds(index - 1, schema)
    return Intervals(owners, lower, upper, buckets.count)


def exponential_bounds(index: NDArray[np.int64], schema: NDArray[np.int8]) -> NDArray[np.float64]:
    """
    Return the upper bounds of buckets *index* of exponential schemas: `2 ** (index / 2 ** schema)`.

    The bound that would be just above the largest float is that float, since infinities have a
    bucket of their own.
    """
    coarse = np.clip(-schema.astype(np.int64), 0, 4)
    fine = np.clip(schema.astype(np.int64), 0, 8)
    fraction = (index & ((1 << fine) - 1)) << (8 - fine)
    exponent = np.where(coarse > 0, (index << coarse) + 1, (index >> fine) + 1)
    fraction = np.where(coarse > 0, 0, fraction)
    bounds = np.ldexp(FRACTIONS[fraction], np.clip(exponent, -_BEYOND * 2, _BEYOND))
    largest = (fraction == 0) & (exponent == _BEYOND - 1)
    found: NDArray[np.float64] = np.where(largest, _LARGEST, bounds)
    return found


def _custom_bounds(
    histograms: Histograms, owners: NDArray[np.int64], index: NDArray[np.int64]
) -> NDArray[np.float64]:
    bounds = histograms.bounds
    lengths = bounds.lengths[owners]
    inside = (index >= 0) & (index < lengths)
    found = np.where(index < 0, -np.inf, np.inf)
    found[inside] = bounds.values[(bounds.offsets[owners] + index)[inside]]
    return found

"""DDSketch: quantiles of a stream with a stated relative error, in bounded memory."""

import math
from collections.abc import Iterable
from typing import Final

from veriscope.signals import InvalidInputError

DEFAULT_ACCURACY: Final = 0.01
"""A quantile is at most this share of itself away from the exact one."""
DEFAULT_MAX_BINS: Final = 2048
"""At 1 % accuracy these reach over 17 decimal orders of magnitude: nanoseconds to years."""
SMALLEST: Final = 1e-9
"""Smaller values are counted as zero: a nanosecond, where values are seconds."""


class DDSketch:
    """
    Counts values in bins that grow by the same factor, so that each quantile is close.

    With *relative_accuracy* a, a quantile lies within a times the exact value of it; `count`,
    `sum`, `min` and `max` are exact. Values must be finite and not negative; those below
    `SMALLEST` count as zero. Past *max_bins* bins the lowest two are joined: then low quantiles
    are too high, and high ones stay right. Not safe from several threads: the owner locks.

    Source: C. Masson, J. Rim, H. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
    relative-error guarantees", PVLDB 12(12), 2019.
    """

    __slots__ = (
        "_bins",
        "_log_gamma",
        "_max_bins",
        "_zeros",
        "count",
        "max",
        "min",
        "relative_accuracy",
        "sum",
    )

    def __init__(
        self,
        relative_accuracy: float = DEFAULT_ACCURACY,
        max_bins: int = DEFAULT_MAX_BINS,
    ) -> None:
        if not 0 < relative_accuracy < 1:
            raise InvalidInputError(
                f"relative_accuracy is {relative_accuracy}; it must be between 0 and 1"
            )
        if max_bins < 1:
            raise InvalidInputError(f"max_bins is {max_bins}; it must be at least 1")
        self.relative_accuracy = relative_accuracy
        self._log_gamma = math.log((1 + relative_accuracy) / (1 - relative_accuracy))
        self._max_bins = max_bins
        self._bins: dict[int, int] = {}
        self._zeros = 0
        self.count = 0
        self.sum = 0.0
        self.min = math.inf
        self.max = -math.inf

    def add(self, value: float) -> None:
        """Count *value*; `InvalidInputError` where it is negative, NaN or infinite."""
        if not 0 <= value < math.inf:
            raise InvalidInputError(f"{value} cannot be sketched; values are finite and >= 0")
        if value < SMALLEST:
            self._zeros += 1
        else:
            key = math.ceil(math.log(value) / self._log_gamma)
            bins = self._bins
            bins[key] = bins.get(key, 0) + 1
            if len(bins) > self._max_bins:
                self._collapse()
        self.count += 1
        self.sum += value
        self.min = min(self.min, value)
        self.max = max(self.max, value)

    def merge(self, other: "DDSketch") -> None:
        """
        Count what *other* counted, as if each value had been added here.

        Raises `InvalidInputError` where the accuracies differ: their bins do not fit.
        """
        if other.relative_accuracy != self.relative_accuracy:
            raise InvalidInputError(
                f"a sketch of accuracy {other.relative_accuracy} cannot be merged into one of"
                f" {self.relative_accuracy}"
            )
        for key, count in other._bins.items():  # noqa: SLF001 - of the same class
            self._bins[key] = self._bins.get(key, 0) + count
        self._collapse()
        self._zeros += other._zeros  # noqa: SLF001 - likewise
        self.count += other.count
        self.sum += other.sum
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)

    def quantile(self, q: float) -> float:
        """
        Return the value at rank `floor(q * (count - 1))` of the sorted values, within the accuracy.

        The lowest and the highest are exact. NaN without values; `InvalidInputError` where *q* is
        not between 0 and 1.
        """
        return self.quantiles((q,))[0]

    def quantiles(self, qs: Iterable[float]) -> list[float]:
        """Return the quantile of each of *qs*, as `quantile` does, in one sorting of the bins."""
        ordered = sorted(self._bins)
        return [self._at(q, ordered) for q in qs]

    def _at(self, q: float, ordered: list[int]) -> float:
        if not 0 <= q <= 1:
            raise InvalidInputError(f"{q} is not a quantile; it must be between 0 and 1")
        if not self.count:
            return math.nan
        rank = math.floor(q * (self.count - 1))
        if rank == self.count - 1:
            return self.max
        seen = self._zeros
        if rank < max(seen, 1):
            return self.min
        for key in ordered:
            seen += self._bins[key]
            if rank < seen:
                return min(max(self._middle(key), self.min), self.max)
        return self.max

    def _middle(self, key: int) -> float:
        """Return the value whose relative distance to both ends of the bin is the accuracy."""
        return math.exp(key * self._log_gamma) * (1 - self.relative_accuracy)

    def _collapse(self) -> None:
        surplus = len(self._bins) - self._max_bins
        if surplus <= 0:
            return
        ordered = sorted(self._bins)
        kept = ordered[surplus]
        self._bins[kept] += sum(self._bins.pop(key) for key in ordered[:surplus])

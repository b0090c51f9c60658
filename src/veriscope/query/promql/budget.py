"""What one query may use, and what it has used."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import QueryTimeoutError, QueryTooLargeError
from veriscope.query.options import QueryOptions
from veriscope.signals import Clock, FetchLimits, Matrix
from veriscope.signals.cancel import Cancellation

_POINT_BYTES: Final = 16
"""What a sample takes in Prometheus; a histogram counts as so many as its bytes hold."""


@dataclass(slots=True)
class Budget:
    """The time and the samples of one query; for use by a single thread."""

    options: QueryOptions
    clock: Clock
    timeout_ms: int
    begun_s: float
    """When the query began, as `Clock.monotonic_s`; its time counts from then."""
    cancel: Cancellation | None = None
    samples: int = 0
    """Samples fetched so far."""
    peak_samples: int = 0
    """The most samples that were held at a time: those fetched, and the largest result."""
    samples_per_step: NDArray[np.int64] | None = None
    """Samples that each step looked at, as Prometheus counts them; None where nobody asks."""

    def limits(self) -> FetchLimits:
        """
        Return what may still be used.

        Raises `QueryTimeoutError` if no time is left, and `WorkCancelledError`.
        """
        if self.cancel is not None:
            self.cancel.check()
        left_ms = int(self.timeout_ms - (self.clock.monotonic_s() - self.begun_s) * 1000)
        if left_ms <= 0:
            raise QueryTimeoutError(timeout_ms=self.timeout_ms)
        return FetchLimits(
            max_samples=self.options.max_samples,
            max_series=self.options.max_series,
            timeout_ms=left_ms,
            cancel=self.cancel,
        )

    def fetched(self, samples: int) -> None:
        """Count *samples* that were read; raise `QueryTooLargeError` where they are too many."""
        self.samples += samples
        self.check(0)

    def check(self, points: int) -> None:
        """Raise `QueryTooLargeError` where a result of *points* is too large."""
        self.peak_samples = max(self.peak_samples, self.samples + points)
        if (wanted := max(self.samples, points)) > self.options.max_samples:
            raise QueryTooLargeError(wanted=wanted, limit=self.options.max_samples)

    def check_vector(self, vector: Matrix) -> None:
        """Raise `QueryTooLargeError` where *vector* is too large."""
        histograms = 0
        if vector.histograms is not None:
            histograms = vector.histograms.values.nbytes // _POINT_BYTES
        self.check(vector.values.size + histograms)

    def looked_at(self, counts: NDArray[np.generic], *, pinned: bool) -> None:
        """
        Add what each step of a selector has looked at.

        What all steps share (*pinned*) counts for each of them; the steps of a subquery, which
        are others, are spread evenly.
        """
        total = self.samples_per_step
        if total is None:
            return
        if len(counts) == len(total):
            total += counts.astype(np.int64)
        elif pinned or len(counts) == 1:
            total += int(counts[0])
        else:
            total += int(counts.sum()) // len(total)

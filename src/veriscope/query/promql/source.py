"""Where the engine's data comes from."""

from typing import Protocol

from veriscope.signals import (
    FetchLimits,
    GridFetch,
    Matrix,
    RaggedSamples,
    RawFetch,
)


class SeriesSource(Protocol):
    """
    Answers fetches, from any thread.

    A fetch that would pass a limit fails with `LimitExceededError`. Series without a point
    may be left out of an answer; the order of series is free.
    """

    def fetch_grid(self, fetch: GridFetch, limits: FetchLimits) -> Matrix:
        """Return *fetch*'s function on every step of its grid."""

    def fetch_raw(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """Return the samples of *fetch*, stale markers included."""

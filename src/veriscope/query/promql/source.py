"""Where the engine's data comes from."""

from typing import Protocol

from veriscope.signals import FetchLimits, RaggedSamples, RawFetch


class SeriesSource(Protocol):
    """
    Answers fetches, from any thread.

    A fetch that would pass a limit fails with `LimitExceededError`. Series without a point
    may be left out of an answer; the order of series is free.
    """

    def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """Return the samples of *fetch*, stale markers included."""

    def version(self) -> int | None:
        """
        Return a number that grows with every change, None where changes may go unseen.

        A fetch that begins later sees all changes that it counts.
        """

    def first_ms_since(self, version: int) -> int | None:
        """
        Return the least timestamp that a change after *version* touched, None without a change.

        A number below 0 where anything may have changed.
        """

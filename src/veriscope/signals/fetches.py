"""Fetches: what a query plan asks of the store, as values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from veriscope.signals.matchers import Matcher

if TYPE_CHECKING:
    from veriscope.signals.cancel import Cancellation


@dataclass(frozen=True, slots=True)
class SeriesFetch:
    """Series that satisfy every matcher and have a sample in `[start_ms, end_ms]`."""

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RawFetch:
    """Every sample with `start_ms < t <= end_ms` of the series that satisfy every matcher."""

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RollupFetch:
    """
    What the samples of each bucket come to, of the series that satisfy every matcher.

    Buckets are *bucket_ms* long, end at multiples of it, and are those that end in
    `(start_ms, end_ms]`.
    """

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int
    bucket_ms: int


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds that a fetch must respect; past one it fails with `LimitExceededError`."""

    max_samples: int = 50_000_000
    """Samples that may be read from disk for one query."""
    max_series: int = 500_000
    """Series that may be selected."""
    max_memory_bytes: int = 4 << 30
    """Engine memory of one fetch."""
    timeout_ms: int = 120_000
    """Engine time."""
    cancel: "Cancellation | None" = None
    """Stops the fetch when whoever asked is gone."""

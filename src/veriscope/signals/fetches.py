"""Fetches: what a query plan asks of the store, as values."""

from dataclasses import dataclass
from enum import StrEnum

from veriscope.signals.grid import Grid
from veriscope.signals.matchers import Matcher


class GridFunction(StrEnum):
    """
    Functions that the store can compute for each step of a grid, over the window before it.

    The window of step *t* is `(t - window, t]`, as in Prometheus 3. All but `LATEST` leave
    stale markers out; `LATEST` gives no point where the newest sample is a stale marker.
    """

    LATEST = "latest"
    RATE = "rate"
    INCREASE = "increase"
    DELTA = "delta"
    IRATE = "irate"
    IDELTA = "idelta"
    SUM = "sum_over_time"
    AVG = "avg_over_time"
    MIN = "min_over_time"
    MAX = "max_over_time"
    COUNT = "count_over_time"
    LAST = "last_over_time"
    PRESENT = "present_over_time"
    CHANGES = "changes"
    RESETS = "resets"


class Reduction(StrEnum):
    """Aggregations over series that the store can fold into a fetch."""

    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`<reduction> by (names)`, or `without (names)`; without also drops `__name__`."""

    reduction: Reduction
    names: tuple[str, ...]
    without: bool = False


@dataclass(frozen=True, slots=True)
class SeriesFetch:
    """Series that satisfy every matcher and have a sample in `[start_ms, end_ms]`."""

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class GridFetch:
    """
    *function* of the series that satisfy every matcher, on every step of *grid*.

    *grid* is in the data's own time: `offset` and `@` are applied already. The answer keeps
    all labels, `__name__` included, unless *aggregation* folds them.
    """

    matchers: tuple[Matcher, ...]
    grid: Grid
    window_ms: int
    function: GridFunction
    aggregation: Aggregation | None = None


@dataclass(frozen=True, slots=True)
class RawFetch:
    """Every sample with `start_ms < t <= end_ms` of the series that satisfy every matcher."""

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int


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

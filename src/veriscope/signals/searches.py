"""Searches: what is asked of the store about spans and log records, as values."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from veriscope.signals.fetches import FetchLimits
from veriscope.signals.predicates import Field, Predicate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Figure(StrEnum):
    """A number that many spans or records come to. Durations are in seconds."""

    COUNT = "count"
    ERROR_RATE = "error_rate"
    """Share of spans whose status is `error`, from 0 to 1."""
    MEAN = "mean"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"


@dataclass(frozen=True, slots=True)
class Search:
    """
    The spans or records that satisfy *predicate*, of `(start_ms, end_ms]`, Unix milliseconds.

    A record is of its time, a span of its end.
    """

    predicate: Predicate
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Tally:
    """One *figure* of what a search finds, for each of the texts that the fields *by* have."""

    search: Search
    figure: Figure
    by: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """
    The answer to a tally: group *i* has the texts `keys[i]`, one a field, and `values[i]`.

    An absent field is `""`. Without fields a count has one group, even of nothing; there is no
    other group of nothing.
    """

    keys: tuple[tuple[str, ...], ...]
    values: "NDArray[np.float64]"


class TallySource(Protocol):
    """Answers tallies, from any thread."""

    def tally(self, tally: Tally, limits: FetchLimits) -> Groups:
        """
        Return the groups of *tally*, ordered by their texts.

        Raises `LimitExceededError` where there are more than `limits.max_series`.
        """


@dataclass(frozen=True, slots=True)
class PatternCount:
    """How often records of one service came that are alike but for numbers, ids and quotations."""

    service: str
    pattern: str
    """The beginning of their text; `<*>` stands for what differs."""
    before: int
    """Records up to the onset."""
    since: int
    """Records after it."""
    example: str
    """One of them, of those after the onset where there are any."""

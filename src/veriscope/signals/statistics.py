"""What the series of a store are made of: who has most of them, and how much rests where."""

from dataclasses import dataclass, field
from typing import TypeAlias

Ranking: TypeAlias = tuple[tuple[str, int], ...]
"""Names with their counts, the greatest first."""


@dataclass(frozen=True, slots=True)
class SeriesStatistics:
    """Counts over the series that had samples of late."""

    series: int = 0
    label_pairs: int = 0
    """Different pairs of a label's name and value."""
    samples: int = 0
    """Samples of those series, in all of the time that is counted."""
    first_ms: int = 0
    last_ms: int = 0
    series_by_metric: Ranking = ()
    values_by_label: Ranking = ()
    bytes_by_label: Ranking = ()
    """Bytes of the values of each label, over all series."""
    series_by_pair: Ranking = ()
    """Series that have a pair, spelled `name=value`."""


@dataclass(frozen=True, slots=True)
class Block:
    """Samples that rest together on disk, and the time that they may be from."""

    name: str
    first_ms: int
    last_ms: int
    samples: int
    bytes_on_disk: int
    level: int
    """How many times it was merged from others."""
    sources: tuple[str, ...] = field(default=())

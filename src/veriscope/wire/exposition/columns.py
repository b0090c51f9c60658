"""What a parsed exposition looks like: columns, and the table of the series seen before."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import InvalidInputError, MetricMetadata

NO_TIMESTAMP = np.iinfo(np.int64).min
"""Stands in `Exposition.timestamps_ms` for a sample that was exposed without a timestamp."""

ExposedLabels: TypeAlias = tuple[tuple[str, str], ...]
"""
Label pairs as exposed, the name under `__name__`, sorted by name, each name once.

Unlike `Labels` they keep empty values: with `honor_labels`, an exposed empty label hides the
target's label of that name.
"""


class ExpositionError(InvalidInputError):
    """A body is not the format that it claims to be; `line` counts from 1, 0 where unknown."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


@dataclass(slots=True)
class SeriesTable:
    """
    The series that one target has exposed, each parsed once.

    A series is known by the bytes that spell it (or, in protobuf, by its decoded fields), so
    that a scrape of known series costs one dictionary look-up a sample. Identifiers count up
    from 0 and index `labels`. Not safe for two threads at once.
    """

    ids: dict[Hashable, int] = field(default_factory=dict)
    labels: list[ExposedLabels] = field(default_factory=list)
    comments: list[bytes] = field(default_factory=list)
    metadata: tuple[MetricMetadata, ...] = ()

    def __len__(self) -> int:
        """Count the series."""
        return len(self.labels)

    def add(self, key: Hashable, labels: ExposedLabels) -> int:
        """Remember a series and return its identifier."""
        identifier = self.ids[key] = len(self.labels)
        self.labels.append(labels)
        return identifier


@dataclass(frozen=True, slots=True, eq=False)
class Exposition:
    """
    Samples in columns: sample *i* is `values[i]` of the table's series `series[i]`.

    `timestamps_ms` is None where no sample carries one, otherwise `NO_TIMESTAMP` marks those
    that do not. NaN is always the ordinary NaN, never a stale marker. `metadata` is the same
    object as in the last parse with the same table while the families stay the same.
    """

    series: NDArray[np.int64]
    values: NDArray[np.float64]
    timestamps_ms: NDArray[np.int64] | None
    metadata: tuple[MetricMetadata, ...]

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.values)


def to_exposition(
    series: list[int],
    values: list[float],
    timestamps_ms: dict[int, int],
    metadata: tuple[MetricMetadata, ...],
) -> Exposition:
    """Turn parsed lists into columns; *timestamps_ms* maps sample positions to timestamps."""
    column = None
    if timestamps_ms:
        column = np.full(len(values), NO_TIMESTAMP, dtype=np.int64)
        column[list(timestamps_ms)] = list(timestamps_ms.values())
    numbers = np.array(values, dtype=np.float64)
    numbers[np.isnan(numbers)] = np.nan
    return Exposition(np.array(series, dtype=np.int64), numbers, column, metadata)

"""Query results in columns: dense matrices on a grid, and ragged raw samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.grid import Grid
from veriscope.signals.labels import Labels


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """
    A vector on every step: row *i* is the series `labels[i]`, column *j* the *j*-th step.

    `values` has shape `(series, steps)`; where `present` (same shape) is False there is no
    point and the value means nothing. NaN is a value like any other.
    """

    labels: tuple[Labels, ...]
    grid: Grid
    values: NDArray[np.float64]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = (len(self.labels), len(self.grid))
        if self.values.shape != shape or self.present.shape != shape:
            raise ValueError(f"expected shape {shape}, got {self.values.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class RaggedSamples:
    """
    Raw samples of many series: those of `labels[i]` are the slice `offsets[i]:offsets[i + 1]`.

    Timestamps rise strictly within a series (duplicates are gone). `offsets` has shape
    `(series + 1,)`. Stale markers are still in `values`; see `is_stale`.
    """

    labels: tuple[Labels, ...]
    offsets: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]

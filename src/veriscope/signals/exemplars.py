"""Exemplars: single observations that stand for a series, mostly with the trace they came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.labels import Labels


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One observation: its own labels, such as `trace_id`, its value, and when it was made."""

    labels: Labels
    value: float
    time_ms: int


@dataclass(frozen=True, slots=True)
class ExemplarSeries:
    """The exemplars of one series, oldest first."""

    labels: Labels
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ExemplarBatch:
    """
    Exemplars in columns: *i* is `values[i]` at `timestamps_ms[i]` of `labels[series[i]]`.

    `exemplar_labels[i]` are its own labels. For `labels` see `SampleBatch`.
    """

    labels: tuple[Labels, ...]
    series: NDArray[np.uint32]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    exemplar_labels: tuple[Labels, ...]

    def __post_init__(self) -> None:
        columns = (self.timestamps_ms, self.values, self.exemplar_labels)
        if any(len(column) != len(self.series) for column in columns):
            raise ValueError("columns of a batch must have the same length")

    def __len__(self) -> int:
        """Count the exemplars."""
        return len(self.series)

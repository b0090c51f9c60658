"""Range vectors: windows over raw samples, and how compiled loops fill a matrix from them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ast import Edges
from veriscope.query.promql.threads import frozen, run_all, split
from veriscope.signals import Grid, LabelSets, RaggedSamples, Segment

Points: TypeAlias = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Values and where they are present, each of shape `(series, steps)`."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """
    The window `(end - length, end]` of every series at every step.

    *ends*, in the data's time, has the steps of *times* or a single one that serves them all
    (`@`). Edges that are not plain look up to *lookback_ms* beyond.
    """

    samples: RaggedSamples
    ends: Grid
    length_ms: int
    times: Grid
    edges: Edges = Edges.PLAIN
    lookback_ms: int = 0

    @property
    def labels(self) -> LabelSets:
        """The label sets of the series."""
        return self.samples.labels

    def fill(
        self, kernel: Callable[..., None], op: int, *extra: object, each_step: bool = False
    ) -> Points:
        """
        Return what *kernel* writes for all series; large work is split over threads.

        It is called with *op*, columns and windows, *extra* and the arrays to write. Unless
        *each_step*, its results only depend on the windows, so one for all steps is computed once.
        """
        steps, step_ms = len(self.times), self.ends.step_ms
        if pinned := len(self.ends) == 1:
            step_ms = 0
            steps = steps if each_step else 1
        values = np.empty((len(self.labels), steps))
        present = np.empty(values.shape, dtype=np.bool_)
        windows = self.ends.start_ms, step_ms, self.length_ms
        work = values.size + sum(_samples(segment) for segment in self.samples.segments)
        tasks: list[Callable[[], None]] = []
        first = 0
        for segment in self.samples.segments:
            rows = slice(first, first + len(segment))
            first = rows.stop
            starts, stops, *columns = _columns(segment)
            tasks += [
                partial(
                    kernel,
                    op,
                    starts[part],
                    stops[part],
                    *columns,
                    *windows,
                    *extra,
                    values[rows][part],
                    present[rows][part],
                )
                for part in split(len(segment), work, len(values))
            ]
        run_all(tasks, work)
        if pinned and steps < len(self.times):
            shape = (len(values), len(self.times))
            return np.broadcast_to(values, shape), np.broadcast_to(present, shape)
        return values, present


def _columns(segment: Segment) -> tuple[NDArray[Any], ...]:
    return (
        frozen(segment.starts),
        frozen(segment.stops),
        frozen(segment.timestamps_ms),
        frozen(segment.values),
    )


def _samples(segment: Segment) -> int:
    return int((segment.stops - segment.starts).sum())

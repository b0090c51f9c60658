"""Groups of series: which rows belong together under `by`, `without`, `on` and `ignoring`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import METRIC_NAME, Labels, LabelSets


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """`labels[g]` is what the rows with `ids[row] == g` have in common."""

    labels: LabelSets
    ids: NDArray[np.int64]
    order: NDArray[np.int64]
    """The rows ordered by group, those of one in their order."""
    bounds: NDArray[np.int64]
    """Group *g* has the rows `order[bounds[g]:bounds[g + 1]]`."""

    def __len__(self) -> int:
        """Count the groups."""
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Projection:
    """What keeps only the labels in *names*, or (*drop*) all but them."""

    names: frozenset[str]
    drop: bool

    def __call__(self, labels: Labels) -> Labels:
        """Return what is left of *labels*."""
        if self.drop:
            dropped = self.names
            return tuple([pair for pair in labels if pair[0] not in dropped])
        if not self.names:
            return ()
        wanted = self.names
        return tuple([pair for pair in labels if pair[0] in wanted])


def projection(names: Sequence[str], *, drop: bool) -> Projection:
    """Return what keeps only the labels in *names*, or (*drop*) what drops them and the name."""
    return Projection(frozenset(names) | ({METRIC_NAME} if drop else frozenset()), drop)


def group_rows(labels: Sequence[Labels], project: Callable[[Labels], Labels]) -> Groups:
    """
    Group rows by *project* of their labels; groups are in the order of their first row.

    The groups of a `LabelSets` under a `Projection` are remembered with it.
    """
    if isinstance(labels, LabelSets) and isinstance(project, Projection):
        return labels.derived(project, lambda rows: _group_rows(rows, project))
    return _group_rows(labels, project)


def _group_rows(labels: Sequence[Labels], project: Callable[[Labels], Labels]) -> Groups:
    numbers: dict[Labels, int] = {}
    ids = np.array([numbers.setdefault(project(row), len(numbers)) for row in labels], np.int64)
    order = np.argsort(ids, kind="stable")
    bounds = np.searchsorted(ids[order], np.arange(len(numbers) + 1))
    return Groups(LabelSets(numbers), ids, order, bounds)

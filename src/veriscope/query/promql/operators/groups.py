"""Groups of series: which rows belong together under `by`, `without`, `on` and `ignoring`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import METRIC_NAME, Labels


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """`labels[g]` is what the rows with `ids[row] == g` have in common."""

    labels: tuple[Labels, ...]
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the groups."""
        return len(self.labels)

    def sorted_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows ordered by group (stable), and where each group starts therein."""
        order = np.argsort(self.ids, kind="stable")
        return order, np.searchsorted(self.ids[order], np.arange(len(self)))

    def members(self) -> list[NDArray[np.int64]]:
        """Return the rows of each group, in their order."""
        order, starts = self.sorted_rows()
        return np.split(order, starts[1:]) if len(self) else []


def projection(names: Sequence[str], *, drop: bool) -> Callable[[Labels], Labels]:
    """Return what keeps only the labels in *names*, or (*drop*) what drops them and the name."""
    wanted = frozenset(names)
    if drop:
        dropped = wanted | {METRIC_NAME}
        return lambda labels: tuple([pair for pair in labels if pair[0] not in dropped])
    if not wanted:
        return lambda _: ()
    if len(wanted) == 1:
        (only,) = wanted
        return lambda labels: tuple([pair for pair in labels if pair[0] == only])
    return lambda labels: tuple([pair for pair in labels if pair[0] in wanted])


def group_rows(labels: Sequence[Labels], project: Callable[[Labels], Labels]) -> Groups:
    """Group rows by *project* of their labels; groups are in the order of their first row."""
    numbers: dict[Labels, int] = {}
    ids = [numbers.setdefault(project(row), len(numbers)) for row in labels]
    return Groups(tuple(numbers), np.array(ids, dtype=np.int64))

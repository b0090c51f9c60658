"""Time grids: the evaluation steps of a query."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Grid:
    """
    Evaluation times `start_ms`, `start_ms + step_ms`, … up to and including `end_ms`.

    All in Unix milliseconds. An instant query is a grid of one step (`start_ms == end_ms`).
    """

    start_ms: int
    end_ms: int
    step_ms: int

    def __post_init__(self) -> None:
        if self.step_ms <= 0 or self.end_ms < self.start_ms:
            raise ValueError(f"not a grid: {self}")

    def __len__(self) -> int:
        """Count the steps."""
        return (self.end_ms - self.start_ms) // self.step_ms + 1

    @classmethod
    def instant(cls, time_ms: int) -> "Grid":
        """Return the grid of the single step *time_ms*."""
        return cls(time_ms, time_ms, 1)

    @property
    def last_ms(self) -> int:
        """The last step, which is `end_ms` only where the range divides evenly."""
        return self.start_ms + (len(self) - 1) * self.step_ms

    def shifted(self, by_ms: int) -> "Grid":
        """Return the same grid, *by_ms* later (earlier where negative)."""
        return Grid(self.start_ms + by_ms, self.end_ms + by_ms, self.step_ms)

    def times_ms(self) -> NDArray[np.int64]:
        """Return every step, shape `(len(self),)`."""
        return self.start_ms + np.arange(len(self), dtype=np.int64) * self.step_ms

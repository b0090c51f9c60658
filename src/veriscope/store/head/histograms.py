"""Native histograms of a metric's rows."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import HistogramSamples
from veriscope.signals.histograms import Histograms

# The newer ones are merged into the others once there are so many, or an eighth of them.
_FEW: Final = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class HistogramRows:
    """
    Histograms in order of row and time, one at a time: `values` *i* of row `rows[i]`.

    `newer` are some more, that came later and may belong anywhere between them.
    """

    rows: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    values: Histograms
    newer: "HistogramRows | None" = None

    @classmethod
    def of(
        cls, rows: NDArray[np.int64], timestamps_ms: NDArray[np.int64], values: Histograms
    ) -> "HistogramRows":
        """
        Put histograms in order.

        Of two of a row at one time the one with the greatest count is taken, and a stale marker
        where there is no other; so does table `histograms`.
        """
        count = np.where(np.isnan(values.count), -1.0, values.count)
        order = np.lexsort((count, timestamps_ms, rows))
        rows, timestamps_ms = rows[order], timestamps_ms[order]
        last = np.append(
            (rows[1:] != rows[:-1]) | (timestamps_ms[1:] != timestamps_ms[:-1]),
            np.ones(min(1, len(rows)), dtype=np.bool_),
        )
        return cls(rows[last], timestamps_ms[last], values.take(order[last]))

    @property
    def nbytes(self) -> int:
        """What they take in memory, roughly."""
        newer = self.newer.nbytes if self.newer else 0
        return newer + self.values.nbytes + self.rows.nbytes + self.timestamps_ms.nbytes

    @property
    def newest_ms(self) -> int:
        """No histogram is newer."""
        newer = self.newer.newest_ms if self.newer else -1
        return max(newer, int(self.timestamps_ms.max())) if len(self.rows) else newer

    def with_samples(self, more: "HistogramRows", after_ms: int) -> "HistogramRows":
        """Return these and *more*; where all are merged, only what is after *after_ms*."""
        newer = self.newer.merged(more) if self.newer else more
        if len(newer.rows) <= max(_FEW, len(self.rows) >> 3):
            return replace(self, newer=newer)
        both = replace(self, newer=None).merged(newer)
        return both.chosen(both.timestamps_ms > after_ms)

    def merged(self, other: "HistogramRows") -> "HistogramRows":
        """Return both in order."""
        if not len(self.rows) or not len(other.rows):
            return self if len(self.rows) else other
        return HistogramRows.of(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.timestamps_ms, other.timestamps_ms]),
            Histograms.concatenate([self.values, other.values]),
        )

    def chosen(self, mask: NDArray[np.bool_]) -> "HistogramRows":
        """Return those where *mask* is True; `newer` are left out."""
        if mask.all():
            return replace(self, newer=None)
        return HistogramRows(self.rows[mask], self.timestamps_ms[mask], self.values.take(mask))

    def cut(self, places: NDArray[np.int64], after_ms: int, until_ms: int) -> HistogramSamples:
        """
        Return the histograms in `(after_ms, until_ms]`, their rows replaced by `places[row]`.

        Rows whose place is -1 are left out; the others keep their order.
        """
        parts = [
            part.chosen(
                (part.timestamps_ms > after_ms)
                & (part.timestamps_ms <= until_ms)
                & (places[part.rows] >= 0)
            )
            for part in ((self, self.newer) if self.newer else (self,))
        ]
        found = parts[0].merged(parts[1]) if self.newer else parts[0]
        return HistogramSamples(places[found.rows], found.timestamps_ms, found.values)

"""The series of one metric: label sets by row, and which of them matchers select."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Labels, LabelSets, Matcher, label_value
from veriscope.store.head.matching import matching
from veriscope.store.head.recent import Recent

_SELECTIONS: Final = 256
_PARTS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """
    The rows that some matchers select, ascending, and their label sets.

    `seen` is how many rows were asked.
    """

    rows: NDArray[np.int64]
    labels: LabelSets
    seen: int
    _parts: Recent[bytes, LabelSets] = field(default_factory=lambda: Recent(_PARTS))

    def part(self, chosen: NDArray[np.bool_]) -> LabelSets:
        """Return the label sets of the rows *chosen*: the same object for the same choice."""
        return self._parts.found(
            chosen.tobytes(),
            lambda: LabelSets([self.labels[row] for row in np.flatnonzero(chosen).tolist()]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """The values of one label: row *r* has `values[codes[r]]`, `""` where it has no such label."""

    codes: NDArray[np.int32]
    values: dict[str, int]
    """Each value and its code, in the order of the codes."""

    def extended(self, name: str, labels: Sequence[Labels]) -> "_Column":
        """Return the column with a row for each of *labels* behind it."""
        values = dict(self.values)
        codes = [values.setdefault(label_value(row, name), len(values)) for row in labels]
        return _Column(np.concatenate([self.codes, np.array(codes, dtype=np.int32)]), values)


_EMPTY: Final = _Column(np.empty(0, dtype=np.int32), {})


class Catalog:
    """The label sets of a metric's rows. It never changes; `extended` makes a larger one."""

    def __init__(self, labels: LabelSets) -> None:
        self.labels = labels
        self._columns: dict[str, _Column] = {}
        self._selections: Recent[tuple[Matcher, ...], Selection] = Recent(_SELECTIONS)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.labels)

    def extended(self, labels: Sequence[Labels]) -> "Catalog":
        """Return a catalog of these rows and of *labels* behind them; it keeps what is known."""
        made = Catalog(LabelSets((*self.labels, *labels)))
        made._columns = dict(self._columns)
        made._selections = self._selections.copied()
        return made

    def select(self, matchers: tuple[Matcher, ...]) -> Selection:
        """
        Return the rows that satisfy every one of *matchers*: the same object for the same rows.

        Raises `RefusedError` for a regular expression that RE2 does not take.
        """
        known = self._selections.get(matchers)
        if known is not None and known.seen == len(self):
            return known
        return self._selections.put(matchers, self._select(matchers, known))

    def values(self, name: str, rows: NDArray[np.int64]) -> list[str]:
        """Return the distinct values that label *name* has in *rows*; `""` where it is absent."""
        column = self._column(name)
        values = list(column.values)
        return [values[code] for code in np.unique(column.codes[rows]).tolist()]

    def _select(self, matchers: tuple[Matcher, ...], known: Selection | None) -> Selection:
        seen = known.seen if known else 0
        chosen = np.ones(len(self) - seen, dtype=np.bool_)
        for matcher in matchers:
            column = self._column(matcher.name)
            takes = np.array(matching(matcher, list(column.values)), dtype=np.bool_)
            chosen &= takes[column.codes[seen:]]
        rows = np.flatnonzero(chosen) + seen
        if known is None and len(rows) == len(self):
            return Selection(rows, self.labels, len(self))
        if known is not None and not len(rows):
            return replace(known, seen=len(self))
        before: Sequence[Labels] = known.labels if known else ()
        labels = LabelSets([*before, *[self.labels[row] for row in rows.tolist()]])
        return Selection(np.concatenate([known.rows, rows]) if known else rows, labels, len(self))

    def _column(self, name: str) -> _Column:
        column = self._columns.get(name, _EMPTY)
        if len(column.codes) < len(self):
            column = column.extended(name, self.labels[len(column.codes) :])
            self._columns[name] = column
        return column

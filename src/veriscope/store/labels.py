"""Label sets by series id. They never change, so what is known is never asked again."""

from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from veriscope.signals import FetchLimits, Labels
from veriscope.store.engine import Engine
from veriscope.store.select import IDS_AT_ONCE, Statement, select_labels


class LabelCache:
    """
    The label sets of series that were asked for; safe to use from many threads.

    An orphan has none, which is an empty label set here: samples whose insert was cut off
    (`kill -9`) before their series were written. They were never acknowledged.
    """

    _MAX_SERIES: Final = 1_000_000

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[int, Labels] = {}

    def of(self, ids: Sequence[int], limits: FetchLimits) -> tuple[Labels, ...]:
        """Return the label set of each of *ids*, in their order."""
        known = self._with_room_for(ids)
        missing = [series for series in ids if series not in known]
        for start in range(0, len(missing), IDS_AT_ONCE):
            some = missing[start : start + IDS_AT_ONCE]
            self._load(
                Statement(
                    "SELECT id, CAST(labels, 'Map(String, String)') AS labels FROM series"
                    " WHERE id IN {ids:Array(UInt64)} LIMIT 1 BY id",
                    {"ids": some},
                ),
                known,
                limits,
            )
        return tuple([known.get(series, ()) for series in ids])

    def of_metrics(
        self, ids: Sequence[int], metrics: Sequence[str], after_ms: int, limits: FetchLimits
    ) -> list[Labels]:
        """Return the label sets of *ids*: series of *metrics* with samples after *after_ms*."""
        known = self._with_room_for(ids)
        if any(series not in known for series in ids):
            self._load(select_labels(metrics, after_ms), known, limits)
        return [known.get(series, ()) for series in ids]

    def learn(self, series: Iterable[tuple[int, Labels]]) -> None:
        """Take over what a writer knows."""
        self._known.update(series)

    def _with_room_for(self, ids: Sequence[int]) -> dict[int, Labels]:
        known = self._known
        if len(known) + len(ids) > self._MAX_SERIES:
            # Readers hold on to the old dictionary; this one starts afresh.
            known = {series: known[series] for series in ids if series in known}
            self._known = known
        return known

    def _load(self, statement: Statement, known: dict[int, Labels], limits: FetchLimits) -> None:
        rows = self._engine.ask(statement, limits)
        maps = rows["labels"].combine_chunks()
        names, values = _shared_strings(maps.keys), _shared_strings(maps.items)
        offsets = maps.offsets.to_pylist()
        pairs = list(zip(names, values, strict=True))
        for row, series in enumerate(rows["id"].to_pylist()):
            known[series] = tuple(pairs[offsets[row] : offsets[row + 1]])


def _shared_strings(column: pa.Array) -> list[str]:
    """Return *column* as Python strings, equal ones being one object."""
    encoded = pc.dictionary_encode(column)
    distinct = encoded.dictionary.to_pylist()
    return [distinct[index] for index in encoded.indices.to_pylist()]

"""Label sets by series id. They never change, so what is known is never asked again."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veriscope.signals import FetchLimits, Labels
from veriscope.store.engine import Engine
from veriscope.store.select import IDS_AT_ONCE, Statement, select_labels

Pair: TypeAlias = tuple[str, str]


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
        self._pairs: dict[Pair, Pair] = {}

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

    def learn(self, ids: Sequence[int], labels: pa.MapArray) -> None:
        """Take over what a writer knows."""
        self._known.update(zip(ids, label_sets(labels, self._pairs), strict=True))

    def _with_room_for(self, ids: Sequence[int]) -> dict[int, Labels]:
        known = self._known
        if len(known) + len(ids) > self._MAX_SERIES:
            # Readers hold on to the old dictionary; this one starts afresh.
            known = {series: known[series] for series in ids if series in known}
            self._known, self._pairs = known, {}
        return known

    def _load(self, statement: Statement, known: dict[int, Labels], limits: FetchLimits) -> None:
        rows = self._engine.ask(statement, limits)
        maps = rows["labels"].combine_chunks()
        known.update(zip(rows["id"].to_pylist(), label_sets(maps, self._pairs), strict=True))


def label_sets(maps: pa.MapArray, pairs: dict[Pair, Pair]) -> list[Labels]:
    """Return the label sets of *maps*, equal pairs being one object: the one that *pairs* has."""
    names, values = pc.dictionary_encode(maps.keys), pc.dictionary_encode(maps.items)
    count = len(values.dictionary)
    codes = names.indices.to_numpy().astype(np.int64) * count + values.indices.to_numpy()
    coded = pc.dictionary_encode(pa.array(codes))
    distinct = coded.dictionary.to_numpy()
    found = zip(_picked(names, distinct // count), _picked(values, distinct % count), strict=True)
    shared = [pairs.setdefault(pair, pair) for pair in found]
    rows = [shared[place] for place in coded.indices.to_pylist()]
    return [tuple(rows[start:end]) for start, end in pairwise(maps.offsets.to_pylist())]


def _picked(encoded: pa.DictionaryArray, places: NDArray[np.int64]) -> list[str]:
    """Return the texts at *places* of the dictionary, equal ones being one object."""
    texts = encoded.dictionary.to_pylist()
    return [texts[place] for place in places.tolist()]

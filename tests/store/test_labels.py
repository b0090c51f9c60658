"""What known series cost in memory."""

import tracemalloc
from typing import Final

import numpy as np
import pyarrow as pa

from veriscope.signals import Labels, to_labels
from veriscope.store.identity import identify_text
from veriscope.store.known import KnownSeries
from veriscope.store.labels import Pair, label_sets

_SERIES_OF_HOST: Final = 20


def host(number: int) -> list[Labels]:
    """Return the series of a host, with twelve labels each."""
    shared = {f"label_{place}": f"value_{number % (place + 2)}" for place in range(9)}
    return [
        to_labels({"__name__": f"metric_{one % 5}", "cpu": str(one), "host": str(number)} | shared)
        for one in range(_SERIES_OF_HOST)
    ]


def test_equal_pairs_of_labels_are_one_object() -> None:
    """Also of label sets that were read at another time."""
    pairs: dict[Pair, Pair] = {}
    read = [label_sets(identify_text(host(0)).labels, pairs) for _ in range(2)]
    assert read == [host(0)] * 2
    kept = {id(pair) for labels in (*read[0], *read[1]) for pair in labels}
    assert len(kept) == len({pair for labels in host(0) for pair in labels})


def test_a_part_of_a_column_is_read_as_itself() -> None:
    """Whatever stands before and after it."""
    column = identify_text([*host(0), *host(1)]).labels
    assert label_sets(column.take(pa.array([21, 3])), {}) == [host(1)[1], host(0)[3]]


def test_labels_of_a_series_take_little_memory() -> None:
    """Twelve pairs with strings of their own would take two thousand bytes a series."""
    hosts = 200
    columns = [identify_text(host(number)).labels for number in range(hosts)]
    pairs: dict[Pair, Pair] = {}
    known: dict[int, Labels] = {}
    label_sets(columns[0], {})
    tracemalloc.start()
    try:
        for number, column in enumerate(columns):
            ids = range(number * _SERIES_OF_HOST, (number + 1) * _SERIES_OF_HOST)
            known.update(zip(ids, label_sets(column, pairs), strict=True))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(known) == hosts * _SERIES_OF_HOST
    assert held / len(known) < 400


def test_a_known_series_takes_little_memory() -> None:
    """Its row, and the ways to find it by id and by what a sender sent."""
    known, count = KnownSeries(), 100_000
    number = known.number_of("m")
    for first in range(0, count, 10_000):
        ids = np.arange(first + 1, first + 10_001, dtype=np.uint64)
        rows = known.add(np.full(len(ids), number), ids, 0)
        known.name(np.stack((ids, ids), axis=1), rows)
    assert len(known) == count
    assert known.nbytes / count < 300

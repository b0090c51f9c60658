"""The table of known series, against dictionaries."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from veriscope.store.known import KnownSeries, RowTable

_words = st.integers(0, 2**64 - 1)
_keys = st.tuples(_words, _words).filter(any)


def keys_of(pairs: list[tuple[int, int]]) -> NDArray[np.uint64]:
    """Return *pairs* as the table takes them."""
    return np.array(pairs, dtype=np.uint64).reshape(-1, 2)


@settings(deadline=None)
@given(st.lists(st.dictionaries(_keys, st.integers(0, 9_999), max_size=40), max_size=8), st.data())
def test_the_table_is_a_dictionary(
    added: list[dict[tuple[int, int], int]], data: st.DataObject
) -> None:
    """It grows as needed, and a key that comes again leads to its new row."""
    table, expected = RowTable(), {}
    for some in added:
        expected.update(some)
        table.add(keys_of(list(some)), np.array(list(some.values()), dtype=np.int32))
    assert len(table) == len(expected)
    asked = data.draw(st.lists(st.one_of(_keys, st.sampled_from(sorted(expected) or [(1, 1)]))))
    found = table.find(keys_of(asked)).tolist()
    assert found == [expected.get(key, -1) for key in asked]


def test_a_big_table_keeps_every_key_and_is_no_larger_than_needed() -> None:
    """A hundred thousand keys in steps, some of them alike in all but one word."""
    table, random = RowTable(), np.random.default_rng(1)
    keys = random.integers(0, 2**64 - 1, (100_000, 2), dtype=np.uint64)
    keys[:1000, 0] = 7
    rows = np.arange(100_000, dtype=np.int32)
    for start in range(0, 100_000, 9_000):
        table.add(keys[start : start + 9_000], rows[start : start + 9_000])
    np.testing.assert_array_equal(table.find(keys), rows)
    assert np.all(table.find(keys + np.uint64(1)) == -1)
    assert table.nbytes < 100_000 * 64


def test_a_key_of_zeros_is_none() -> None:
    """A series whose labels cannot be hashed is never taken for another one."""
    table = RowTable()
    table.add(keys_of([(0, 0), (0, 1)]), np.array([3, 4], dtype=np.int32))
    assert table.find(keys_of([(0, 0), (0, 1)])).tolist() == [-1, 4]


def known_of(names: list[str], ids: list[int], epoch: int = 0) -> KnownSeries:
    """Return series *ids* of the metrics *names*."""
    known = KnownSeries()
    rows = known.add([known.number_of(name) for name in names], ids, epoch)
    known.name(keys_of([(identity, 9) for identity in ids]), rows)
    return known


def test_series_are_found_by_key_and_by_id() -> None:
    """An id of zero is one like any other."""
    known = known_of(["a", "b", "a"], [0, 2**64 - 1, 5])
    assert known.find(keys_of([(5, 9), (0, 9), (0, 8)])).tolist() == [2, 0, -1]
    assert known.find_ids(np.array([2**64 - 1, 0, 6], dtype=np.uint64)).tolist() == [1, 0, -1]
    assert [known.metrics[place] for place in known.metric] == ["a", "b", "a"]
    assert (known.count_of("a"), known.count_of("b"), known.count_of("c")) == (2, 1, 0)


def test_what_was_not_used_is_swept() -> None:
    """Its row, its keys and its share of the counts go; the others are found in new places."""
    known = known_of([f"m{i % 3}" for i in range(30)], list(range(30)))
    rows = known.find_ids(np.arange(0, 30, 3, dtype=np.uint64))
    known.cover(rows, np.full(10, 5), np.full(10, 9))
    known.use(rows, 2)
    assert known.sweep(1) == 20
    assert len(known) == 10
    ids = np.arange(30, dtype=np.uint64)
    found = known.find(keys_of([(identity, 9) for identity in range(30)]))
    np.testing.assert_array_equal(found, known.find_ids(ids))
    assert known.ids[found[found >= 0]].tolist() == list(range(0, 30, 3))
    assert (known.count_of("m0"), known.count_of("m1")) == (10, 0)
    assert known.metrics == ["m0"]
    assert not np.any(known.uncovered(found[found >= 0], np.full(10, 7)))
    assert known.add([known.number_of("new")], [99], 2).tolist() == [10]
    assert known.sweep(1) == 0


def test_a_series_covers_nothing_at_first() -> None:
    """Every time must be told of; then those outside of the span."""
    known = known_of(["a"], [1])
    row = np.zeros(4, dtype=np.int32)
    times = np.array([0, 10, 20, 21])
    assert known.uncovered(row, times).all()
    known.cover(row[:1], np.array([10]), np.array([20]))
    assert known.uncovered(row, times).tolist() == [True, False, False, True]


def test_names_without_end_take_no_memory_without_end() -> None:
    """As of a sender that brings the labels in another order each time."""
    known, rows = known_of(["m"] * 1_000, list(range(1_000))), np.arange(1_000, dtype=np.int32)
    random = np.random.default_rng(1)
    for _ in range(200):
        keys = random.integers(1, 2**64 - 1, (1_000, 2), dtype=np.uint64)
        known.name(keys, rows)
        np.testing.assert_array_equal(known.find(keys), rows)
    assert known.nbytes < 2 << 20
    np.testing.assert_array_equal(known.find_ids(np.arange(1_000, dtype=np.uint64)), rows)


def test_a_series_begins_to_count_once() -> None:
    """At a time before its point, by a day at most, that none of its points reached yet."""
    known, day = known_of(["a", "b"], [1, 2]), 24 * 3_600_000
    rows = np.array([0, 0, 1, 1], dtype=np.int32)
    times = day + np.array([10, 20, 10, 30])
    starts = day + np.array([5, 5, 10, 20])
    assert known.starts(rows, times, starts).tolist() == [True, False, False, True]
    assert known.starts(rows, times, starts).tolist() == [False, False, False, False]
    assert known.starts(rows[:1], times[:1] + 20, starts[:1] + 20).tolist() == [True]
    row, times = rows[3:], day + np.array([40])
    for start, begun in ((0, False), (-5, False), (2**63 - 1, False), (day + 30, False)):
        assert known.starts(row, times, np.array([start])).tolist() == [begun]
    assert known.starts(row, 3 * times, 3 * times - day - 1).tolist() == [False]
    assert known.starts(row, 5 * times, 5 * times - day).tolist() == [True]
    known.forget_starts()
    assert known.starts(row, times, times - 1).tolist() == [True]


def test_it_takes_little_memory() -> None:
    """A hundred bytes and some for each series."""
    known = known_of(["m"] * 100_000, list(range(100_000)))
    assert known.nbytes < 250 * 100_000

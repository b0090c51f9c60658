"""Rows of samples that grow, against a plain dictionary."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veriscope.store.head.columns import Arrivals, Columns, Filling, empty

ROWS = 4
Reference = list[dict[int, float]]


def arrivals(samples: list[tuple[int, int, float]]) -> Arrivals:
    """Return samples, each a row, a time and a value, in columns."""
    return Arrivals(
        np.array([row for row, _, _ in samples], dtype=np.int32),
        np.array([time for _, time, _ in samples], dtype=np.int64),
        np.array([value for _, _, value in samples]),
    )


def remember(reference: Reference, samples: list[tuple[int, int, float]], after_ms: int) -> None:
    """Do as table `samples` does: the greatest value counts, and a number before a NaN."""
    for row, time, value in samples:
        if row >= 0 and time > after_ms:
            old = reference[row].get(time, math.nan)
            reference[row][time] = value if math.isnan(old) else max(old, value)


def held(columns: Columns) -> Reference:
    """Return what *columns* hold; times rise within each row, and rows do not overlap."""
    regions = sorted(zip(columns.starts.tolist(), columns.limits.tolist(), strict=True))
    assert all(end <= start for (_, end), (start, _) in pairwise(regions))
    found: Reference = []
    for start, stop in zip(columns.starts, columns.stops, strict=True):
        times = columns.timestamps_ms[start:stop].tolist()
        assert times == sorted(set(times))
        found.append(dict(zip(times, columns.values[start:stop].tolist(), strict=True)))
    return found


def same(found: Reference, expected: Reference) -> bool:
    """Compare, NaN being itself."""
    return str([sorted(row.items()) for row in found]) == str(
        [sorted(row.items()) for row in expected]
    )


STEP = st.lists(
    st.tuples(
        st.integers(-1, ROWS - 1),
        st.integers(0, 200),
        st.sampled_from([1.0, 2.0, -1.0, math.nan, math.inf]),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEP, max_size=8), cuts=st.tuples(st.integers(-1, 210), st.integers(-1, 210)))
def test_rows_hold_what_was_added(
    steps: list[list[tuple[int, int, float]]], cuts: tuple[int, int]
) -> None:
    """In whatever order; what was cut out before stays as it was; old samples can be dropped."""
    columns = empty(0, 0, 100).grown(ROWS)
    reference: Reference = [{} for _ in range(ROWS)]
    after_ms = -1
    seen: list[tuple[Columns, Reference]] = []
    for number, step in enumerate(steps):
        added = columns.with_samples(arrivals(step), after_ms)
        if added is None:
            after_ms = max(after_ms, 10 * number)
            reference = [{t: v for t, v in row.items() if t > after_ms} for row in reference]
            columns = columns.rebuilt(after_ms, columns.room_for(arrivals(step)))
            assert same(held(columns), reference)
            added = columns.with_samples(arrivals(step), after_ms)
            assert added is not None
        columns = added
        remember(reference, step, after_ms)
        seen.append((columns, [dict(row) for row in reference]))
    for old, expected in seen:
        assert same(held(old), expected)
        times = [time for row in expected for time in row]
        assert all(old.oldest_ms <= time <= old.newest_ms for time in times)
    first, last = min(cuts), max(cuts)
    segment, nothing = columns.cut(np.arange(ROWS), first, last)
    for row, (start, stop) in enumerate(zip(segment.starts, segment.stops, strict=True)):
        inside = sorted(time for time in reference[row] if first < time <= last)
        assert segment.timestamps_ms[start:stop].tolist() == inside
    assert nothing == int((segment.stops == segment.starts).sum())


@settings(max_examples=100, deadline=None)
@given(
    samples=st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 30), st.sampled_from([1.0, 2.0, math.nan])),
        max_size=200,
    ),
    pieces=st.integers(1, 50),
    expected=st.integers(0, 200),
)
def test_samples_are_loaded_piece_by_piece(
    samples: list[tuple[int, int, float]], pieces: int, expected: int
) -> None:
    """A row may begin in one piece and end in another, and there may be more than was expected."""
    samples = sorted(samples, key=lambda sample: sample[:2])
    series = sorted({row for row, _, _ in samples})
    filling = Filling(len(series), expected)
    for start in range(0, len(samples), pieces):
        part = samples[start : start + pieces]
        filling.add(
            np.array([row for row, _, _ in part], dtype=np.uint64),
            np.array([time for _, time, _ in part], dtype=np.int64),
            np.array([value for _, _, value in part]),
            len({row for row, _, _ in part}),
        )
    ids, columns = filling.filled()
    reference: Reference = [{} for _ in series]
    remember(reference, [(series.index(row), time, value) for row, time, value in samples], -1)
    assert ids.tolist() == series
    assert same(held(columns), reference)


def test_a_row_grows_in_place_until_it_must_move() -> None:
    """One sample a scrape is appended without copying; the columns take bounded memory."""
    columns = empty(0, 0, 2_000).grown(1)
    buffers = columns.values
    for second in range(1_000):
        added = columns.with_samples(arrivals([(0, second, 1.0)]), -1)
        if added is None:
            room = columns.room_for(arrivals([(0, second, 1.0)]))
            added = columns.rebuilt(second - 500, room).with_samples(
                arrivals([(0, second, 1.0)]), -1
            )
        assert added is not None
        columns = added
    assert columns.samples <= 1_000
    assert len(columns.values) <= len(buffers)
    assert columns.newest_ms == 999


def test_columns_without_samples_are_just_empty() -> None:
    """There is nothing to cut, and nothing to drop."""
    columns = empty(0, 0, 0)
    segment, nothing = columns.cut(np.arange(0), 0, 100)
    assert (len(segment), nothing, columns.samples) == (0, 0, 0)
    assert columns.rebuilt(50, 0).samples == 0
    assert columns.nbytes == pytest.approx(0)

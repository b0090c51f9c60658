"""Labels, matchers, grids, batches and clocks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.signals import (
    STALE_BITS,
    STALE_NAN,
    Grid,
    ManualClock,
    Matcher,
    MatchOp,
    Matrix,
    SampleBatch,
    SystemClock,
    is_stale,
    keep,
    label_value,
    to_labels,
    without,
)

LABELS = to_labels({"job": "api", "__name__": "up", "empty": ""})


def test_a_label_set_is_sorted_and_has_no_empty_value() -> None:
    """An empty value and an absent label are the same."""
    assert LABELS == (("__name__", "up"), ("job", "api"))
    assert to_labels([("b", "1"), ("a", "2"), ("b", "3")]) == (("a", "2"), ("b", "3"))


def test_labels_are_looked_up_kept_and_left_out() -> None:
    """An absent label has the value of the empty string."""
    assert label_value(LABELS, "job") == "api"
    assert label_value(LABELS, "other") == ""
    assert keep(LABELS, frozenset({"job"})) == (("job", "api"),)
    assert without(LABELS, frozenset({"job"})) == (("__name__", "up"),)


def test_a_matcher_spells_itself_in_promql() -> None:
    """Quotes, backslashes and newlines are escaped."""
    assert str(Matcher("a", MatchOp.NOT_REGEX, 'x"\\\n')) == 'a!~"x\\"\\\\\\n"'


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.integers(1, 10**5))
def test_a_grid_has_every_step_from_start_to_end(start: int, span: int, step: int) -> None:
    """The last step is the last that fits."""
    grid = Grid(start, start + span, step)
    times = grid.times_ms()
    assert len(grid) == len(times) == len(range(start, start + span + 1, step))
    assert times[0] == start
    assert times[-1] == grid.last_ms <= grid.end_ms < grid.last_ms + step
    assert np.array_equal(grid.shifted(-7).times_ms(), times - 7)


@pytest.mark.parametrize(("end", "step"), [(-1, 1), (1, 0), (1, -1)])
def test_an_impossible_grid_is_refused(end: int, step: int) -> None:
    """It ends before it starts, or does not move."""
    with pytest.raises(ValueError, match="not a grid"):
        Grid(0, end, step)


def test_the_stale_marker_is_told_from_other_nans() -> None:
    """By its bits, which survive as a float."""
    assert math.isnan(STALE_NAN)
    values = np.array([1.0, np.nan, STALE_NAN])
    assert values.view(np.uint64)[2] == STALE_BITS
    assert is_stale(values).tolist() == [False, False, True]
    assert is_stale(values[::2]).tolist() == [False, True]


def test_columns_must_fit_together() -> None:
    """A batch or matrix of unequal columns is a mistake of ours."""
    with pytest.raises(ValueError, match="same length"):
        SampleBatch((LABELS,), np.zeros(1, np.uint32), np.zeros(2, np.int64), np.zeros(1))
    with pytest.raises(ValueError, match="expected shape"):
        Matrix((LABELS,), Grid(0, 1, 1), np.zeros((1, 1)), np.zeros((1, 1), dtype=np.bool_))


def test_a_manual_clock_moves_only_when_told() -> None:
    """Both of its times together; the machine's clock moves by itself."""
    clock = ManualClock(now_ms=5_000)
    clock.advance(ms=1_500)
    assert (clock.now_ms(), clock.monotonic_s()) == (6_500, 1.5)
    machine = SystemClock()
    assert machine.now_ms() > 1_700_000_000_000
    assert machine.monotonic_s() <= machine.monotonic_s()

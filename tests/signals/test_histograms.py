"""Columns of native histograms: taken, joined, reduced and checked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from veriscope.signals import InvalidInputError, LimitExceededError
from veriscope.signals.histograms import (
    Buckets,
    HistogramBatch,
    Histograms,
    ResetHint,
    Runs,
)
from veriscope.signals.samples import STALE_NAN


def buckets(*sides: dict[int, float]) -> Buckets:
    """Return the buckets of some histograms, by index."""
    cells = [cell for side in sides for cell in side.items()]
    return Buckets(
        np.cumsum([0, *map(len, sides)], dtype=np.int64),
        np.array([index for index, _ in cells], dtype=np.int32),
        np.array([count for _, count in cells], dtype=np.float64),
    )


@pytest.fixture
def three() -> Histograms:
    """Return histograms of schema 1, of schema 3 and of custom buckets."""
    return Histograms(
        schema=np.array([1, 3, -53], dtype=np.int8),
        reset_hint=np.array([0, 3, 2], dtype=np.int8),
        count=np.array([6.0, 9.0, 4.0]),
        sum=np.array([1.0, 2.0, 3.0]),
        zero_threshold=np.array([0.5, 0.0, 0.0]),
        zero_count=np.array([1.0, 0.0, 0.0]),
        positive=buckets({-1: 1.0, 0: 2.0, 3: 2.0}, {1: 1.0, 8: 2.0, 9: 3.0}, {0: 1.0, 2: 3.0}),
        negative=buckets({}, {-7: 1.0, 4: 2.0}, {}),
        bounds=Runs(np.array([0, 0, 0, 2]), np.array([5.0, 10.0])),
    )


def test_rows_are_taken_with_their_buckets(three: Histograms) -> None:
    """A histogram's buckets and bounds go where it goes, also twice."""
    found = three.take(np.array([2, 1, 2]))
    assert found.schema.tolist() == [-53, 3, -53]
    assert found.positive.offsets.tolist() == [0, 2, 5, 7]
    assert found.positive.index.tolist() == [0, 2, 1, 8, 9, 0, 2]
    assert found.negative.lengths.tolist() == [0, 2, 0]
    assert found.bounds.values.tolist() == [5, 10, 5, 10]
    assert three.take(np.array([True, False, False])).sum.tolist() == [1.0]


def test_parts_are_joined(three: Histograms) -> None:
    """Joining the histograms one by one gives back all of them."""
    found = Histograms.concatenate([three.take(np.array([row])) for row in range(3)])
    for name in ("schema", "reset_hint", "count", "sum", "zero_threshold", "zero_count"):
        assert getattr(found, name).tolist() == getattr(three, name).tolist()
    for side in ("positive", "negative"):
        assert getattr(found, side).index.tolist() == getattr(three, side).index.tolist()
        assert getattr(found, side).offsets.tolist() == getattr(three, side).offsets.tolist()
    assert found.bounds.offsets.tolist() == three.bounds.offsets.tolist()
    assert len(Histograms.concatenate([])) == 0


def test_resolution_is_reduced_where_it_is_too_high(three: Histograms) -> None:
    """Eight buckets of schema 3 are one of schema 0, and custom buckets stay what they are."""
    found = three.at_most(0)
    assert found.schema.tolist() == [0, 0, -53]
    assert found.positive.offsets.tolist() == [0, 2, 4, 6]
    assert found.positive.index.tolist() == [0, 2, 1, 2, 0, 2]
    assert found.positive.count.tolist() == [3.0, 2.0, 3.0, 3.0, 1.0, 3.0]
    assert found.negative.index.tolist() == [0, 1]
    assert three.at_most(8) is three


def test_empty_buckets_are_dropped(three: Histograms) -> None:
    """What counts nothing takes no place."""
    gone = replace(three.positive, count=three.positive.count * [1, 0, 1, 1, 1, 0, 0, 1])
    found = replace(three, positive=gone).compact()
    assert found.positive.offsets.tolist() == [0, 2, 4, 5]
    assert found.positive.index.tolist() == [-1, 3, 1, 8, 2]


def test_good_histograms_pass(three: Histograms) -> None:
    """What Prometheus accepts is accepted, and so is a stale marker whatever else it has."""
    three.check()
    stale = replace(
        three, sum=np.array([STALE_NAN, 2.0, 3.0]), schema=np.array([99, 3, -53], dtype=np.int8)
    )
    stale.check()
    assert stale.stale.tolist() == [True, False, False]


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"schema": np.array([1, 9, -53], dtype=np.int8)}, "histogram 1: a schema outside of -4 to 8"),
    ({"reset_hint": np.array([0, 0, 7], dtype=np.int8)}, "histogram 2: an unknown counter reset"),
    ({"count": np.array([6.0, -9.0, 4.0])}, "histogram 1: a negative count of observations"),
    ({"zero_count": np.array([-1.0, 0.0, 0.0])}, "histogram 0: a negative count in the zero"),
    ({"zero_threshold": np.array([np.nan, 0, 0])}, "histogram 0: a zero threshold that is"),
    ({"zero_count": np.array([1.0, 0.0, 1.0])}, "histogram 2: custom buckets beside a zero"),
    (
        {"bounds": Runs(np.array([0, 1, 1, 3]), np.array([1.0, 5.0, 10.0]))},
        "histogram 0: custom bounds beside an exponential schema",
    ),
    (
        {"bounds": Runs(np.array([0, 0, 0, 1]), np.array([5.0]))},
        "histogram 2: a custom bucket without a bound",
    ),
    (
        {"bounds": Runs(np.array([0, 0, 0, 2]), np.array([10.0, 5.0]))},
        "histogram 2: custom bounds that do not rise strictly",
    ),
    (
        {"bounds": Runs(np.array([0, 0, 0, 2]), np.array([10.0, np.inf]))},
        "histogram 2: custom bounds that are not finite",
    ),
    (
        {"negative": buckets({}, {4: 2.0, -7: 1.0}, {})},
        "histogram 1: negative buckets that do not rise strictly",
    ),
    ({"negative": buckets({}, {4: -2.0}, {})}, "histogram 1: a negative bucket with a negative"),
]


@pytest.mark.parametrize(("change", "text"), FAULTS)
def test_bad_histograms_are_refused(three: Histograms, change: dict[str, Any], text: str) -> None:
    """The error names the histogram and what is wrong with it."""
    with pytest.raises(InvalidInputError, match=text):
        replace(three, **change).check()


def test_too_many_buckets_are_refused(three: Histograms) -> None:
    """The limit counts both sides, and the error says how many there are."""
    three.check(max_buckets=5)
    with pytest.raises(LimitExceededError, match="histogram 1: 5 buckets, 4 allowed"):
        three.check(max_buckets=4)


def test_hints_are_replaced(three: Histograms) -> None:
    """All histograms get the hint, and nothing else changes."""
    found = three.with_reset_hint(ResetHint.GAUGE)
    assert found.reset_hint.tolist() == [3, 3, 3]
    assert found.sum is three.sum


def test_batches_have_columns_of_one_length(three: Histograms) -> None:
    """A histogram without a time is a mistake of the caller."""
    times = np.array([1, 2], dtype=np.int64)
    with pytest.raises(ValueError, match="same length"):
        HistogramBatch(((),), np.zeros(3, dtype=np.uint32), times, three)

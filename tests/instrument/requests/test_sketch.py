import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.instrument.requests import DDSketch
from veriscope.instrument.requests.sketch import SMALLEST
from veriscope.signals import InvalidInputError

values = st.lists(st.floats(min_value=1e-8, max_value=1e8), min_size=1, max_size=300)
quantiles = st.floats(min_value=0, max_value=1)
accuracies = st.sampled_from((0.001, 0.01, 0.05))


def sketch_of(numbers: Sequence[float], accuracy: float = 0.01, bins: int = 20_000) -> DDSketch:
    """Return a sketch of *numbers*."""
    sketch = DDSketch(accuracy, bins)
    for number in numbers:
        sketch.add(number)
    return sketch


def exact(numbers: Sequence[float], q: float) -> float:
    """Return the value at the rank that the sketch promises to come close to."""
    return sorted(numbers)[math.floor(q * (len(numbers) - 1))]


@given(values, quantiles, accuracies)
def test_quantiles_are_as_close_as_stated(numbers: list[float], q: float, accuracy: float) -> None:
    """No quantile is further from the exact one than the relative accuracy allows."""
    found, true = sketch_of(numbers, accuracy).quantile(q), exact(numbers, q)
    assert abs(found - true) <= accuracy * true * (1 + 1e-9)


@given(values, values, quantiles)
def test_merging_is_counting_together(left: list[float], right: list[float], q: float) -> None:
    """A merged sketch answers as one that saw all values."""
    merged, whole = sketch_of(left), sketch_of(left + right)
    merged.merge(sketch_of(right))
    assert merged.quantile(q) == whole.quantile(q)
    assert (merged.count, merged.min, merged.max) == (whole.count, whole.min, whole.max)
    assert merged.sum == pytest.approx(whole.sum)


@given(values)
def test_bounded_bins_keep_the_high_quantiles(numbers: list[float]) -> None:
    """With too few bins the low quantiles give way, and the highest stays right."""
    sketch = sketch_of(numbers, bins=8)
    assert sketch.quantile(1) == pytest.approx(max(numbers), rel=0.01)
    assert len(sketch._bins) <= 8
    assert sketch.count == len(numbers)


@given(st.lists(st.floats(min_value=0, max_value=SMALLEST * 0.99), min_size=1))
def test_zero_and_tiny_values_count_as_zero(numbers: list[float]) -> None:
    """Below the smallest value nothing is told apart, and nothing is lost."""
    sketch = sketch_of(numbers)
    assert sketch.quantile(0.5) == min(numbers)
    assert sketch.count == len(numbers)


def test_zeros_stand_below_all_others() -> None:
    """Half zeros and half ones have a median of zero and a maximum of one."""
    sketch = sketch_of([0.0] * 50 + [1.0] * 50)
    assert sketch.quantiles((0, 0.4, 0.99, 1)) == pytest.approx([0, 0, 1, 1], rel=0.0101)


def test_nothing_has_no_quantile() -> None:
    """An empty sketch answers NaN."""
    assert math.isnan(DDSketch().quantile(0.5))


@pytest.mark.parametrize("value", [-1e-12, math.nan, math.inf, -math.inf])
def test_what_cannot_be_sketched_is_refused(value: float) -> None:
    """Negative and non-finite values are refused and not counted."""
    sketch = DDSketch()
    with pytest.raises(InvalidInputError, match="cannot be sketched"):
        sketch.add(value)
    assert not sketch.count


def test_unfit_requests_are_refused() -> None:
    """Accuracies, bins, quantiles and merges that mean nothing are refused."""
    with pytest.raises(InvalidInputError, match="relative_accuracy"):
        DDSketch(1.0)
    with pytest.raises(InvalidInputError, match="max_bins"):
        DDSketch(max_bins=0)
    with pytest.raises(InvalidInputError, match="not a quantile"):
        sketch_of([1.0]).quantile(1.5)
    with pytest.raises(InvalidInputError, match="cannot be merged"):
        DDSketch(0.01).merge(DDSketch(0.02))

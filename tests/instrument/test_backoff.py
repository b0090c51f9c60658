import pytest

from veriscope.instrument.backoff import pause_s


@pytest.mark.parametrize(("failures", "whole_s"), [(1, 0.5), (2, 1), (4, 4), (7, 30), (10_000, 30)])
def test_pauses_double_up_to_the_longest(failures: int, whole_s: float) -> None:
    """Each is between half of it and the whole, and no number of failures is too large."""
    pauses = [pause_s(failures, 0.5, 30) for _ in range(50)]
    assert whole_s / 2 <= min(pauses) < max(pauses) <= whole_s

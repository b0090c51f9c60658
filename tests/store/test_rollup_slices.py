"""Slices of what is rolled up: everything in just one of them, and none too large."""

from hypothesis import given, settings
from hypothesis import strategies as st

from veriscope.store.rollup_slices import SAMPLES_AT_ONCE, bounds

_COUNTS = st.dictionaries(st.text("abc", min_size=1), st.integers(1, 3 * SAMPLES_AT_ONCE))


@settings(max_examples=100, deadline=None)
@given(_COUNTS, st.lists(st.integers(0, 2**64 - 1), max_size=5))
def test_each_series_is_in_one_slice(counts: dict[str, int], ids: list[int]) -> None:
    """Those with the least and the greatest id as well."""
    metrics = sorted(counts)
    parts = list(bounds(metrics, [counts[metric] for metric in metrics]))
    for metric in metrics:
        for identity in (0, 2**64 - 1, *ids):
            inside = [
                part["first"] <= metric <= part["last"]  # type: ignore[operator]
                and part["least"] <= identity <= part["most"]  # type: ignore[operator]
                for part in parts
            ]
            assert sum(inside) == 1


def test_small_metrics_share_a_slice_and_a_large_one_is_divided() -> None:
    """A statement costs some tens of milliseconds however little it reads."""
    few = SAMPLES_AT_ONCE // 10
    parts = list(bounds(["a", "b", "c", "d"], [few, few, 4 * SAMPLES_AT_ONCE, few]))
    assert [(part["first"], part["last"]) for part in parts] == [("a", "c")] * 5 + [("d", "d")]
    assert [part["least"] for part in parts[:2]] == [0, 2**64 // 5]
    assert parts[-1] == {"first": "d", "last": "d", "least": 0, "most": 2**64 - 1}


def test_nothing_makes_no_slice() -> None:
    """There is nothing to roll up."""
    assert not list(bounds([], []))

"""Sums, differences, products, comparisons and resets of native histograms."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veriscope.query.promql.histograms import arithmetic
from veriscope.signals.histograms import Histograms, ResetHint

SUMS = [
    (  # the same layout
        "{{sum:9 count:7 buckets:[3 4] offset:2}}",
        "{{sum:6 count:2 buckets:[2] offset:3}}",
        "{{sum:15 count:9 buckets:[3 6] offset:2}}",
    ),
    (  # a lower resolution joins buckets: (2, 4], (4, 8] and (8, 16] are in (1, 16]
        "{{schema:-2 sum:8 count:3 buckets:[3] offset:1}}",
        "{{schema:0 sum:20 count:13 buckets:[1 2 3 7] offset:2}}",
        "{{schema:-2 count:16 sum:28 offset:1 buckets:[9 7]}}",
    ),
    (  # the wider zero bucket takes (0.25, 0.5] and (0.5, 1] in, the latter since it is cut
        "{{sum:9 count:6 z_bucket:1 z_bucket_w:0.75 buckets:[5] offset:1}}",
        "{{sum:9 count:10 z_bucket:1 z_bucket_w:0.1 buckets:[2 3 4] offset:-1}}",
        "{{sum:18 count:16 z_bucket:7 z_bucket_w:1 buckets:[9] offset:1}}",
    ),
    (  # an empty bucket does not stop the zero bucket
        "{{sum:9 count:6 z_bucket:1 z_bucket_w:0.75 buckets:[5] offset:1}}",
        "{{sum:9 count:10 z_bucket:1 z_bucket_w:0.1 buckets:[2 0 4] offset:-1}}",
        "{{sum:18 count:16 z_bucket:4 z_bucket_w:0.75 buckets:[9] offset:1}}",
    ),
    (  # a threshold raised by the negative side takes in what the positive side has below it
        "{{count:1 z_bucket:1 z_bucket_w:1.5}}",
        "{{count:7 buckets:[3 4] n_buckets:[2] n_offset:1}}",
        "{{count:8 z_bucket:10 z_bucket_w:2}}",
    ),
    (  # custom bounds: those in common remain
        "{{schema:-53 sum:30 count:10 custom_values:[1 5 9] buckets:[2 4 1 3]}}",
        "{{schema:-53 sum:60 count:13 custom_values:[1 2 9 20] buckets:[1 1 2 5 4]}}",
        "{{schema:-53 sum:90 count:23 custom_values:[1 9] buckets:[3 8 12]}}",
    ),
]


@pytest.mark.parametrize(("left", "right", "wanted"), SUMS)
def test_sums_reconcile_what_differs(left: str, right: str, wanted: str, reference: Any) -> None:
    """Schemas, zero thresholds and custom bounds are brought to what both can be counted by."""
    sides = [reference.histograms([reference.literal(text)]) for text in (left, right)]
    for first, second in (sides, sides[::-1]):
        found = arithmetic.add(first, second)
        reference.assert_close(reference.plain(found.values)[0], reference.literal(wanted))


def test_differences_are_gauges_and_keep_negative_buckets(reference: Any) -> None:
    """A difference says that it may go down, and buckets that cancel out are gone."""
    left, right = (
        reference.histograms([reference.literal(text)])
        for text in (
            "{{count:30 sum:4 z_bucket:6 z_bucket_w:0.02 buckets:[5 7] n_buckets:[4 8]}}",
            "{{count:20 sum:9 z_bucket:2 z_bucket_w:0.02 buckets:[5 3] n_buckets:[1 9]}}",
        )
    )
    found = reference.plain(arithmetic.subtract(left, right).values)[0]
    wanted = "{{count:10 sum:-5 z_bucket:4 z_bucket_w:0.02 offset:1 buckets:[4] n_buckets:[3 -1]}}"
    reference.assert_close(found, reference.literal(wanted))
    assert found.hint == ResetHint.GAUGE


def test_exponential_and_custom_buckets_do_not_add_up(reference: Any) -> None:
    """There is no sum of different kinds of buckets, and the flags say so."""
    left = reference.histograms([reference.literal("{{count:1 buckets:[1]}}")])
    right = reference.histograms(
        [reference.literal("{{schema:-53 count:1 custom_values:[5] buckets:[1]}}")]
    )
    assert not arithmetic.add(left, right).valid.any()


def test_hints_of_sums(reference: Any) -> None:
    """A gauge makes a gauge, different hints are unknown, and contradictions are flagged."""
    of = {
        hint: reference.histograms([reference.Plain(hint=int(hint), count=1.0)])
        for hint in ResetHint
    }
    assert arithmetic.add(of[ResetHint.NO], of[ResetHint.NO]).values.reset_hint == ResetHint.NO
    for other in (ResetHint.YES, ResetHint.UNKNOWN):
        found = arithmetic.add(of[ResetHint.NO], of[other])
        assert found.values.reset_hint == ResetHint.UNKNOWN
        assert found.collision == (other is ResetHint.YES)
        assert arithmetic.add(of[other], of[ResetHint.GAUGE]).values.reset_hint == ResetHint.GAUGE


def test_division_by_zero_leaves_no_buckets(reference: Any) -> None:
    """Counts become infinite and the buckets, which would all be infinite, are gone."""
    one = reference.histograms(
        [reference.literal("{{count:3 sum:3 z_bucket:1 buckets:[1 1] n_buckets:[6]}}")]
    )
    with np.errstate(divide="ignore"):
        found = reference.plain(arithmetic.divided(one, np.zeros(1)))[0]
    assert (found.count, found.sum, found.zero) == (np.inf, np.inf, np.inf)
    assert not found.positive
    assert not found.negative


def test_a_negative_factor_makes_a_gauge(reference: Any) -> None:
    """What counts down is no counter."""
    one = reference.histograms([reference.literal("{{count:3 sum:3 buckets:[1 0 2]}}")])
    found = reference.plain(arithmetic.scaled(one, np.array([-2.0])))[0]
    reference.assert_close(
        found, reference.Plain(count=-6.0, sum=-6.0, positive={0: -2.0, 2: -4.0})
    )
    assert found.hint == ResetHint.GAUGE


def test_sums_do_not_lose_small_numbers(reference: Any) -> None:
    """A huge number that comes and goes leaves the small ones as they were."""
    huge = reference.Plain(count=1e100, sum=1e100, zero=1e100, positive={1: 1e100})
    small = reference.Plain(count=1.0, sum=0.5, zero=0.25, positive={1: 1.0})
    found = arithmetic.fold(
        reference.histograms([huge, small]),
        np.array([0, 4]),
        np.array([0, 1, 1, 0]),
        weight=np.array([1.0, 1.0, 1.0, -1.0]),
    )
    reference.assert_close(
        reference.plain(found.values)[0],
        reference.Plain(count=2.0, sum=1.0, zero=0.5, positive={1: 2.0}),
    )


def test_means_of_large_numbers_do_not_overflow(reference: Any) -> None:
    """The mean of numbers whose sum is no float any more is still exact enough."""
    large = reference.Plain(count=1e308, sum=1.5e308, positive={1: 1e308})
    larger = reference.Plain(count=1.6e308, sum=1.7e308, positive={1: 1.2e308, 2: 1e308})
    found = arithmetic.fold(
        reference.histograms([large, larger]), np.array([0, 3]), np.array([0, 1, 1]), mean=True
    )
    reference.assert_close(
        reference.plain(found.values)[0],
        reference.Plain(
            count=1.4e308,
            sum=1.6333333333333333e308,
            positive={1: 1e308 / 3 + 0.8e308, 2: 6.666666666666667e307},
        ),
    )


RESETS = [
    ("{{count:9 sum:8 buckets:[2 7]}}", "{{count:8 sum:9 buckets:[3 5]}}", True),
    ("{{count:9 sum:8 buckets:[3 6]}}", "{{count:7 sum:9 buckets:[2 5]}}", False),
    ("{{count:3 buckets:[1 2]}}", "{{count:4 buckets:[1 2]}}", True),
    ("{{count:9 sum:1 buckets:[1 2]}}", "{{count:4 sum:9 buckets:[1 2]}}", False),
    ("{{schema:1 count:9 buckets:[9 9 9]}}", "{{schema:0 count:4 buckets:[1 1]}}", True),
    ("{{schema:0 count:9 buckets:[9 9 9]}}", "{{schema:1 count:4 buckets:[1 1 1]}}", False),
    ("{{count:9 z_bucket:5 z_bucket_w:0.1}}", "{{count:4 z_bucket:4 z_bucket_w:0.2}}", True),
    # the zero bucket has grown around (0.25, 0.5] and (0.5, 1]
    ("{{count:9 z_bucket:9 z_bucket_w:1}}", "{{count:4 buckets:[2 2] offset:-1}}", False),
    ("{{count:9 z_bucket:3 z_bucket_w:1}}", "{{count:4 buckets:[2 2] offset:-1}}", True),
    # ... or up to the middle of a bucket that counts something
    ("{{count:9 z_bucket:9 z_bucket_w:0.75}}", "{{count:4 buckets:[2 2] offset:-1}}", True),
    ("{{count:9 n_buckets:[1 8]}}", "{{count:4 n_buckets:[2 2]}}", True),
    ("{{count:9 buckets:[9]}}", "{{schema:-53 count:1 custom_values:[5] buckets:[1]}}", True),
    (
        "{{schema:-53 count:12 custom_values:[3 5 7] buckets:[3 1 1 7]}}",
        "{{schema:-53 count:10 custom_values:[3 7] buckets:[2 3 5]}}",
        True,
    ),
    (
        "{{schema:-53 count:13 custom_values:[3 5 7] buckets:[3 1 2 7]}}",
        "{{schema:-53 count:10 custom_values:[3 7] buckets:[2 3 5]}}",
        False,
    ),
    (
        "{{count:9 buckets:[9] counter_reset_hint:not_reset}}",
        "{{count:99 buckets:[99]}}",
        False,
    ),
    ("{{count:9 buckets:[9] counter_reset_hint:reset}}", "{{count:1 buckets:[1]}}", True),
    ("{{count:9 buckets:[9] counter_reset_hint:gauge}}", "{{count:99 buckets:[99]}}", True),
]


@pytest.mark.parametrize(("now", "before", "wanted"), RESETS)
def test_resets_are_seen_in_any_bucket(
    now: str, before: str, *, wanted: bool, reference: Any
) -> None:
    """A counter has been reset if anything it counts, as far as it can be told, is less."""
    both = [reference.literal(text) for text in (now, before)]
    found = arithmetic.resets(reference.histograms(both), np.array([0]), np.array([1]))
    assert found.tolist() == [wanted]
    assert reference.was_reset(*both) == wanted


def test_equality_sees_the_layout(reference: Any) -> None:
    """Equal are histograms with the same buckets, empty ones included; hints do not matter."""
    texts = [
        "{{count:3 sum:NaN buckets:[1 2]}}",
        "{{count:3 sum:NaN buckets:[1 2] counter_reset_hint:gauge}}",
        "{{count:3 sum:NaN buckets:[1 2 0]}}",
        "{{count:3 sum:NaN n_buckets:[1 2]}}",
        "{{schema:-53 count:3 sum:NaN custom_values:[5] buckets:[1 2]}}",
        "{{schema:-53 count:3 sum:NaN custom_values:[6] buckets:[1 2]}}",
    ]
    made = reference.histograms([reference.literal(text) for text in texts])
    found = arithmetic.equal(made, np.zeros(6, dtype=np.int64), np.arange(6))
    assert found.tolist() == [True, True, False, False, False, False]
    assert not arithmetic.equal(made, np.array([4]), np.array([5]))[0]


# --- against the slow reference ---------------------------------------------------------------

counts = st.sampled_from([0.0, 1.0, 2.0, 3.0, 0.5, 10.0])
sides = st.dictionaries(st.integers(-6, 8), counts, max_size=6)
exponential = st.fixed_dictionaries(
    {
        "schema": st.integers(-2, 3),
        "hint": st.integers(0, 3),
        "count": counts,
        "sum": st.integers(-9, 9).map(float),
        "threshold": st.sampled_from([0.0, 0.001, 0.25, 0.3, 1.0, 1.5, 2.0, 5.0]),
        "zero": counts,
        "positive": sides,
        "negative": sides,
    }
)
custom = st.lists(st.integers(-3, 9).map(float), max_size=5, unique=True).flatmap(
    lambda bounds: st.fixed_dictionaries(
        {
            "schema": st.just(-53),
            "hint": st.integers(0, 3),
            "count": counts,
            "positive": st.dictionaries(st.integers(0, len(bounds)), counts, max_size=4),
            "bounds": st.just(tuple(sorted(bounds))),
        }
    )
)
groups = st.one_of(
    st.lists(exponential, min_size=1, max_size=4), st.lists(custom, min_size=1, max_size=4)
)


def _settled(reference: Any, fields: dict[str, Any]) -> Any:
    """Return a histogram without buckets inside its own zero bucket, which no sender makes."""
    made = reference.Plain(**fields)
    return made if made.custom else made.at_threshold(made.threshold)


@given(groups)
@settings(max_examples=300, deadline=None)
def test_folds_agree_with_the_slow_reference(reference: Any, fields: list[Any]) -> None:
    """A fold of any histograms is what adding up dicts of buckets gives."""
    made = [_settled(reference, each) for each in fields]
    wanted = made[0].compact()
    for other in made[1:]:
        wanted = reference.added(wanted, other)
    found = arithmetic.fold(
        reference.histograms(made), np.array([0, len(made)]), np.arange(len(made))
    )
    if not found.valid[0]:
        raise AssertionError(made)
    if wanted.custom or len({h.schema for h in made}) == 1:
        reference.assert_close(reference.plain(found.values)[0], wanted, hint=True)
    assert reference.plain(found.values)[0].count == pytest.approx(wanted.count)


@given(exponential, exponential)
@settings(max_examples=300, deadline=None)
def test_resets_agree_with_the_slow_reference(reference: Any, left: Any, right: Any) -> None:
    """Resets are found wherever comparing dicts of buckets finds them."""
    both = [_settled(reference, {**each, "hint": 0}) for each in (left, right)]
    found = arithmetic.resets(reference.histograms(both), np.array([0]), np.array([1]))
    assert bool(found[0]) == reference.was_reset(*both)


def test_nothing_adds_up_to_nothing() -> None:
    """No groups make no sums."""
    found = arithmetic.fold(Histograms.none(), np.zeros(1, dtype=np.int64), np.empty(0, np.int64))
    assert len(found.values) == 0

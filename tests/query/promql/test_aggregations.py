"""Aggregation operators, by hand and against loops over the members of a group."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plain_windows import careful_mean, careful_sum, drawn, quantile
from veriscope.query.promql import threads
from veriscope.query.promql.operators import aggregations, selections
from veriscope.query.promql.operators.groups import group_rows, projection
from veriscope.signals import Grid, Labels, LabelSets, Matrix, label_value

Script = Callable[[str], None]

DATA = """
load 10s
  m{g="a", i="1"} 1
  m{g="a", i="2"} 3
  m{g="a", i="3"} 8
  m{g="b", i="1"} 5
  m{g="b", i="2"} NaN
  n{g="a"} 10
  tied{i="1"} 4
  tied{i="2"} 4
  tied{i="3"} 4
  same{i="1"} 0.1
  same{i="2"} 0.1
  same{i="3"} 0.1
  wide{i="1"} 1e100
  wide{i="2"} 1
  wide{i="3"} -1e100
  huge{i="1"} 1.5e308
  huge{i="2"} 1.5e308
  endless{i="1"} +Inf
  endless{i="2"} -Inf
"""

TABLE = """
eval instant at 0 sum by (g) (m)
  {g="a"} 12
  {g="b"} NaN
eval instant at 0 avg by (g) (m)
  {g="a"} 4
  {g="b"} NaN
eval instant at 0 min by (g) (m)
  {g="a"} 1
  {g="b"} 5
eval instant at 0 max(m) by (g)
  {g="a"} 8
  {g="b"} 5
eval instant at 0 max(m{i="2", g="b"})
  {} NaN
eval instant at 0 count by (g) (m)
  {g="a"} 3
  {g="b"} 2
eval instant at 0 group by (g) (m)
  {g="a"} 1
  {g="b"} 1
eval instant at 0 stdvar by (g) (m{g="a"})
  {g="a"} 8.666666666666666
eval instant at 0 stddev by (g) (m{g="a"})
  {g="a"} 2.943920288775949
eval instant at 0 stddev(same)
  {} 0
eval instant at 0 stddev(endless)
  {} NaN
eval instant at 0 quantile(0.25, m{g="a"})
  {} 2
eval instant at 0 quantile by (g) (0, m)
  {g="a"} 1
  {g="b"} NaN
eval instant at 0 quantile(2, m)
  {} +Inf
eval instant at 0 quantile(NaN, m)
  {} NaN
eval instant at 0 sum(wide)
  {} 1
eval instant at 0 avg(huge)
  {} 1.5e308
eval instant at 0 sum(huge)
  {} +Inf
eval instant at 0 sum(endless)
  {} NaN
eval instant at 0 sum(nothing)
eval instant at 0 count(nothing)
# Names, and what is grouped by.
eval instant at 0 sum without (i) (m{g="a"})
  {g="a"} 12
eval instant at 0 sum without () (n)
  {g="a"} 10
eval instant at 0 sum by (__name__) ({g="a"})
  m 12
  n 10
eval instant at 0 sum by (__name__) (n + 0)
  {} 10
eval instant at 0 sum by (g, unknown) (n)
  {g="a"} 10
eval instant at 0 sum by () (n)
  {} 10
eval instant at 0 sum(sum by (g) (m{g="a"}))
  {} 12
# Choosing.
eval_ordered instant at 0 topk(2, m)
  m{g="a", i="3"} 8
  m{g="b", i="1"} 5
eval_ordered instant at 0 topk(10, m)
  m{g="a", i="3"} 8
  m{g="b", i="1"} 5
  m{g="a", i="2"} 3
  m{g="a", i="1"} 1
  m{g="b", i="2"} NaN
eval_ordered instant at 0 bottomk(2, m)
  m{g="a", i="1"} 1
  m{g="a", i="2"} 3
eval_ordered instant at 0 bottomk by (g) (1, m)
  m{g="a", i="1"} 1
  m{g="b", i="1"} 5
eval instant at 0 topk(0, m)
eval instant at 0 topk(-3, m)
eval instant at 0 topk(1.9, m{g="a"})
  m{g="a", i="3"} 8
eval instant at 0 count(topk(2, tied))
  {} 2
eval_fail instant at 0 topk(NaN, m)
  Parameter value is NaN
eval_fail instant at 0 topk(1e19, m)
  Scalar value 1e+19 overflows int64
eval instant at 0 count(limitk(2, m))
  {} 2
eval instant at 0 count by (g) (limitk by (g) (1, m))
  {g="a"} 1
  {g="b"} 1
eval instant at 0 limitk(0, m)
eval instant at 0 count(limit_ratio(1, m))
  {} 5
eval instant at 0 limit_ratio(0, m)
eval instant at 0 count(limit_ratio(0.4, m) or limit_ratio(-0.6, m))
  {} 5
eval instant at 0 limit_ratio(0.4, m) and limit_ratio(-0.6, m)
eval_fail instant at 0 limit_ratio(NaN, m)
  Ratio value is NaN
eval instant at 0 count_values("v", tied)
  {v="4"} 3
eval instant at 0 count_values by (g) ("v", m)
  {g="a", v="1"} 1
  {g="a", v="3"} 1
  {g="a", v="8"} 1
  {g="b", v="5"} 1
  {g="b", v="NaN"} 1
eval instant at 0 count_values without (i, g) ("__name__", m{i="1"})
  {} 2
eval instant at 0 count_values without (i) ("g", m{i="1"})
  {g="1"} 1
  {g="5"} 1
# -0 and 0 are equal, and spelled apart.
eval instant at 0 count_values("v", tied * -0 or n * 0)
  {v="-0"} 3
  {v="0"} 1
eval_fail instant at 0 count_values("", m)
  invalid label name ""
eval_fail instant at 0 sum(1)
  expected type instant vector in aggregation expression, got scalar
"""


def test_aggregation(script: Script, command: str) -> None:
    """Each aggregation gives the numbers worked out by hand, folded by the store or not."""
    script(DATA + command)


def test_groups_have_points_where_a_member_has(script: Script) -> None:
    """Absent points count for nothing, at each step by itself."""
    script("""
load 10s
  m{i="1"} 1 2 stale stale 5
  m{i="2"} 4 stale 6 stale stale
eval range from 0s to 40s step 10s sum(m)
  {} 5 2 6 _ 5
eval range from 0s to 40s step 10s avg(m)
  {} 2.5 2 6 _ 5
eval range from 0s to 40s step 10s stdvar(m)
  {} 2.25 0 0 _ 0
eval range from 0s to 40s step 10s quantile(1, m)
  {} 4 2 6 _ 5
eval range from 0s to 40s step 10s topk(1, m)
  m{i="1"} _ 2 _ _ 5
  m{i="2"} 4 _ 6
eval range from 0s to 40s step 10s count_values("v", m)
  {v="1"} 1
  {v="2"} _ 1
  {v="4"} 1
  {v="5"} _ _ _ _ 1
  {v="6"} _ _ 1
eval range from 0s to 40s step 10s quantile(scalar(m{i="1"}) / 10, m)
  {} 1.3 2 NaN _ 5
""")


def variance(values: list[float]) -> float:
    """Welford's recurrence."""
    mean, spread = values[0], 0.0 if math.isfinite(values[0]) else math.nan
    for count, value in enumerate(values[1:], 2):
        distance = value - mean
        mean += distance / count
        spread += distance * (value - mean)
    return spread / len(values)


def least(values: list[float], sign: int) -> float:
    """Return the first of the best values; NaN gives way to anything."""
    best = values[0]
    for value in values[1:]:
        if sign * best < sign * value or math.isnan(best):
            best = value
    return best


PLAIN: dict[str, Callable[[list[float]], float]] = {
    "avg": careful_mean,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "max": lambda values: least(values, 1),
    "min": lambda values: least(values, -1),
    "quantile": lambda values: quantile(0.3, values),
    "stddev": lambda values: math.sqrt(variance(values)),
    "stdvar": variance,
    "sum": careful_sum,
}

numbers = st.integers(-3, 9).map(float) | st.floats(-1e3, 1e3)
oddities = st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e100, -1e100, 1.7e308])
cells = st.none() | numbers | oddities


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Draw a vector of some groups, on up to twenty steps."""
    series, steps = draw(st.integers(0, 12)), draw(st.integers(1, 20))
    points = draw(st.lists(cells, min_size=series * steps, max_size=series * steps))
    groups = draw(st.lists(st.sampled_from("abc"), min_size=series, max_size=series))
    shape = (series, steps)
    return Matrix(
        LabelSets((("g", group), ("i", f"{index:02}")) for index, group in enumerate(groups)),
        Grid(0, steps - 1, 1),
        np.array([7.0 if point is None else point for point in points]).reshape(shape),
        np.array([point is not None for point in points], dtype=np.bool_).reshape(shape),
    )


def column(vector: Matrix, group: Labels, step: int) -> list[tuple[int, float]]:
    """Return row and value of a group's points at a step."""
    return [
        (row, float(vector.values[row, step]))
        for row, labels in enumerate(vector.labels)
        if label_value(labels, "g") == dict(group)["g"] and vector.present[row, step]
    ]


@pytest.mark.parametrize("op", sorted(PLAIN))
@drawn
@given(vector=matrices(), split=st.booleans())
def test_a_fold_of_groups(op: str, vector: Matrix, split: bool) -> None:  # noqa: FBT001 - drawn
    """Each fold gives what Prometheus' loop over the members gives, shared out or not."""
    groups = group_rows(vector.labels, projection(["g"], drop=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "_LARGE", 0 if split else 1 << 40)
        if op == "quantile":
            folded = aggregations.quantile(vector, groups, np.full(len(vector.grid), 0.3))
        else:
            folded = aggregations.fold(op, vector, groups)
    for row, group in enumerate(folded.labels):
        for step in range(len(vector.grid)):
            values = [value for _, value in column(vector, group, step)]
            assert folded.present[row, step] == bool(values)
            if values:
                wanted = PLAIN[op](values)
                np.testing.assert_allclose(folded.values[row, step], wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("largest", [True, False])
@drawn
@given(vector=matrices(), k=st.integers(-1, 8), split=st.booleans())
def test_the_best_of_groups(largest: bool, vector: Matrix, k: int, split: bool) -> None:  # noqa: FBT001 - drawn
    """At each step the k best of a group are kept with their values, NaN only after all others."""
    groups = group_rows(vector.labels, projection(["g"], drop=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "_LARGE", 0 if split else 1 << 40)
        k_of_steps = np.full(len(vector.grid), float(k))
        top = selections.top(vector, groups, k_of_steps, largest=largest)

    def rank(value: float) -> tuple[bool, float]:
        return math.isnan(value), 0.0 if math.isnan(value) else (-value if largest else value)

    for group in groups.labels:
        for step in range(len(vector.grid)):
            found = [value for _, value in column(top, group, step)]
            wanted = sorted((value for _, value in column(vector, group, step)), key=rank)
            assert sorted(map(rank, found)) == list(map(rank, wanted[: max(0, k)]))
            for row, value in column(top, group, step):
                original = vector.labels.index(top.labels[row])
                np.testing.assert_equal(vector.values[original, step], value)


@drawn
@given(vector=matrices(), k=st.integers(-1, 8))
def test_the_first_of_groups(vector: Matrix, k: int) -> None:
    """`limitk` keeps the first k points of a group at each step."""
    groups = group_rows(vector.labels, projection(["g"], drop=False))
    limited = selections.limit(vector, groups, np.full(len(vector.grid), float(k)))
    for group in groups.labels:
        for step in range(len(vector.grid)):
            found = [limited.labels[row] for row, _ in column(limited, group, step)]
            members = [vector.labels[row] for row, _ in column(vector, group, step)]
            assert found == members[: max(0, k)]


def instant(values: list[float]) -> Matrix:
    """Return series `i="00"`, `i="01"`, … with *values* at one step."""
    labels = LabelSets((("i", f"{index:02}"),) for index in range(len(values)))
    present = np.ones((len(values), 1), dtype=np.bool_)
    return Matrix(labels, Grid.instant(0), np.array(values)[:, None], present)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        # The heap of Go: of two equal ones on top, the one that came first gives way.
        ([4, 4, 5], "02 01"),
        ([4, 4, 4], "00 01"),
        ([5, 4, 4, 4], "00 01"),
        ([math.nan, 1, math.nan], "01 00"),
        ([math.nan, 1, 2], "02 01"),
    ],
)
def test_which_of_equals_is_chosen(values: list[float], chosen: str) -> None:
    """Ties fall as in Prometheus for series in the same order."""
    vector = instant(values)
    groups = group_rows(vector.labels, projection([], drop=False))
    top = selections.top(vector, groups, np.array([2.0]), largest=True)
    assert [label_value(labels, "i") for labels in top.labels] == chosen.split()


def test_a_share_of_series_is_drawn_by_their_hash() -> None:
    """`limit_ratio` splits series by the hash that Prometheus takes of their labels."""
    vector = instant([float(index) for index in range(100)])
    groups = group_rows(vector.labels, projection([], drop=False))
    kept = selections.limit_ratio(vector, groups, np.array([0.4])).present[:, 0]
    rest = selections.limit_ratio(vector, groups, np.array([-0.6])).present[:, 0]
    assert (kept ^ rest).all()
    assert 25 < kept.sum() < 55
    long = LabelSets([(("a", "x" * 300),)])
    assert selections._encoded(long[0])[:6] == b"\x01a\xff\x2c\x01\x00"


def test_groups_are_remembered_with_their_label_sets() -> None:
    """The second grouping of the same series is the first one, whoever asks."""
    labels = instant([1.0, 2.0]).labels
    first = group_rows(labels, projection(["i"], drop=False))
    assert group_rows(labels, projection(["i"], drop=False)) is first
    assert group_rows(labels, projection(["i"], drop=True)) is not first

"""Aggregation operators, on numbers small enough to check by hand."""

from collections.abc import Callable

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
eval instant at 0 count_values without (i) ("g", m{i="1"})
  {g="1"} 1
  {g="5"} 1
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

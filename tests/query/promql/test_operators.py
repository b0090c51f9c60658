"""Binary operators and vector matching, on numbers small enough to check by hand."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 10s
  a{x="1", y="p"} 1
  a{x="1", y="q"} 2
  a{x="2", y="p"} 3
  b{x="1", z="k"} 10
  b{x="2", z="l"} 20
  b{x="3", z="m"} 30
  s 7
  neg -8
"""

TABLE = """
eval instant at 0 1 + 2 * 3 ^ 2 ^ 0
  7
eval instant at 0 -2 ^ 2
  -4
eval instant at 0 7 % 3
  1
eval instant at 0 -7 % 3
  -1
eval instant at 0 7 / 0
  +Inf
eval instant at 0 0 / 0
  NaN
eval instant at 0 1 atan2 1
  0.7853981633974483
eval instant at 0 2 > bool 1
  1
eval instant at 0 2 <= bool 1
  0
eval instant at 0 NaN == bool NaN
  0
eval instant at 0 NaN != bool NaN
  1
eval_fail instant at 0 2 > 1
  comparisons between scalars must use BOOL modifier
eval_fail instant at 0 a and 1
  set operator "and" not allowed in binary scalar expression
eval instant at 0 s * 2
  {} 14
eval instant at 0 2 - s
  {} -5
eval instant at 0 neg ^ 2
  {} 64
eval instant at 0 s atan2 7
  {} 0.7853981633974483
eval instant at 0 a > 1
  a{x="1", y="q"} 2
  a{x="2", y="p"} 3
eval instant at 0 1 < a
  a{x="1", y="q"} 2
  a{x="2", y="p"} 3
eval instant at 0 a == bool 2
  {x="1", y="p"} 0
  {x="1", y="q"} 1
  {x="2", y="p"} 0
eval instant at 0 -s
  {} -7
# One to one.
eval instant at 0 a{y="p"} + on(x) b
  {x="1"} 11
  {x="2"} 23
eval instant at 0 a{y="p"} * ignoring(y, z) b
  {x="1"} 10
  {x="2"} 60
eval instant at 0 a - a
  {x="1", y="p"} 0
  {x="1", y="q"} 0
  {x="2", y="p"} 0
eval instant at 0 a + b
eval instant at 0 a < on(x, y) a
eval instant at 0 a <= on(x, y) a
  {x="1", y="p"} 1
  {x="1", y="q"} 2
  {x="2", y="p"} 3
eval instant at 0 a == a
  a{x="1", y="p"} 1
  a{x="1", y="q"} 2
  a{x="2", y="p"} 3
eval instant at 0 a == bool a
  {x="1", y="p"} 1
  {x="1", y="q"} 1
  {x="2", y="p"} 1
# Many to one.
eval instant at 0 a + on(x) group_left b
  {x="1", y="p"} 11
  {x="1", y="q"} 12
  {x="2", y="p"} 23
eval instant at 0 a + on(x) group_left(z) b
  {x="1", y="p", z="k"} 11
  {x="1", y="q", z="k"} 12
  {x="2", y="p", z="l"} 23
eval instant at 0 b - on(x) group_right(z) a
  {x="1", y="p", z="k"} 9
  {x="1", y="q", z="k"} 8
  {x="2", y="p", z="l"} 17
eval instant at 0 b > on(x) group_right a
  a{x="1", y="p"} 10
  a{x="1", y="q"} 10
  a{x="2", y="p"} 20
eval instant at 0 a < bool on(x) group_left(nothing) b
  {x="1", y="p"} 1
  {x="1", y="q"} 1
  {x="2", y="p"} 1
eval instant at 0 a + on() group_left s
  {x="1", y="p"} 8
  {x="1", y="q"} 9
  {x="2", y="p"} 10
# What is ambiguous is refused.
eval_fail instant at 0 a{x="1"} + on(x) b
  multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)
eval_fail instant at 0 b + on(x) a
  found duplicate series for the match group {x="1"} on the right hand-side of the operation:
  [{__name__="a", x="1", y="q"}, {__name__="a", x="1", y="p"}];many-to-many matching not
  allowed: matching labels must be unique on one side
eval_fail instant at 0 a + on(x) group_right b
  found duplicate series for the match group {x="1"} on the left hand-side of the operation
eval_fail instant at 0 a + on(x) group_left(y) b
  multiple matches for labels: grouping labels must ensure unique matches
eval instant at 0 nothing + on(x) a
eval_fail instant at 0 a + on(x) group_left(x) b
  label "x" must not occur in ON and GROUP clause at once
eval_fail instant at 0 a and on(x) group_left b
  no grouping allowed for "and" operation
eval_fail instant at 0 a + bool b
  bool modifier can only be used on comparison operators
# Sets.
eval instant at 0 a and on(x) b{z="k"}
  a{x="1", y="p"} 1
  a{x="1", y="q"} 2
eval instant at 0 a unless on(x) b{z="k"}
  a{x="2", y="p"} 3
eval instant at 0 b{z="k"} or b
  b{x="1", z="k"} 10
  b{x="2", z="l"} 20
  b{x="3", z="m"} 30
eval instant at 0 a{y="q"} or on(x) b
  a{x="1", y="q"} 2
  b{x="2", z="l"} 20
  b{x="3", z="m"} 30
eval instant at 0 s or vector(1)
  s 7
eval instant at 0 nothing or vector(1)
  {} 1
eval instant at 0 a and nothing
eval instant at 0 a unless nothing > 2
  a{x="1", y="p"} 1
  a{x="1", y="q"} 2
  a{x="2", y="p"} 3
eval instant at 0 vector(1) and vector(2) or vector(3)
  {} 1
"""


def test_operator(script: Script, command: str) -> None:
    """Each operator gives the numbers worked out by hand, or Prometheus' refusal."""
    script(DATA + command)


def test_matches_are_found_step_by_step(script: Script) -> None:
    """Series that replace each other are one side of a match, never two at once."""
    script("""
load 10s
  old{x="1", v="1"} 1 1 stale
  new{x="1", v="2"} _ _ 2 2
  c{x="1"} 10 20 30 40
eval range from 0s to 30s step 10s c * on(x) {__name__=~"old|new"}
  {x="1"} 10 20 60 80
eval range from 0s to 30s step 10s c * on(x) group_left(v) {__name__=~"old|new"}
  {x="1", v="1"} 10 20
  {x="1", v="2"} _ _ 60 80
eval range from 0s to 30s step 10s old or on(x) c
  old{x="1", v="1"} 1 1
  c{x="1"} _ _ 30 40
""")


def test_another_quantity_has_no_metadata(script: Script) -> None:
    """What drops the name of the metric drops its type and unit."""
    script("""
load 10s
  a_total{__type__="counter", __unit__="bytes", x="1"} 2 3
  b{A="0", __type__="gauge", x="1"} 5 6
  h_bucket{__type__="histogram", le="2"} 4
  h_bucket{__type__="histogram", le="+Inf"} 4
eval instant at 0 a_total
  a_total{__type__="counter", __unit__="bytes", x="1"} 2
eval instant at 0 -a_total
  {x="1"} -2
eval instant at 0 b * 2
  {A="0", x="1"} 10
eval instant at 0 a_total > 1
  a_total{__type__="counter", __unit__="bytes", x="1"} 2
eval instant at 0 a_total > bool 1
  {x="1"} 1
eval instant at 0 abs(b)
  {A="0", x="1"} 5
eval instant at 0 last_over_time(b[1s])
  b{A="0", __type__="gauge", x="1"} 5
eval instant at 10s rate(a_total[20s])
  {x="1"} 0.1
eval instant at 0 histogram_quantile(0.5, h_bucket)
  {} 1
eval instant at 0 sum without (x) (a_total)
  {__type__="counter", __unit__="bytes"} 2
# As in Prometheus, metrics of different types match only where these are ignored.
eval instant at 0 a_total + b
eval instant at 0 a_total + ignoring(A, __type__, __unit__) b
  {x="1"} 7
eval instant at 0 a_total + on(x) group_left(__type__) b
  {x="1", __type__="gauge"} 7
eval instant at 0 a_total + on(x) group_left(__name__) b
  b{x="1"} 7
eval instant at 0 a_total == bool on(x) group_left(__name__) b
  {x="1"} 0
eval instant at 0 a_total < on(x) b
  {x="1"} 2
eval instant at 0 a_total + 1 or a_total
  {x="1"} 3
  a_total{__type__="counter", __unit__="bytes", x="1"} 2
""")


def test_scalars_vary_with_the_step(script: Script) -> None:
    """A scalar on one side has its own value at every step."""
    script("""
load 10s
  c 1 2 3 4
eval range from 0s to 30s step 10s c + time()
  {} 1 12 23 34
eval range from 0s to 30s step 10s c > scalar(c) - 1 + (time() > bool 15) * 5
  c 1 2
""")

"""Fill modifiers: what stands in for a series that the other side has no partner for."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 10s
  a{x="1"} 3
  a{x="2"} 8
  a{x="3"} -4
  b{x="1"} 50
  b{x="2"} 70
  b{x="4"} 90
  many{x="1", y="p"} 1
  many{x="1", y="q"} 2
  many{x="5", y="p"} 5
  one{x="1", z="k"} 25
  one{x="6", z="l"} 65
  fill{x="1"} 7
"""

TABLE = """
eval instant at 0 a - fill(0) b
  {x="1"} -47
  {x="2"} -62
  {x="3"} -4
  {x="4"} -90
eval instant at 0 a - fill_left(9) b
  {x="1"} -47
  {x="2"} -62
  {x="4"} -81
eval instant at 0 a - fill_right(6) b
  {x="1"} -47
  {x="2"} -62
  {x="3"} -10
eval instant at 0 a - fill_left(9) fill_right(6) b
  {x="1"} -47
  {x="2"} -62
  {x="3"} -10
  {x="4"} -81
eval instant at 0 a - fill(-Inf) b
  {x="1"} -47
  {x="2"} -62
  {x="3"} +Inf
  {x="4"} -Inf
# A comparison keeps the left side, which may be what was filled in.
eval instant at 0 a < fill(-4) b
  a{x="1"} 3
  a{x="2"} 8
  {x="4"} -4
eval instant at 0 a < bool fill(-4) b
  {x="1"} 1
  {x="2"} 1
  {x="3"} 0
  {x="4"} 1
eval instant at 0 a - on(x) fill(0) b
  {x="1"} -47
  {x="2"} -62
  {x="3"} -4
  {x="4"} -90
# Of the side of many there is one stand-in for a group, with the labels of the group.
eval instant at 0 many - on(x) group_left fill(4) one
  {x="1", y="p"} -24
  {x="1", y="q"} -23
  {x="5", y="p"} 1
  {x="6"} -61
eval instant at 0 many - on(x) group_left(z) fill_right(4) one
  {x="1", y="p", z="k"} -24
  {x="1", y="q", z="k"} -23
  {x="5", y="p"} 1
# With group_right, the sides of fill_left and fill_right are swapped, as in Prometheus.
eval instant at 0 one - on(x) group_right fill_left(4) many
  {x="1", y="p"} 24
  {x="1", y="q"} 23
  {x="6"} 61
eval instant at 0 one - on(x) group_right fill_right(1) many
  {x="1", y="p"} 24
  {x="1", y="q"} 23
  {x="5", y="p"} -4
# Nothing stands in where the other side has nothing either.
eval instant at 0 a - fill_left(2) nothing
eval instant at 0 a - fill_right(2) nothing
  {x="1"} 1
  {x="2"} 6
  {x="3"} -6
eval instant at 0 nothing + fill(0) nothing
# The words are names of metrics too.
eval instant at 0 fill
  fill{x="1"} 7
eval instant at 0 a + fill
  {x="1"} 10
eval instant at 0 fill + fill(1) fill
  {x="1"} 14
eval_fail instant at 0 a and fill(1) b
  1:1: parse error: filling in missing series not allowed for set operators
eval_fail instant at 0 a + fill(1) 2
  1:1: parse error: filling in missing series only allowed between instant vectors
"""


def test_fill(script: Script, command: str) -> None:
    """Each fill gives the numbers worked out by hand, or Prometheus' refusal."""
    script(DATA + command)


def test_a_series_is_filled_in_step_by_step(script: Script) -> None:
    """A stand-in has points only where its side has none and the other has one."""
    script("""
load 10s
  own{x="p"} 6 7 stale _ 2
  own{x="q"} _ _ 4 stale
  other{x="p"} 1 stale _ 5 stale
  other{x="q"} _ 8 3 9 stale
  other{x="r"} stale _ 2 _ stale
eval range from 0s to 40s step 10s own - fill(1) other
  {x="p"} 5 6 _ -4 1
  {x="q"} _ -7 1 -8
  {x="r"} _ _ -1 -1
eval range from 0s to 40s step 10s own - fill_right(1) other
  {x="p"} 5 6 _ _ 1
  {x="q"} _ _ 1
eval range from 0s to 40s step 10s own - fill_left(1) other
  {x="p"} 5 _ _ -4
  {x="q"} _ -7 1 -8
  {x="r"} _ _ -1 -1
""")

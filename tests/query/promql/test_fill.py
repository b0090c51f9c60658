"""Fill modifiers: what stands in for a series that the other side has no partner for."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 10s
  a{x="1"} 10
  a{x="2"} 20
  a{x="3"} 30
  b{x="1"} 100
  b{x="2"} 200
  b{x="4"} 400
  many{x="1", y="p"} 1
  many{x="1", y="q"} 2
  many{x="5", y="p"} 5
  one{x="1", z="k"} 100
  one{x="6", z="l"} 600
  fill{x="1"} 7
"""

TABLE = """
eval instant at 0 a + fill(0) b
  {x="1"} 110
  {x="2"} 220
  {x="3"} 30
  {x="4"} 400
eval instant at 0 a + fill_left(5) b
  {x="1"} 110
  {x="2"} 220
  {x="4"} 405
eval instant at 0 a + fill_right(7) b
  {x="1"} 110
  {x="2"} 220
  {x="3"} 37
eval instant at 0 a + fill_left(5) fill_right(7) b
  {x="1"} 110
  {x="2"} 220
  {x="3"} 37
  {x="4"} 405
eval instant at 0 a + fill(-Inf) b
  {x="1"} 110
  {x="2"} 220
  {x="3"} -Inf
  {x="4"} -Inf
# A comparison keeps the left side, which may be what was filled in.
eval instant at 0 a != fill(30) b
  a{x="1"} 10
  a{x="2"} 20
  {x="4"} 30
eval instant at 0 a == bool fill(30) b
  {x="1"} 0
  {x="2"} 0
  {x="3"} 1
  {x="4"} 0
eval instant at 0 a + on(x) fill(0) b
  {x="1"} 110
  {x="2"} 220
  {x="3"} 30
  {x="4"} 400
# Of the side of many there is one stand-in for a group, with the labels of the group.
eval instant at 0 many + on(x) group_left fill(0) one
  {x="1", y="p"} 101
  {x="1", y="q"} 102
  {x="5", y="p"} 5
  {x="6"} 600
eval instant at 0 many + on(x) group_left(z) fill_right(0) one
  {x="1", y="p", z="k"} 101
  {x="1", y="q", z="k"} 102
  {x="5", y="p"} 5
# With group_right, the sides of fill_left and fill_right are swapped, as in Prometheus.
eval instant at 0 one + on(x) group_right fill_left(0) many
  {x="1", y="p"} 101
  {x="1", y="q"} 102
  {x="6"} 600
eval instant at 0 one - on(x) group_right fill_right(1) many
  {x="1", y="p"} 99
  {x="1", y="q"} 98
  {x="5", y="p"} -4
# Nothing stands in where the other side has nothing either.
eval instant at 0 a + fill_left(0) nothing
eval instant at 0 a + fill_right(0) nothing
  {x="1"} 10
  {x="2"} 20
  {x="3"} 30
eval instant at 0 nothing + fill(0) nothing
# The words are names of metrics too.
eval instant at 0 fill
  fill{x="1"} 7
eval instant at 0 a + fill
  {x="1"} 17
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
  left{x="a"} 1 stale 3 stale 5
  left{x="b"} _ 20 stale 40 stale
  right{x="a"} _ 200 stale 400 stale
  right{x="b"} 100 stale 300 stale 500
  right{x="c"} 1000 stale _ 4000 5000
eval range from 0s to 40s step 10s left + fill(0) right
  {x="a"} 1 200 3 400 5
  {x="b"} 100 20 300 40 500
  {x="c"} 1000 _ _ 4000 5000
eval range from 0s to 40s step 10s left + fill_right(0) right
  {x="a"} 1 _ 3 _ 5
  {x="b"} _ 20 _ 40
eval range from 0s to 40s step 10s left + fill_left(0) right
  {x="a"} _ 200 _ 400
  {x="b"} 100 _ 300 _ 500
  {x="c"} 1000 _ _ 4000 5000
""")

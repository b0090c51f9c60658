"""Selectors: matchers, look-back, staleness, `offset`, `@` and subqueries."""

from collections.abc import Callable

Script = Callable[[str], None]


def test_matchers(script: Script) -> None:
    """Each matcher compares the whole value, and an absent label is an empty one."""
    script("""
load 10s
  m{a="x"} 1
  m{a="xy"} 2
  m 3
eval instant at 0 m{a="x"}
  m{a="x"} 1
eval instant at 0 m{a!="x"}
  m{a="xy"} 2
  m 3
eval instant at 0 m{a=~"x"}
  m{a="x"} 1
eval instant at 0 m{a!~"x.*"}
  m 3
eval instant at 0 m{a=""}
  m 3
eval instant at 0 {__name__=~"m|n", a=~"x|xy"}
  m{a="x"} 1
  m{a="xy"} 2
eval instant at 0 nothing
""")


def test_lookback_and_staleness(script: Script) -> None:
    """A value lives five minutes, the edge not included, or until its stale marker."""
    script("""
load 1m
  m 1 2 _x10
  gone 1 stale _ 4
eval instant at 60s m
  m 2
eval instant at 359s m
  m 2
eval instant at 360s m
eval instant at 60s gone
eval instant at 2m gone
eval instant at 3m gone
  gone 4
eval range from 0s to 3m step 1m gone
  gone 1 _ _ 4
""")


def test_offset_and_at(script: Script) -> None:
    """Both move the data's time and leave the answer's."""
    script("""
load 10s
  m 0+1x100
eval range from 100s to 120s step 10s m offset 50s
  m 5 6 7
eval range from 100s to 120s step 10s m offset -50s
  m 15 16 17
eval range from 100s to 120s step 10s m @ 30
  m 3x2
eval range from 100s to 120s step 10s m @ start()
  m 10x2
eval range from 100s to 120s step 10s m @ end() offset 10s
  m 11x2
eval range from 100s to 120s step 10s m - m @ 100
  {} 0 1 2
eval range from 100s to 120s step 10s sum_over_time(m[20s] @ 50)
  {} 9x2
eval range from 100s to 120s step 10s predict_linear(m[50s] @ 100, 0)
  {} 10 11 12
eval range from 100s to 120s step 10s timestamp(m @ 35)
  {} 30x2
eval range from 100s to 120s step 10s timestamp(m offset 5s)
  {} 90 100 110
eval range from 100s to 120s step 10s timestamp(m + 0)
  {} 100 110 120
eval range from 100s to 120s step 10s sum(m @ 30) + time()
  {} 103 113 123
""")


def test_subqueries(script: Script) -> None:
    """A subquery's steps are multiples of its step, in a left-open window."""
    script("""
load 10s
  m 0+1x100
eval instant at 65s sum_over_time(m[30s:10s])
  {} 15
eval instant at 60s count_over_time(m[30s:10s])
  {} 3
eval instant at 65s last_over_time(m[60s:])
  m 6
eval instant at 500s count_over_time(m[5m:])
  {} 5
eval range from 60s to 80s step 10s max_over_time(m[30s:10s] offset 10s)
  {} 5 6 7
eval range from 60s to 80s step 10s max_over_time(m[30s:10s] @ 100)
  {} 10x2
eval instant at 65s max_over_time(sum_over_time(m[20s])[30s:10s])
  {} 11
eval instant at 65s sum_over_time(vector(time())[30s:10s])
  {} 150
eval instant at 65s count_over_time(vector(1)[5s:10s])
eval instant at 65s sum_over_time(sum_over_time(m[20s:10s])[20s:10s])
  {} 20
eval instant at 60s rate(m[1m:10s])
  {} 0.1
eval instant at 60s absent_over_time(nothing[1m:10s])
  {} 1
eval instant at 60s absent_over_time(m[1m:10s])
""")


def test_negative_times(script: Script) -> None:
    """Windows that reach before 1970 hold what there is."""
    script("""
load 10s
  m 0+1x10
eval instant at 10s count_over_time(m[1h])
  {} 2
eval instant at 5s count_over_time(m[1h:7s])
  {} 1
eval instant at 0 m offset 1h
""")

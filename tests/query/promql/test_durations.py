"""Durations that are computed, what a query knows of itself, and edges that are made to fit."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 1s
  m_total 0+1x90
load 20s
  edge 2 5 8 11 1 6
"""

TABLE = """
eval instant at 60s count_over_time(m_total[10s + 5s])
  {} 15
eval instant at 60s count_over_time(m_total[20s - 5])
  {} 15
eval instant at 60s count_over_time(m_total[3s * 5])
  {} 15
eval instant at 60s count_over_time(m_total[1m / 4])
  {} 15
eval instant at 60s count_over_time(m_total[1m15s % 20s])
  {} 15
eval instant at 60s count_over_time(m_total[(2s + 3s) * 3])
  {} 15
eval instant at 60s count_over_time(m_total[2 ^ 4 - 1])
  {} 15
eval instant at 60s count_over_time(m_total[-5s + 20s])
  {} 15
eval instant at 60s count_over_time(m_total[min(15s, 1h)])
  {} 15
eval instant at 60s count_over_time(m_total[max_of(15s, min_of(1m, 2))])
  {} 15
eval instant at 60s m_total offset min_of(20s, 30s)
  m_total 40
eval instant at 60s count_over_time(m_total[max(15s, min(1m, 2))])
  {} 15
eval instant at 60s count_over_time(m_total[0x0f])
  {} 15
eval instant at 60s count_over_time(m_total[15s:3s - 2s])
  {} 15
eval instant at 60s m_total offset (6 + 8)
  m_total 46
eval instant at 60s m_total offset 6 + 8
  {} 62
eval instant at 60s m_total offset -(6 + 8)
  m_total 74
eval instant at 60s m_total offset -3 ^ 2
  {} 3969
eval instant at 60s m_total offset (-3 ^ 2)
  m_total 69
eval range from 40s to 58s step 6s count_over_time(m_total[step()])
  {} 6x3
eval range from 40s to 58s step 6s count_over_time(m_total[STEP() - 2])
  {} 4x3
eval range from 40s to 58s step 6s count_over_time(m_total[range()])
  {} 18x3
eval range from 40s to 58s step 6s m_total offset step()
  m_total 34 40 46 52
eval range from 40s to 58s step 6s m_total offset -step() * 3
  {} 138 156 174 192
eval range from 40s to 58s step 6s m_total offset (-step() * 3)
  m_total 58 64 70 76
eval range from 40s to 58s step 6s m_total offset min(range(), 8s)
  m_total 32 38 44 50
eval instant at 50s m_total offset range()
  m_total 50
eval_fail instant at 50s count_over_time(m_total[step()])
  24:30: duration must be greater than 0
eval_fail instant at 50s m_total offset (5s / 0)
  division by zero
eval_fail instant at 50s m_total[5s % 0]
  modulo by zero
eval_fail instant at 50s m_total[1s - 5s]
  duration must be greater than 0
eval_fail instant at 50s m_total offset (1y ^ 9)
  duration is out of range
eval_fail instant at 50s m_total[5s +]
  1:13: parse error: unexpected "]"
eval_fail instant at 50s m_total[up]
  1:9: parse error: unexpected identifier "up" in subquery or range selector, expected number
eval_fail instant at 50s m_total offset up
  unexpected identifier "up" in offset, expected number, duration, step(), or range()
# What a query knows of itself.
eval range from 50s to 60s step 5s vector(start())
  {} 50 50 50
eval range from 50s to 62s step 5s vector(end())
  {} 62 62 62
eval range from 50s to 62s step 5s vector(range() + step())
  {} 17 17 17
eval instant at 50s start() + end() + step() + range()
  100
eval range from 50s to 60s step 5s max_over_time(vector(end())[10s:1s])
  {} 60 60 60
# Anchored and smoothed.
# From the 5 at 20s over 8 and 11 to 1, before which 11 were lost.
eval instant at 90s increase(edge[1m] anchored)
  {} 7
eval instant at 10s increase(edge[1m] anchored)
  {} 0
# From 3.5 between 2 and 5 over 5, 8 and 11 to 0.5 between 0 and 1, before which 11 were lost.
eval instant at 70s increase(edge[1m] smoothed)
  {} 8
# From the first, 2, to 3.5.
eval instant at 10s increase(edge[1m] smoothed)
  {} 1.5
eval instant at 10s rate(edge[10s] smoothed offset 20s)
eval instant at 90s changes(edge[1m] anchored)
  {} 3
eval instant at 50s edge smoothed
  edge 9.5
eval_fail instant at 5s deriv(edge[1m] smoothed)
  smoothed modifier can only be used with: delta, increase, rate - not with deriv
eval_fail instant at 5s sum_over_time(edge[1m] anchored)
  anchored modifier can only be used with: changes, delta, increase, rate, resets - not with
eval_fail instant at 5s edge anchored
  anchored modifier can only be used with: changes, delta, increase, rate, resets
eval_fail instant at 5s rate(edge[1m] anchored smoothed)
  anchored and smoothed modifiers cannot be used together
eval_fail instant at 5s rate(edge[1m:1s] smoothed)
  smoothed modifier is not supported for subqueries
"""


def test_duration(script: Script, command: str) -> None:
    """Each gives the number worked out by hand, or Prometheus' refusal."""
    script(DATA + command)

"""Durations that are computed, what a query knows of itself, and edges that are made to fit."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 1s
  m_total 0+1x100
load 15s
  edge 1+1x4 9+1x4
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
eval instant at 60s m_total offset (10 + 2)
  m_total 48
eval instant at 60s m_total offset 10 + 2
  {} 52
eval instant at 60s m_total offset -(10 + 2)
  m_total 72
eval instant at 60s m_total offset -2 ^ 2
  {} 3844
eval instant at 60s m_total offset (-2 ^ 2)
  m_total 64
eval range from 50s to 60s step 5s count_over_time(m_total[step()])
  {} 5 5 5
eval range from 50s to 60s step 5s count_over_time(m_total[STEP() + 1])
  {} 6 6 6
eval range from 50s to 60s step 5s count_over_time(m_total[range()])
  {} 10 10 10
eval range from 50s to 60s step 5s m_total offset step()
  m_total 45 50 55
eval range from 50s to 60s step 5s m_total offset -step() * 2
  {} 110 120 130
eval range from 50s to 60s step 5s m_total offset (-step() * 2)
  m_total 60 65 70
eval range from 50s to 60s step 5s m_total offset min(range(), 8s)
  m_total 42 47 52
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
eval instant at 80s increase(edge[1m] anchored)
  {} 7
eval instant at 5s increase(edge[1m] anchored)
  {} 0
eval instant at 65s increase(edge[1m] smoothed)
  {} 5
eval instant at 5s increase(edge[1m] smoothed)
  {} 0.3333333333333333
eval instant at 5s rate(edge[5s] smoothed offset 10s)
eval instant at 65s changes(edge[1m] anchored)
  {} 4
eval instant at 20s edge smoothed
  edge 2.3333333333333335
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

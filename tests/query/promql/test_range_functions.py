"""Every function of range vectors, on numbers small enough to check by hand."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 10s
  up_total 0 10 20 30 40 50 60
  reset_total 10 20 5 15 1 3 6
  gauge 1 3 2 5 4 8 6
  holes 1 _ 3 _ _ 6 _
  flat 4 4 4 4 4 4 4
  single _ _ _ 7 _ _ _
  odd 1 NaN 2 NaN 3 NaN NaN
  big 1e100 1 -1e100 1e100 1 -1e100 1
  huge 1.5e308 1.5e308 1.5e308 1.5e308 1.5e308 1.5e308 1.5e308
  stopped 1 2 3 stale
"""


TABLE = """
# The window (0s, 60s] holds the samples at 10s to 60s.
eval instant at 60s rate(up_total[60s])
  {} 1
eval instant at 60s increase(up_total[60s])
  {} 60
eval instant at 60s delta(up_total[60s])
  {} 60
# Between 10s and 60s the counter grows by 5 resets' worth: 20→5→15→1→3→6 is 5+10+1+2+3 = 21 over
# 50 s; 10 s of start are within 1.1 gaps, and a counter of 20 reaches back 47 s before it is zero.
eval instant at 60s increase(reset_total[60s])
  {} 25.2
eval instant at 60s rate(reset_total[60s])
  {} 0.42
# A gauge does not reset: 6 - 20 over 50 s, stretched to 60 s.
eval instant at 60s delta(reset_total[60s])
  {} -16.8
# The series ends 35 s before the window does: only half a gap of 10 s is added there.
eval instant at 95s increase(up_total[60s])
  {} 30
# A counter of 10 that grows by 1 a second was zero 10 s before its first sample, not 20 s.
eval instant at 60s increase(up_total[75s])
  {} 60
eval instant at 60s irate(up_total[60s])
  {} 1
eval instant at 60s irate(reset_total[60s])
  {} 0.3
eval instant at 40s irate(reset_total[60s])
  {} 0.1
eval instant at 60s idelta(gauge[60s])
  {} -2
eval instant at 40s idelta(reset_total[60s])
  {} -14
eval instant at 60s rate(single[60s])
eval instant at 60s irate(single[60s])
eval instant at 60s idelta(single[60s])
eval instant at 60s deriv(single[60s])
# The left edge is open: (20s, 30s] holds one sample.
eval instant at 30s count_over_time(gauge[10s])
  {} 1
eval instant at 30s count_over_time(gauge[20s])
  {} 2
eval instant at 60s sum_over_time(gauge[60s])
  {} 28
eval instant at 60s avg_over_time(gauge[60s])
  {} 4.666666666666667
eval instant at 60s min_over_time(gauge[60s])
  {} 2
eval instant at 60s max_over_time(gauge[60s])
  {} 8
eval instant at 60s count_over_time(holes[60s])
  {} 2
eval instant at 60s present_over_time(holes[60s])
  {} 1
eval instant at 60s last_over_time(holes[60s])
  holes 6
eval instant at 60s first_over_time(holes[60s])
  holes 3
eval instant at 60s stdvar_over_time(gauge[30s])
  {} 2.6666666666666665
eval instant at 60s stddev_over_time(gauge[30s])
  {} 1.632993161855452
eval instant at 60s stdvar_over_time(flat[60s])
  {} 0
eval instant at 60s quantile_over_time(0.5, gauge[60s])
  {} 4.5
eval instant at 60s quantile_over_time(0.25, gauge[60s])
  {} 3.25
eval instant at 60s quantile_over_time(-0.1, gauge[60s])
  {} -Inf
eval instant at 60s quantile_over_time(1.1, gauge[60s])
  {} +Inf
eval instant at 60s quantile_over_time(NaN, gauge[60s])
  {} NaN
# Sorted 2 3 4 5 6 8 has median 4.5, distances 0.5 0.5 1.5 1.5 2.5 3.5 have median 1.5.
eval instant at 60s mad_over_time(gauge[60s])
  {} 1.5
eval instant at 60s mad_over_time((gauge * (0 / (gauge != bool 8)))[60s:10s])
  {} NaN
eval instant at 60s changes(gauge[60s])
  {} 5
eval instant at 60s changes(flat[60s])
  {} 0
eval instant at 60s changes(odd[60s])
  {} 4
eval instant at 60s resets(reset_total[60s])
  {} 2
eval instant at 60s resets(up_total[60s])
  {} 0
eval instant at 60s deriv(up_total[60s])
  {} 1
eval instant at 60s deriv(flat[60s])
  {} 0
eval instant at 60s predict_linear(up_total[60s], 10)
  {} 70
eval instant at 60s predict_linear(flat[60s], 1000)
  {} 4
eval instant at 60s predict_linear(up_total[60s] offset 10s, 10)
  {} 70
# Of 2, 5, 4: level 2 and slope 3; level 5·½ + (2+3)·½ = 5; slope (5-2)·½ + 3·½ = 3 and level
# 4·½ + (5+3)·½ = 6.
eval instant at 40s double_exponential_smoothing(gauge[30s], 0.5, 0.5)
  {} 6
eval instant at 60s double_exponential_smoothing(flat[60s], 0.3, 0.3)
  {} 4
eval_fail instant at 60s double_exponential_smoothing(gauge[60s], 1, 0.3)
  invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000
eval_fail instant at 60s double_exponential_smoothing(gauge[60s], 0.3, 0)
  invalid trend factor. Expected: 0 < tf < 1, got: 0.000000
eval instant at 60s absent_over_time(gauge[60s])
eval instant at 60s absent_over_time(nothing{a="b", c=~"d"}[60s])
  {a="b"} 1
eval instant at 60s absent_over_time({job="x"}[60s])
  {job="x"} 1
eval instant at 60s ts_of_first_over_time(holes[60s])
  {} 20
eval instant at 60s ts_of_last_over_time(holes[60s])
  {} 50
eval instant at 60s ts_of_min_over_time(gauge[60s])
  {} 20
eval instant at 60s ts_of_max_over_time(flat[60s])
  {} 60
# NaN is a value: it spoils sums, and gives way in min and max.
eval instant at 60s sum_over_time(odd[60s])
  {} NaN
eval instant at 60s min_over_time(odd[60s])
  {} 2
eval instant at 60s max_over_time(odd[60s])
  {} 3
eval instant at 60s max_over_time(odd[20s])
  {} NaN
eval instant at 60s count_over_time(odd[60s])
  {} 6
eval instant at 60s quantile_over_time(0, odd[60s])
  {} NaN
eval instant at 60s quantile_over_time(1, odd[60s])
  {} 3
# What cancels leaves the small numbers: 1 - 1e100 + 1e100 + 1 - 1e100 + 1 is not 0.
eval instant at 30s sum_over_time(big[30s])
  {} 1
eval instant at 30s avg_over_time(big[30s])
  {} 0.333333333333333333
eval instant at 60s sum_over_time(huge[60s])
  {} +Inf
eval instant at 60s avg_over_time(huge[60s])
  {} 1.5e308
# A stale marker is no sample.
eval instant at 30s count_over_time(stopped[30s])
  {} 2
eval instant at 30s last_over_time(stopped[10s])
eval range from 0s to 60s step 30s count_over_time(stopped[1m])
  {} 1 3 2
"""


def test_range_function(script: Script, command: str) -> None:
    """Each function gives the number worked out by hand."""
    script(DATA + command)

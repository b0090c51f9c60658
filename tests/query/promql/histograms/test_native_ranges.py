"""Native histograms in whole queries of ranges: rates, and functions over time."""
# ruff: noqa: E501 - a series of the test language is one line, however many buckets it has

from collections.abc import Callable

import pytest

RATES = """
load 2m
  grows {{count:6 sum:9 offset:-1 buckets:[1 5]}}+{{count:3 sum:12 offset:2 buckets:[1 2]}}x6
eval instant at 12m grows
  grows {{count:24 sum:81 offset:-1 buckets:[1 5 0 6 12]}}
# One step in 120 s, of 3 observations.
eval instant at 12m rate(grows[4m])
  expect no_warn
  {} {{count:0.025 sum:0.1 offset:2 buckets:[0.008333333333333333 0.016666666666666666] counter_reset_hint:gauge}}
# Half of 3 is 1 from 2 to 4, and a quarter of the 2 from 4 to 8: 2^2.25.
eval instant at 12m histogram_quantile(0.5, rate(grows[4m]))
  expect no_warn
  {} 4.756828460010884
# Two steps fit into the window, of which one was seen.
eval instant at 12m delta(grows[4m])
  expect warn msg: PromQL warning: this native histogram metric is not a gauge: "grows"
  {} {{count:6 sum:24 offset:2 buckets:[2 4]}}
eval instant at 12m irate(grows[4m])
  expect no_warn
  {} {{count:0.025 sum:0.1 offset:2 buckets:[0.008333333333333333 0.016666666666666666]}}
eval instant at 12m rate(grows[2m])
clear
load 20s
  sides {{schema:2 count:10 sum:5 z_bucket:3 z_bucket_w:0.01 offset:1 buckets:[2 1] n_offset:3 n_buckets:[4]}}+{{schema:2 count:8 sum:6 z_bucket:1 z_bucket_w:0.01 offset:1 buckets:[1 0 2] n_offset:3 n_buckets:[4]}}x20
# A twentieth of a step a second.
eval range from 4m to 5m step 1m rate(sides[1m])
  expect no_warn
  {} {{schema:2 count:0.4 sum:0.3 z_bucket:0.05 z_bucket_w:0.01 offset:1 buckets:[0.05 0 0.1] n_offset:3 n_buckets:[0.2]}}x1
clear
load 1m
  swaps {{count:9 sum:20 offset:3 buckets:[4 5]}} {{count:11 sum:27 offset:3 buckets:[3 8]}} {{count:12 sum:30 offset:3 buckets:[4 8]}} {{count:14 sum:31 offset:3 buckets:[2 12]}}
# Reset at 1m, since when it has all of the third; 150 s of which 120 s are seen.
eval instant at 2m increase(swaps[150s])
  expect no_warn
  {} {{count:15 sum:37.5 offset:3 buckets:[5 10]}}
# Reset again at 3m: the third and the fourth together, and 225 s of which 180 s are seen.
eval instant at 3m increase(swaps[225s])
  expect no_warn
  {} {{count:32.5 sum:76.25 offset:3 buckets:[7.5 25]}}
eval instant at 3m histogram_count(increase(swaps[225s]))
  {} 32.5
clear
load 15s
  level {{sum:3 count:2 offset:1 buckets:[2] counter_reset_hint:gauge}} {{sum:9 count:5 offset:1 buckets:[4 1] counter_reset_hint:gauge}} {{sum:15 count:8 offset:1 buckets:[6 2] counter_reset_hint:gauge}}
# 3 more in 15 s: 2 take 10 s, so 25/15 of it in 30 s, an 18th of it a second.
eval instant at 15s rate(level[30s])
  expect warn msg: PromQL warning: this native histogram metric is not a counter: "level"
  {} {{count:0.16666666666666666 sum:0.3333333333333333 offset:1 buckets:[0.1111111111111111 0.05555555555555555]}}
# 6 more in 30 s: 2 take 10 s, so 40/30 of it in 45 s, 4/135 of it a second.
eval instant at 30s rate(level[45s])
  expect warn msg: PromQL warning: this native histogram metric is not a counter: "level"
  {} {{count:0.17777777777777778 sum:0.35555555555555557 offset:1 buckets:[0.11851851851851852 0.05925925925925926]}}
# A gauge may have been below zero: 45/30 of 6.
eval instant at 30s delta(level[45s])
  expect no_warn
  {} {{count:9 sum:18 offset:1 buckets:[6 3]}}
clear
load 20s
  motley {{count:2 sum:3 offset:2 buckets:[2]}} {{schema:-53 sum:6 count:3 custom_values:[1 4] buckets:[1 2]}} {{count:5 sum:8 offset:2 buckets:[4 1]}} {{schema:-53 sum:9 count:4 custom_values:[1 4] buckets:[1 3]}}
eval instant at 40s rate(motley[1m])
  expect warn msg: PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "motley"
eval instant at 1m rate(motley[1m])
  expect warn msg: PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "motley"
# The last one is a beginning. Its 5 took 20 s, the 3 before 12 s: 32/20 of it in 40 s.
eval instant at 40s rate(motley[40s])
  expect no_warn
  {} {{count:0.2 sum:0.32 counter_reset_hint:gauge offset:2 buckets:[0.16 0.04]}}
# Its 3 took 20 s, the 2 before 40/3 s: 5/3 of it in 40 s, a 24th of it a second.
eval instant at 20s rate(motley[40s])
  expect no_warn
  {} {{schema:-53 sum:0.25 count:0.125 custom_values:[1 4] buckets:[0.041666666666666664 0.08333333333333333]}}
clear
load 2m
  idle {{count:5 sum:7 offset:-2 buckets:[1 0 4]}}x3
eval instant at 6m rate(idle[8m])
  expect no_warn
  {} {{sum:0 count:0}}
eval instant at 6m histogram_avg(rate(idle[8m]))
  {} NaN
eval instant at 6m histogram_quantile(0.9, rate(idle[8m]))
  {} NaN
clear
load 30s
  leap{as="histogram"} {{count:2 sum:10 offset:1 buckets:[1 1]}} {{count:102 sum:60 offset:1 buckets:[6 96]}}x9
  leap{as="float"} 2 102x9
# 100 more in 300 s: 2 take 6 s, where less than half a gap is added. 306/300 of 100.
eval instant at 5m increase(leap[8m])
  expect no_warn
  {as="histogram"} {{count:102 sum:51 counter_reset_hint:gauge offset:1 buckets:[5.1 96.9]}}
  {as="float"} 102
# 10 s more at the end: 316/300 of it.
eval instant at 310s increase(leap[8m])
  expect no_warn
  {as="histogram"} {{count:105.33333333333333 sum:52.666666666666664 counter_reset_hint:gauge offset:1 buckets:[5.266666666666667 100.06666666666666]}}
  {as="float"} 105.33333333333333
# The window begins 3 s before the first: 313/300 of it.
eval instant at 310s histogram_count(increase(leap[313s]))
  {as="histogram"} 104.33333333333333
clear
load 20s
  moved {{count:3 sum:6 buckets:[3]}}x5 {{count:3 sum:6 offset:1 buckets:[3]}}x5
# All that was there is in another bucket: a reset between 1m and 2m, and 180 s of 240 s are seen.
eval instant at 4m increase(moved[4m:1m])
  {} {{count:4 sum:8 counter_reset_hint:gauge offset:1 buckets:[4]}}
eval instant at 4m histogram_count(increase(moved[4m:1m]))
  {} 4
"""
OVER_TIME = """
load 30s
  tally {{schema:1 count:9 sum:20 z_bucket:2 z_bucket_w:0.01 offset:1 buckets:[3 1] n_offset:2 n_buckets:[3]}} {{schema:1 count:6 sum:-4 z_bucket:1 z_bucket_w:0.01 offset:2 buckets:[2 0 1] n_offset:1 n_buckets:[1 1]}} {{count:7 sum:5 z_bucket:3 z_bucket_w:0.01 offset:1 buckets:[4]}} {{count:2 sum:7 z_bucket_w:0.01 offset:2 buckets:[2]}}
# From 1 to 2: 3 + 1 + 2 + 4, from 2 to 4: 1 + 2; from -2 to -1: 3 + 1 + 1.
eval instant at 90s sum_over_time(tally[2m])
  {} {{count:24 sum:28 z_bucket:6 z_bucket_w:0.01 offset:1 buckets:[10 3] n_offset:1 n_buckets:[5]}}
eval instant at 90s sum_over_time(tally[2m:30s])
  {} {{count:24 sum:28 z_bucket:6 z_bucket_w:0.01 offset:1 buckets:[10 3] n_offset:1 n_buckets:[5]}}
eval instant at 90s avg_over_time(tally[2m:30s])
  {} {{count:6 sum:7 z_bucket:1.5 z_bucket_w:0.01 offset:1 buckets:[2.5 0.75] n_offset:1 n_buckets:[1.25]}}
clear
load 2m
  edges {{schema:-53 sum:3 count:2 custom_values:[1 8] buckets:[1 1]}}x1 {{schema:-53 sum:9 count:4 custom_values:[1 3 8] buckets:[2 1 1]}}x1
# Without the bound 3, the third is 2 and 2.
eval instant at 4m sum_over_time(edges[5m])
  expect no_warn
  expect info msg: PromQL info: mismatched custom buckets were reconciled during aggregation
  {} {{schema:-53 count:8 sum:15 custom_values:[1 8] buckets:[4 4]}}
eval instant at 4m avg_over_time(edges[5m])
  {} {{schema:-53 count:2.6666666666666665 sum:5 custom_values:[1 8] buckets:[1.3333333333333333 1.3333333333333333]}}
eval instant at 4m last_over_time(edges[5m])
  edges {{schema:-53 sum:9 count:4 custom_values:[1 3 8] buckets:[2 1 1]}}
eval instant at 4m count_over_time(edges[5m])
  {} 3
eval instant at 4m changes(edges[5m])
  {} 1
# 2 and 2 less 1 and 1; 300 s of which 240 s are seen.
eval instant at 4m delta(edges[5m])
  expect warn msg: PromQL warning: this native histogram metric is not a gauge: "edges"
  {} {{schema:-53 count:2.5 sum:7.5 custom_values:[1 8] buckets:[1.25 1.25]}}
eval instant at 4m rate(edges[5m])
  expect no_warn
  {} {{schema:-53 count:0.008333333333333333 sum:0.025 custom_values:[1 8] buckets:[0.004166666666666667 0.004166666666666667]}}
eval instant at 6m resets(edges[5m])
  {} 0
clear
load 10s
  wider {{schema:-53 sum:20 count:10 custom_values:[3 7] buckets:[2 3 5]}} {{schema:-53 sum:80 count:36 custom_values:[1 3 5 7 9] buckets:[1 4 6 5 8 12]}}
  lessened {{schema:-53 sum:20 count:10 custom_values:[3 7] buckets:[2 3 5]}} {{schema:-53 sum:31 count:12 custom_values:[3 5 7] buckets:[3 1 1 7]}}
# 1 + 4 less 2, 6 + 5 less 3 and 8 + 12 less 5.
eval instant at 10s irate(wider[20s]) * 10
  expect no_warn
  expect info msg: PromQL info: mismatched custom buckets were reconciled during subtraction
  {} {{schema:-53 sum:60 count:26 custom_values:[3 7] buckets:[3 8 15]}}
# From 3 to 7 there are 1 + 1 where 3 were.
eval instant at 10s irate(lessened[20s]) * 10
  expect no_warn
  expect no_info
  {} {{schema:-53 sum:31 count:12 custom_values:[3 5 7] buckets:[3 1 1 7] counter_reset_hint:gauge}}
"""


@pytest.mark.parametrize("text", [RATES, OVER_TIME], ids=["rates", "over_time"])
def test_ranges_of_native_histograms(text: str, native_script: Callable[[str], None]) -> None:
    """Every function of ranges answers, and remarks, as Prometheus does."""
    native_script(text)

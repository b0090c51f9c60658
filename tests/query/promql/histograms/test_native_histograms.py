"""Native histograms in whole queries: what Prometheus 3 answers, and what it says beside it."""
# ruff: noqa: E501 - a series of the test language is one line, however many buckets it has

from collections.abc import Callable

import pytest

from veriscope.query import ExecutionError

INSTANT = """
load 5m
  empty {{}}
  single {{schema:0 sum:5 count:4 buckets:[1 2 1]}}
  other{a="b"} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}
  floats 3
  told{job="a", instance="b"} {{count:2 sum:3 buckets:[2]}}
  target_info{job="a", instance="b", version="7"} 1
eval instant at 1m empty
  empty {{}}
eval instant at 1m histogram_count(empty)
  {} 0
eval instant at 1m histogram_avg(empty)
  {} NaN
eval instant at 1m histogram_fraction(0, 8, empty)
  {} NaN
eval instant at 1m histogram_count(single)
  {} 4
eval instant at 1m histogram_sum({__name__=~"single|floats"})
  {} 5
eval instant at 1m histogram_avg(single)
  {} 1.25
eval instant at 1m histogram_fraction(1, 2, single)
  expect no_info
  {} 0.5
eval instant at 1m histogram_quantile(0.5, single)
  expect no_info
  {} 1.414213562373095
eval instant at 1m histogram_quantile(1.5, single)
  expect warn msg: PromQL warning: quantile value should be between 0 and 1, got 1.5
  {} Inf
eval instant at 1m histogram_quantiles(other, "q", 0.5, 1)
  {a="b", q="0.5"} 1.414213562373095
  {a="b", q="1.0"} 4
eval instant at 1m abs({__name__=~"single|floats"})
  {} 3
eval instant at 1m ceil(single)
eval instant at 1m sort({__name__=~"single|floats"})
  floats 3
eval instant at 1m clamp(single, 0, 1)
eval instant at 1m scalar(single) + vector(1)
  {} NaN
eval instant at 1m timestamp(single)
  {} 0
eval instant at 1m absent(single)
eval instant at 1m label_replace(single, "x", "y", "", "")
  single{x="y"} {{sum:5 count:4 buckets:[1 2 1]}}
eval instant at 1m info(single)
  single {{sum:5 count:4 buckets:[1 2 1]}}
eval instant at 1m sum by (version) (info(told))
  {version="7"} {{count:2 sum:3 buckets:[2]}}
eval instant at 5m1s single
eval range from 0 to 10m step 5m single
  single {{sum:5 count:4 buckets:[1 2 1]}}
"""
MIXED = """
load 1m
  mixed 1 2 3 {{sum:5 count:4 buckets:[1 2 1]}} {{sum:8 count:6 buckets:[1 4 1]}} 4 5 {{sum:18 count:10 buckets:[3 4 3]}}
  gone {{sum:5 count:4 buckets:[1 2 1]}} stale
eval range from 0 to 8m step 1m mixed
  mixed 1 2 3 {{count:4 sum:5 buckets:[1 2 1]}} {{count:6 sum:8 buckets:[1 4 1]}} 4 5 {{sum:18 count:10 buckets:[3 4 3]}} {{sum:18 count:10 buckets:[3 4 3]}}
eval range from 0 to 2m step 1m gone
  gone {{sum:5 count:4 buckets:[1 2 1]}}
eval range from 0 to 7m step 1m timestamp(mixed)
  {} 0 60 120 180 240 300 360 420
eval instant at 7m count_over_time(mixed[8m])
  {} 8
eval instant at 7m present_over_time(mixed[2m])
  {} 1
eval instant at 7m changes(mixed[8m])
  {} 7
eval instant at 7m resets(mixed[8m])
  {} 3
eval instant at 7m last_over_time(mixed[8m])
  mixed {{sum:18 count:10 buckets:[3 4 3]}}
eval instant at 6m last_over_time(mixed[8m])
  mixed 5
eval instant at 7m first_over_time(mixed[4m])
  mixed {{sum:8 count:6 buckets:[1 4 1]}}
eval instant at 7m ts_of_last_over_time(mixed[4m])
  {} 420
eval instant at 7m ts_of_first_over_time(mixed[4m])
  {} 240
eval instant at 7m absent_over_time(mixed[8m])
eval instant at 7m mixed @ 180
  mixed {{count:4 sum:5 buckets:[1 2 1]}}
eval instant at 7m mixed offset 1m
  mixed 5
eval range from 6m to 7m step 1m mixed @ 180
  mixed {{count:4 sum:5 buckets:[1 2 1]}} {{count:4 sum:5 buckets:[1 2 1]}}
eval range from 6m to 7m step 1m sum(mixed)
  {} 5 {{sum:18 count:10 buckets:[3 4 3]}}
eval range from 6m to 7m step 1m mixed + 1
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "+": histogram + float
  {} 6
eval range from 6m to 7m step 1m mixed * 2
  expect no_info
  {} 10 {{sum:36 count:20 buckets:[6 8 6]}}
eval instant at 7m sum_over_time(mixed[8m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "mixed"
eval instant at 7m avg_over_time(mixed[8m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "mixed"
eval instant at 7m rate(mixed[8m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "mixed"
eval instant at 7m irate(mixed[8m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "mixed"
eval instant at 6m idelta(mixed[8m])
  expect no_warn
  {} 1
eval instant at 7m max_over_time(mixed[8m])
  expect info msg: PromQL info: ignored histograms in a range containing both floats and histograms for metric name "mixed"
  {} 5
eval instant at 4m max_over_time(mixed[90s])
  expect no_info
eval instant at 4m count_over_time(mixed[90s])
  {} 2
"""
RATES = """
load 5m
  incr {{schema:0 sum:4 count:4 buckets:[1 2 1]}}+{{sum:2 count:1 buckets:[1] offset:1}}x10
eval instant at 50m incr
  incr {{count:14 sum:24 buckets:[1 12 1]}}
eval instant at 50m rate(incr[10m])
  expect no_warn
  {} {{count:0.0033333333333333335 sum:0.006666666666666667 offset:1 buckets:[0.0033333333333333335] counter_reset_hint:gauge}}
eval instant at 50m histogram_quantile(0.5, rate(incr[10m]))
  expect no_warn
  {} 1.414213562373095
eval instant at 50m delta(incr[10m])
  expect warn msg: PromQL warning: this native histogram metric is not a gauge: "incr"
  {} {{count:2 sum:4 offset:1 buckets:[2]}}
eval instant at 50m irate(incr[10m])
  expect no_warn
  {} {{count:0.0033333333333333335 sum:0.006666666666666667 offset:1 buckets:[0.0033333333333333335]}}
eval instant at 50m rate(incr[5m])
clear
load 15s
  both {{schema:1 count:12 sum:18.4 z_bucket:2 z_bucket_w:0.001 buckets:[1 2 0 1 1] n_buckets:[1 2 0 1 1]}}+{{schema:1 count:9 sum:18.4 z_bucket:1 z_bucket_w:0.001 buckets:[1 1 0 1 1] n_buckets:[1 1 0 1 1]}}x100
eval range from 5m to 5m30s step 30s rate(both[45s])
  expect no_warn
  {} {{schema:1 count:0.6 sum:1.2266666666666652 z_bucket:0.06666666666666667 z_bucket_w:0.001 buckets:[0.06666666666666667 0.06666666666666667 0 0.06666666666666667 0.06666666666666667] n_buckets:[0.06666666666666667 0.06666666666666667 0 0.06666666666666667 0.06666666666666667]}}x1
clear
load 5m
  reset_in_bucket {{schema:0 count:4 sum:5 buckets:[1 2 1]}} {{schema:0 count:5 sum:6 buckets:[1 1 3]}} {{schema:0 count:6 sum:7 buckets:[1 2 3]}}
eval instant at 10m increase(reset_in_bucket[15m])
  expect no_warn
  {} {{count:9 sum:10.5 buckets:[1.5 3 4.5]}}
eval instant at 10m histogram_count(increase(reset_in_bucket[15m]))
  {} 9
clear
load 30s
  gauges {{sum:1 count:1 buckets:[1] counter_reset_hint:gauge}} {{sum:2 count:2 buckets:[2] counter_reset_hint:gauge}} {{sum:3 count:3 buckets:[3] counter_reset_hint:gauge}}
eval instant at 30s rate(gauges[1m])
  expect warn msg: PromQL warning: this native histogram metric is not a counter: "gauges"
  {} {{count:0.03333333333333333 sum:0.03333333333333333 buckets:[0.03333333333333333]}}
eval instant at 1m rate(gauges[1m30s])
  expect warn msg: PromQL warning: this native histogram metric is not a counter: "gauges"
  {} {{count:0.03333333333333333 sum:0.03333333333333333 buckets:[0.03333333333333333]}}
eval instant at 1m delta(gauges[1m30s])
  expect no_warn
  {} {{count:3 sum:3 buckets:[3]}}
clear
load 30s
  kinds {{schema:0 sum:1 count:1 buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:0 sum:5 count:4 buckets:[1 2 1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
eval instant at 1m rate(kinds[1m30s])
  expect warn msg: PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "kinds"
eval instant at 1m30s rate(kinds[1m30s])
  expect warn msg: PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "kinds"
eval instant at 1m rate(kinds[1m])
  expect no_warn
  {} {{count:0.08333333333333333 sum:0.10416666666666666 counter_reset_hint:gauge buckets:[0.020833333333333332 0.041666666666666664 0.020833333333333332]}}
eval instant at 30s rate(kinds[1m])
  expect no_warn
  {} {{schema:-53 sum:0.03333333333333333 count:0.03333333333333333 custom_values:[5 10] buckets:[0.03333333333333333]}}
clear
load 1m
  still {{sum:1 count:1 buckets:[1 1 1]}}x4
eval instant at 5m rate(still[5m])
  expect no_warn
  {} {{sum:0 count:0}}
eval instant at 5m histogram_avg(rate(still[5m]))
  {} NaN
eval instant at 5m histogram_quantile(1.0, rate(still[5m]))
  {} NaN
clear
load 1m
  metric{type="histogram"} {{schema:0 count:15 sum:25 buckets:[5 10]}} {{schema:0 count:2490 sum:75 buckets:[15 2475]}}x54
  metric{type="counter"} 15 2490x54
eval instant at 55m increase(metric[90m])
  expect no_warn
  {type="histogram"} {{count:2490 sum:50.303030303030305 counter_reset_hint:gauge buckets:[10.06060606060606 2479.939393939394]}}
  {type="counter"} 2490
eval instant at 54m30s increase(metric[90m])
  expect no_warn
  {type="histogram"} {{count:2512.9166666666665 sum:50.76599326599326 counter_reset_hint:gauge buckets:[10.153198653198652 2502.7634680134674]}}
  {type="counter"} 2512.9166666666665
eval instant at 54m30s histogram_count(increase(metric[54m45s]))
  {type="histogram"} 2509.375
clear
load 1m
  h {{schema:0 count:1 sum:10 buckets:[1]}}x20 {{schema:0 count:1 sum:10 buckets:[0 1]}}x20
eval instant at 41m increase(h[40m:9m])
  {} {{count:1.4814814814814814 sum:14.814814814814813 counter_reset_hint:gauge offset:1 buckets:[1.4814814814814814]}}
eval instant at 41m histogram_count(increase(h[40m:9m]))
  {} 1.4814814814814814
"""
AGGREGATIONS = """
load 10m
  h{idx="0"} {{schema:0 count:25 sum:1234.5 z_bucket:4 z_bucket_w:0.001 buckets:[1 2 0 1 1] n_buckets:[2 4 0 0 1 9]}}x1
  h{idx="1"} {{schema:0 count:41 sum:2345.6 z_bucket:5 z_bucket_w:0.001 buckets:[1 3 1 2 1 1 1] n_buckets:[0 1 4 2 7 0 0 0 0 5 5 2]}}x1
  h{idx="2"} {{schema:0 count:41 sum:1111.1 z_bucket:5 z_bucket_w:0.001 buckets:[1 3 1 2 1 1 1] n_buckets:[0 1 4 2 7 0 0 0 0 5 5 2]}}x1
  h{idx="3"} {{schema:1 count:0}}x1
  f{idx="0"} 42.0x1
eval instant at 10m sum(h)
  expect no_warn
  {} {{schema:0 count:107 sum:4691.2 z_bucket:14 z_bucket_w:0.001 buckets:[3 8 2 5 3 2 2] n_buckets:[2 6 8 4 15 9 0 0 0 10 10 4]}}
eval instant at 10m avg(h)
  expect no_warn
  {} {{schema:0 count:26.75 sum:1172.8 z_bucket:3.5 z_bucket_w:0.001 buckets:[0.75 2 0.5 1.25 0.75 0.5 0.5] n_buckets:[0.5 1.5 2 1 3.75 2.25 0 0 0 2.5 2.5 1]}}
eval instant at 10m count(h)
  {} 4
eval instant at 10m group(h)
  {} 1
eval instant at 10m sum({idx="0"})
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for aggregation
eval instant at 10m max({idx="0"})
  expect info msg: PromQL info: ignored histogram in max aggregation
  {} 42
eval instant at 10m topk(1, {idx="0"})
  expect info msg: PromQL info: ignored histogram in topk aggregation
  f{idx="0"} 42
eval instant at 10m stddev(h)
  expect info msg: PromQL info: ignored histogram in stddev aggregation
eval instant at 10m quantile(0.5, h)
  expect info msg: PromQL info: ignored histogram in quantile aggregation
eval instant at 10m count(limitk(2, h))
  {} 2
eval instant at 10m limit_ratio(1, h{idx="3"})
  h{idx="3"} {{schema:1 count:0}}
clear
load 1m
  v{i="1"} {{schema:0 sum:10 count:20 z_bucket_w:0.001 z_bucket:2 buckets:[1 2] n_buckets:[1 2]}}
  v{i="2"} {{schema:0 sum:10 count:20 z_bucket_w:0.001 z_bucket:2 buckets:[1 2] n_buckets:[1 2]}}
  v{i="3"} 7
eval instant at 0 count_values("is", v)
  {is="{count:20, sum:10, [-2,-1):2, [-1,-0.5):1, [-0.001,0.001]:2, (0.5,1]:1, (1,2]:2}"} 2
  {is="7"} 1
clear
load 6m
  m{s="1"} _ {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
  m{s="2"} {{schema:-53 sum:1 count:1 custom_values:[10] buckets:[1]}} _ {{schema:-53 sum:1 count:1 custom_values:[5] buckets:[1]}}
  m{s="3"} {{schema:-53 sum:1 count:1 custom_values:[2 10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
eval range from 0 to 12m step 6m sum(m)
  expect no_warn
  expect info msg: PromQL info: mismatched custom buckets were reconciled during aggregation
  {} {{schema:-53 count:2 sum:2 custom_values:[10] buckets:[2]}} {{schema:-53 sum:2 count:2 custom_values:[5 10] buckets:[2]}} {{schema:-53 count:3 sum:3 custom_values:[5] buckets:[3]}}
eval range from 0 to 12m step 6m avg(m)
  {} {{schema:-53 count:1 sum:1 custom_values:[10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:-53 count:1 sum:1 custom_values:[5] buckets:[1]}}
eval range from 0 to 12m step 6m count(m)
  {} 2 2 3
eval range from 0 to 12m step 6m m{s="1"} and ignoring(s) m{s="2"}
  m{s="1"} _ _ {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
eval range from 0 to 12m step 6m m{s="1"} or ignoring(s) m{s="2"}
  m{s="1"} _ {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
  m{s="2"} {{schema:-53 sum:1 count:1 custom_values:[10] buckets:[1]}}
eval range from 0 to 12m step 6m m{s="1"} unless ignoring(s) m{s="2"}
  m{s="1"} _ {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
eval range from 0 to 12m step 6m m{s="2"} + ignoring (s) m{s="3"}
  expect info msg: PromQL info: mismatched custom buckets were reconciled during addition
  {} {{schema:-53 count:2 sum:2 custom_values:[10] buckets:[2]}} _ {{schema:-53 count:2 sum:2 custom_values:[5] buckets:[2]}}
eval range from 0 to 12m step 6m m{s="2"} - ignoring (s) m{s="3"}
  expect info msg: PromQL info: mismatched custom buckets were reconciled during subtraction
  {} {{schema:-53 custom_values:[10] counter_reset_hint:gauge}} _ {{schema:-53 custom_values:[5] counter_reset_hint:gauge}}
clear
load 6m
  k{s="a"} {{sum:4 count:3 buckets:[1 2 1]}} _ {{sum:4 count:3 buckets:[1 2 1]}}
  k{s="b"} _ {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
eval range from 0 to 12m step 6m sum(k)
  expect warn msg: PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "k"
  {} {{sum:4 count:3 buckets:[1 2 1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} _
clear
load 1m
  c{type="gauge"} {{sum:4 count:4 counter_reset_hint:gauge buckets:[1 2 1]}}
  c{type="kept"} {{sum:4 count:4 counter_reset_hint:not_reset buckets:[1 2 1]}}
  c{type="begun"} {{sum:4 count:4 counter_reset_hint:reset buckets:[1 2 1]}}
eval instant at 0 sum(c{type!="begun"})
  expect no_warn
  {} {{count:8 sum:8 counter_reset_hint:gauge buckets:[2 4 2]}}
eval instant at 0 sum(c{type="kept"})
  {} {{count:4 sum:4 counter_reset_hint:not_reset buckets:[1 2 1]}}
eval instant at 0 sum(c{type!="gauge"})
  expect warn msg: PromQL warning: conflicting counter resets during histogram aggregation
  {} {{count:8 sum:8 buckets:[2 4 2]}}
eval instant at 0 c{type="kept"} + ignoring(type) c{type="begun"}
  expect warn msg: PromQL warning: conflicting counter resets during histogram addition
  {} {{count:8 sum:8 buckets:[2 4 2]}}
"""
OVER_TIME = """
load 1m
  s {{schema:0 count:25 sum:1234.5 z_bucket:4 z_bucket_w:0.001 buckets:[1 2 0 1 1] n_buckets:[2 4 0 0 1 9]}} {{schema:0 count:41 sum:2345.6 z_bucket:5 z_bucket_w:0.001 buckets:[1 3 1 2 1 1 1] n_buckets:[0 1 4 2 7 0 0 0 0 5 5 2]}} {{schema:0 count:41 sum:1111.1 z_bucket:5 z_bucket_w:0.001 buckets:[1 3 1 2 1 1 1] n_buckets:[0 1 4 2 7 0 0 0 0 5 5 2]}} {{schema:1 count:0}}
eval instant at 3m sum_over_time(s[4m])
  {} {{schema:0 count:107 sum:4691.2 z_bucket:14 z_bucket_w:0.001 buckets:[3 8 2 5 3 2 2] n_buckets:[2 6 8 4 15 9 0 0 0 10 10 4]}}
eval instant at 3m sum_over_time(s[4m:1m])
  {} {{schema:0 count:107 sum:4691.2 z_bucket:14 z_bucket_w:0.001 buckets:[3 8 2 5 3 2 2] n_buckets:[2 6 8 4 15 9 0 0 0 10 10 4]}}
eval instant at 3m avg_over_time(s[4m:1m])
  {} {{schema:0 count:26.75 sum:1172.8 z_bucket:3.5 z_bucket_w:0.001 buckets:[0.75 2 0.5 1.25 0.75 0.5 0.5] n_buckets:[0.5 1.5 2 1 3.75 2.25 0 0 0 2.5 2.5 1]}}
clear
load 6m
  nhcb {{schema:-53 sum:1 count:1 custom_values:[5] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
eval instant at 12m sum_over_time(nhcb[13m])
  expect no_warn
  expect info msg: PromQL info: mismatched custom buckets were reconciled during aggregation
  {} {{schema:-53 count:3 sum:3 custom_values:[5] buckets:[3]}}
eval instant at 12m avg_over_time(nhcb[13m])
  {} {{schema:-53 count:1 sum:1 custom_values:[5] buckets:[1]}}
eval instant at 12m last_over_time(nhcb[13m])
  nhcb {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
eval instant at 12m count_over_time(nhcb[13m])
  {} 3
eval instant at 12m changes(nhcb[13m])
  {} 1
eval instant at 12m delta(nhcb[13m])
  expect warn msg: PromQL warning: this native histogram metric is not a gauge: "nhcb"
  {} {{schema:-53 custom_values:[5]}}
eval instant at 12m rate(nhcb[13m])
  expect no_warn
  {} {{schema:-53 custom_values:[5]}}
eval instant at 18m resets(nhcb[13m])
  {} 0
clear
load 1m
  wider {{schema:-53 sum:55 count:15 custom_values:[2 4 6] buckets:[1 2 5 7]}} {{schema:-53 sum:555 count:450 custom_values:[1 2 3 4 5 6 7 8] buckets:[10 20 30 40 50 60 70 80 90]}}
  reset_one {{schema:-53 sum:55 count:15 custom_values:[2 4 6] buckets:[1 2 5 7]}} {{schema:-53 sum:56 count:15 custom_values:[2 3 4 6] buckets:[1 0 1 5 8]}}
eval instant at 1m irate(wider[2m]) * 60
  expect no_warn
  expect info msg: PromQL info: mismatched custom buckets were reconciled during subtraction
  {} {{schema:-53 sum:500 count:435 custom_values:[2 4 6] buckets:[29 68 105 233]}}
eval instant at 1m irate(reset_one[2m]) * 60
  expect no_warn
  expect no_info
  {} {{schema:-53 sum:56 count:15 custom_values:[2 3 4 6] buckets:[1 0 1 5 8] counter_reset_hint:gauge}}
"""
OPERATORS = """
load 10m
  h {{schema:0 count:30 sum:33 z_bucket:3 z_bucket_w:0.001 buckets:[3 3 3] n_buckets:[6 6 6]}}x1
  three 3x1
  zero 0x1
eval instant at 10m h * 3
  expect no_info
  {} {{schema:0 count:90 sum:99 z_bucket:9 z_bucket_w:0.001 buckets:[9 9 9] n_buckets:[18 18 18]}}
eval instant at 10m -h
  expect no_info
  {} {{count:-30 sum:-33 z_bucket:-3 z_bucket_w:0.001 buckets:[-3 -3 -3] n_buckets:[-6 -6 -6] counter_reset_hint:gauge}}
eval instant at 10m 3 * h
  {} {{schema:0 count:90 sum:99 z_bucket:9 z_bucket_w:0.001 buckets:[9 9 9] n_buckets:[18 18 18]}}
eval instant at 10m h * three
  {} {{schema:0 count:90 sum:99 z_bucket:9 z_bucket_w:0.001 buckets:[9 9 9] n_buckets:[18 18 18]}}
eval instant at 10m three * h
  {} {{schema:0 count:90 sum:99 z_bucket:9 z_bucket_w:0.001 buckets:[9 9 9] n_buckets:[18 18 18]}}
eval instant at 10m h / three
  {} {{schema:0 count:10 sum:11 z_bucket:1 z_bucket_w:0.001 buckets:[1 1 1] n_buckets:[2 2 2]}}
eval instant at 10m h / 0
  {} {{schema:0 count:Inf sum:Inf z_bucket_w:0.001 z_bucket:Inf}}
eval instant at 10m h * 0 / 0
  {} {{schema:0 count:NaN sum:NaN z_bucket_w:0.001 z_bucket:NaN}}
eval instant at 10m h * zero
  {} {{z_bucket_w:0.001}}
eval instant at 10m h * h
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "*": histogram * histogram
eval instant at 10m three / h
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "/": float / histogram
eval instant at 10m 0 / h
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "/": float / histogram
eval instant at 10m h + three
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "+": histogram + float
eval instant at 10m h > 0
  expect info msg: PromQL info: incompatible sample types encountered for binary operator ">": histogram > float
eval instant at 10m h > h
  expect info msg: PromQL info: incompatible sample types encountered for binary operator ">": histogram > histogram
eval instant at 10m three </ three
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "</": float </ float
eval instant at 10m h - 0.5 * h
  expect no_info
  {} {{count:15 sum:16.5 z_bucket:1.5 z_bucket_w:0.001 buckets:[1.5 1.5 1.5] n_buckets:[3 3 3] counter_reset_hint:gauge}}
eval instant at 10m h and three
  h {{schema:0 count:30 sum:33 z_bucket:3 z_bucket_w:0.001 buckets:[3 3 3] n_buckets:[6 6 6]}}
eval instant at 10m h atan2 1
  expect info
eval instant at 10m sort_by_label(h, "x")
  h {{schema:0 count:30 sum:33 z_bucket:3 z_bucket_w:0.001 buckets:[3 3 3] n_buckets:[6 6 6]}}
eval instant at 10m h == h
  h {{schema:0 count:30 sum:33 z_bucket:3 z_bucket_w:0.001 buckets:[3 3 3] n_buckets:[6 6 6]}}
eval instant at 10m h != h
eval instant at 10m h == bool h
  {} 1
eval instant at 10m h != bool h
  {} 0
clear
load 6m
  m1 {{schema:-53 sum:1 count:1 custom_values:[2] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
  m2 {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}
  e {{sum:1 count:1 buckets:[1]}}x1
eval range from 0 to 6m step 6m m1 == m2
  expect no_info
  m1 _ {{schema:-53 count:1 sum:1 custom_values:[5 10] buckets:[1]}}
eval range from 0 to 6m step 6m m1 != m2
  m1 {{schema:-53 sum:1 count:1 custom_values:[2] buckets:[1]}}
eval instant at 0 m1 + e
  expect warn msg: PromQL warning: incompatible bucket layout encountered for binary operator +
clear
load 1m
  cbh {{schema:-53 sum:172.5 count:15 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]}}
eval instant at 0 cbh </ 15
  cbh {{schema:-53 count:11 sum:97.5 custom_values:[5 10 15 20] buckets:[1 6 4]}}
eval instant at 0 cbh >/ 15
  cbh {{schema:-53 count:4 sum:72.5 custom_values:[5 10 15 20] offset:3 buckets:[3 1]}}
eval instant at 0 histogram_count(cbh >/ 5 </ 10)
  {} 6
"""
CLASSIC = """
load 1m
  mixed{le="0.1"} 0+2x10
  mixed{le="1"} 0+3x10
  mixed {{schema:0 count:10 sum:50 buckets:[1 2 3]}}
  classic{le="1"} 0+3x10
  classic{le="+Inf"} 0+4x10
eval instant at 1m histogram_quantile(0.5, mixed)
  expect warn msg: PromQL warning: vector contains a mix of classic and native histograms for metric name "mixed"
eval instant at 1m histogram_fraction(0, 1, mixed)
  expect warn msg: PromQL warning: vector contains a mix of classic and native histograms for metric name "mixed"
eval instant at 1m histogram_quantile(0.5, classic)
  expect no_warn
  {} 0.6666666666666666
eval instant at 1m histogram_quantile(0.5, mixed{le=""})
  expect no_warn
  {} 1
clear
load 1m
  histogram_nan{case="all"} {{count:0 sum:0}} {{count:3 sum:NaN}}
  histogram_nan{case="some"} {{count:0 sum:0}} {{count:15 sum:NaN buckets:[12]}}
eval instant at 1m histogram_quantile(1, histogram_nan)
  expect info msg: PromQL info: input to histogram_quantile has NaN observations, result is NaN for metric name "histogram_nan"
  {case="all"} NaN
  {case="some"} NaN
eval instant at 1m histogram_quantile(0.8, histogram_nan{case="some"})
  expect info msg: PromQL info: input to histogram_quantile has NaN observations, result is skewed higher for metric name "histogram_nan"
  {case="some"} 1
eval instant at 1m histogram_fraction(-Inf, +Inf, histogram_nan)
  expect info msg: PromQL info: input to histogram_fraction has NaN observations, which are excluded from all fractions for metric name "histogram_nan"
  {case="all"} 0
  {case="some"} 0.8
"""


@pytest.mark.parametrize(
    "text",
    [INSTANT, MIXED, RATES, AGGREGATIONS, OVER_TIME, OPERATORS, CLASSIC],
    ids=["instant", "mixed", "rates", "aggregations", "over_time", "operators", "classic"],
)
def test_native_histograms_in_queries(text: str, native_script: Callable[[str], None]) -> None:
    """Every function and operator answers, and remarks, as Prometheus does."""
    native_script(text)


def test_histograms_tell_nothing(native_script: Callable[[str], None]) -> None:
    """An info metric must be one of floats, as in Prometheus."""
    with pytest.raises(ExecutionError, match="info metrics must have float samples"):
        native_script("""
load 1m
  up{job="a", instance="b"} 1
  told{job="a", instance="b"} {{sum:5 count:4 buckets:[1 2 1]}}
eval instant at 1m info(up, {__name__="told"})
""")

"""Native histograms in whole queries of instants: their answers, and what is said beside them."""
# ruff: noqa: E501 - a series of the test language is one line, however many buckets it has

from collections.abc import Callable

import pytest

from veriscope.query import ExecutionError

INSTANT = """
load 2m
  hollow {{}}
  sizes {{schema:1 sum:20 count:8 offset:2 buckets:[3 1 4]}}
  lengths{unit="m"} {{schema:-1 sum:30 count:10 buckets:[4 6]}}
  plain -6
  waits{job="shop", instance="s1"} {{count:3 sum:9 offset:2 buckets:[3]}}
  target_info{job="shop", instance="s1", region="north"} 1
eval instant at 90s hollow
  hollow {{}}
eval instant at 90s histogram_count(hollow)
  {} 0
eval instant at 90s histogram_avg(hollow)
  {} NaN
eval instant at 90s histogram_fraction(-2, 3, hollow)
  {} NaN
eval instant at 90s histogram_count(sizes)
  {} 8
eval instant at 90s histogram_sum({__name__=~"sizes|plain"})
  {} 20
eval instant at 90s histogram_avg(sizes)
  {} 2.5
# The buckets end at 2^1, 2^1.5 and 2^2: 1 and 4 of 8 are above 2.
eval instant at 90s histogram_fraction(2, 4, sizes)
  expect no_info
  {} 0.625
# Rank 6 is half the way through the 4 of the last one: 2^1.75.
eval instant at 90s histogram_quantile(0.75, sizes)
  expect no_info
  {} 3.363585661014858
eval instant at 90s histogram_quantile(-0.25, sizes)
  expect warn msg: PromQL warning: quantile value should be between 0 and 1, got -0.25
  {} -Inf
# Ranks 2 of the 4 from 1/4 to 1, and 7 - 4 of the 6 from 1 to 4.
eval instant at 90s histogram_quantiles(lengths, "p", 0.2, 0.7, 1)
  {unit="m", p="0.2"} 0.5
  {unit="m", p="0.7"} 2
  {unit="m", p="1.0"} 4
eval instant at 90s abs({__name__=~"sizes|plain"})
  {} 6
eval instant at 90s ceil(sizes)
eval instant at 90s sort({__name__=~"sizes|plain"})
  plain -6
eval instant at 90s clamp(sizes, 0, 1)
eval instant at 90s scalar(sizes) + vector(5)
  {} NaN
eval instant at 90s timestamp(sizes)
  {} 0
eval instant at 90s absent(sizes)
eval instant at 90s label_replace(sizes, "shelf", "low", "", "")
  sizes{shelf="low"} {{schema:1 sum:20 count:8 offset:2 buckets:[3 1 4]}}
eval instant at 90s info(sizes)
  sizes {{schema:1 sum:20 count:8 offset:2 buckets:[3 1 4]}}
eval instant at 90s sum by (region) (info(waits))
  {region="north"} {{count:3 sum:9 offset:2 buckets:[3]}}
eval instant at 299s sizes
  sizes {{schema:1 sum:20 count:8 offset:2 buckets:[3 1 4]}}
eval instant at 5m sizes
eval range from 0 to 6m step 3m sizes
  sizes {{schema:1 sum:20 count:8 offset:2 buckets:[3 1 4]}}x1
"""
MIXED = """
load 30s
  blend 4 {{count:3 sum:6 offset:1 buckets:[2 1]}} {{count:5 sum:11 offset:1 buckets:[2 3]}} 9 {{count:4 sum:7 offset:1 buckets:[1 3]}} 2 5 {{count:8 sum:20 offset:1 buckets:[3 5]}}x1
  ended {{count:3 sum:6 offset:1 buckets:[2 1]}} stale
eval range from 0 to 270s step 30s blend
  blend 4 {{count:3 sum:6 offset:1 buckets:[2 1]}} {{count:5 sum:11 offset:1 buckets:[2 3]}} 9 {{count:4 sum:7 offset:1 buckets:[1 3]}} 2 5 {{count:8 sum:20 offset:1 buckets:[3 5]}}x2
eval range from 0 to 1m step 30s ended
  ended {{count:3 sum:6 offset:1 buckets:[2 1]}}
eval range from 0 to 4m step 30s timestamp(blend)
  {} 0+30x8
eval instant at 4m count_over_time(blend[5m])
  {} 9
eval instant at 4m count_over_time(blend[2m30s])
  {} 5
eval instant at 4m present_over_time(blend[1m])
  {} 1
# Of eight neighbours only the last two are the same.
eval instant at 4m changes(blend[5m])
  {} 7
# Each change between a float and a histogram, of which there are five.
eval instant at 4m resets(blend[5m])
  {} 5
eval instant at 4m last_over_time(blend[5m])
  blend {{count:8 sum:20 offset:1 buckets:[3 5]}}
eval instant at 3m last_over_time(blend[5m])
  blend 5
eval instant at 4m first_over_time(blend[3m30s])
  blend {{count:5 sum:11 offset:1 buckets:[2 3]}}
eval instant at 4m ts_of_last_over_time(blend[3m30s])
  {} 240
eval instant at 4m ts_of_first_over_time(blend[3m30s])
  {} 60
eval instant at 4m absent_over_time(blend[5m])
eval instant at 4m blend @ 60
  blend {{count:5 sum:11 offset:1 buckets:[2 3]}}
eval instant at 4m blend offset 1m
  blend 5
eval range from 180s to 210s step 30s blend @ 60
  blend {{count:5 sum:11 offset:1 buckets:[2 3]}}x1
eval range from 180s to 210s step 30s sum(blend)
  {} 5 {{count:8 sum:20 offset:1 buckets:[3 5]}}
eval range from 180s to 210s step 30s blend + 1
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "+": histogram + float
  {} 6
eval range from 180s to 210s step 30s blend * 2
  expect no_info
  {} 10 {{count:16 sum:40 offset:1 buckets:[6 10]}}
eval instant at 4m sum_over_time(blend[5m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "blend"
eval instant at 4m avg_over_time(blend[5m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "blend"
eval instant at 4m rate(blend[5m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "blend"
eval instant at 210s irate(blend[5m])
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "blend"
eval instant at 3m idelta(blend[2m])
  expect no_warn
  {} 3
eval instant at 4m max_over_time(blend[5m])
  expect info msg: PromQL info: ignored histograms in a range containing both floats and histograms for metric name "blend"
  {} 9
eval instant at 1m max_over_time(blend[45s])
  expect no_info
eval instant at 1m count_over_time(blend[45s])
  {} 2
"""
AGGREGATIONS = """
load 5m
  jobs{n="1"} {{count:14 sum:50.5 z_bucket:3 z_bucket_w:0.01 offset:1 buckets:[2 1] n_offset:-1 n_buckets:[5 0 3]}}
  jobs{n="2"} {{count:12 sum:-20.25 z_bucket:1 z_bucket_w:0.01 offset:2 buckets:[4 2] n_offset:1 n_buckets:[5]}}
  jobs{n="3"} {{count:6 sum:9.75 z_bucket_w:0.01 offset:1 buckets:[1] n_offset:4 n_buckets:[5]}}
  jobs{n="4"} {{schema:2 count:0}}
  loose{n="1"} 8
# Above zero 2 + 1, 1 + 4 and 2; below it 5, 3 + 5 and 5.
eval instant at 2m sum(jobs)
  expect no_warn
  {} {{count:32 sum:40 z_bucket:4 z_bucket_w:0.01 offset:1 buckets:[3 5 2] n_offset:-1 n_buckets:[5 0 8 0 0 5]}}
# A quarter of it all.
eval instant at 2m avg(jobs)
  expect no_warn
  {} {{count:8 sum:10 z_bucket:1 z_bucket_w:0.01 offset:1 buckets:[0.75 1.25 0.5] n_offset:-1 n_buckets:[1.25 0 2 0 0 1.25]}}
eval instant at 2m count(jobs)
  {} 4
eval instant at 2m group(jobs)
  {} 1
eval instant at 2m sum({n="1"})
  expect warn msg: PromQL warning: encountered a mix of histograms and floats for aggregation
eval instant at 2m max({n="1"})
  expect info msg: PromQL info: ignored histogram in max aggregation
  {} 8
eval instant at 2m topk(1, {n="1"})
  expect info msg: PromQL info: ignored histogram in topk aggregation
  loose{n="1"} 8
eval instant at 2m stddev(jobs)
  expect info msg: PromQL info: ignored histogram in stddev aggregation
eval instant at 2m quantile(0.3, jobs)
  expect info msg: PromQL info: ignored histogram in quantile aggregation
eval instant at 2m count(limitk(3, jobs))
  {} 3
eval instant at 2m limit_ratio(1, jobs{n="4"})
  jobs{n="4"} {{schema:2 count:0}}
clear
load 30s
  tides{i="1"} {{schema:-1 sum:-3 count:11 z_bucket_w:0.5 z_bucket:4 offset:1 buckets:[3] n_offset:1 n_buckets:[2 2]}}
  tides{i="2"} {{schema:-1 sum:-3 count:11 z_bucket_w:0.5 z_bucket:4 offset:1 buckets:[3] n_offset:1 n_buckets:[2 2]}}
  tides{i="3"} 0.25
eval instant at 0 count_values("is", tides)
  {is="{count:11, sum:-3, [-16,-4):2, [-4,-1):2, [-0.5,0.5]:4, (1,4]:3}"} 2
  {is="0.25"} 1
clear
load 7m
  parts{at="x"} _ {{schema:-53 sum:9 count:4 custom_values:[3 6] buckets:[1 2 1]}}x1
  parts{at="y"} {{schema:-53 sum:4 count:3 custom_values:[6] buckets:[2 1]}} _ {{schema:-53 sum:2 count:2 custom_values:[3] buckets:[1 1]}}
  parts{at="z"} {{schema:-53 sum:8 count:5 custom_values:[1 6] buckets:[1 3 1]}} {{schema:-53 sum:7 count:2 custom_values:[3 6] buckets:[0 1 1]}}x1
# Up to 6: 2 + (1 + 3); with the same bounds one by one; up to 3: 1 + 1 + 0.
eval range from 0 to 14m step 7m sum(parts)
  expect no_warn
  expect info msg: PromQL info: mismatched custom buckets were reconciled during aggregation
  {} {{schema:-53 count:8 sum:12 custom_values:[6] buckets:[6 2]}} {{schema:-53 sum:16 count:6 custom_values:[3 6] buckets:[1 3 2]}} {{schema:-53 count:8 sum:18 custom_values:[3] buckets:[2 6]}}
# A half, a half and a third of the sums.
eval range from 0 to 14m step 7m avg(parts)
  {} {{schema:-53 count:4 sum:6 custom_values:[6] buckets:[3 1]}} {{schema:-53 sum:8 count:3 custom_values:[3 6] buckets:[0.5 1.5 1]}} {{schema:-53 count:2.6666666666666665 sum:6 custom_values:[3] buckets:[0.6666666666666666 2]}}
eval range from 0 to 14m step 7m count(parts)
  {} 2 2 3
eval range from 0 to 14m step 7m parts{at="x"} and ignoring(at) parts{at="y"}
  parts{at="x"} _ _ {{schema:-53 sum:9 count:4 custom_values:[3 6] buckets:[1 2 1]}}
eval range from 0 to 14m step 7m parts{at="x"} or ignoring(at) parts{at="y"}
  parts{at="x"} _ {{schema:-53 sum:9 count:4 custom_values:[3 6] buckets:[1 2 1]}}x1
  parts{at="y"} {{schema:-53 sum:4 count:3 custom_values:[6] buckets:[2 1]}}
eval range from 0 to 14m step 7m parts{at="x"} unless ignoring(at) parts{at="y"}
  parts{at="x"} _ {{schema:-53 sum:9 count:4 custom_values:[3 6] buckets:[1 2 1]}}
# Up to 6: 2 and 1 + 3, above 1 and 1; up to 3: 1 and 0, above 1 and 2.
eval range from 0 to 14m step 7m parts{at="y"} + ignoring(at) parts{at="z"}
  expect info msg: PromQL info: mismatched custom buckets were reconciled during addition
  {} {{schema:-53 count:8 sum:12 custom_values:[6] buckets:[6 2]}} _ {{schema:-53 count:4 sum:9 custom_values:[3] buckets:[1 3]}}
eval range from 0 to 14m step 7m parts{at="y"} - ignoring(at) parts{at="z"}
  expect info msg: PromQL info: mismatched custom buckets were reconciled during subtraction
  {} {{schema:-53 count:-2 sum:-4 custom_values:[6] buckets:[-2] counter_reset_hint:gauge}} _ {{schema:-53 sum:-5 custom_values:[3] buckets:[1 -1] counter_reset_hint:gauge}}
clear
load 7m
  kin{s="e"} {{sum:5 count:3 offset:3 buckets:[3]}} _ {{sum:5 count:3 offset:3 buckets:[3]}}
  kin{s="c"} _ {{schema:-53 sum:2 count:2 custom_values:[4] buckets:[2]}}x1
eval range from 0 to 14m step 7m sum(kin)
  expect warn msg: PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "kin"
  {} {{sum:5 count:3 offset:3 buckets:[3]}} {{schema:-53 sum:2 count:2 custom_values:[4] buckets:[2]}} _
clear
load 1m
  states{is="gauge"} {{sum:3 count:5 counter_reset_hint:gauge offset:2 buckets:[4 1]}}
  states{is="kept"} {{sum:3 count:5 counter_reset_hint:not_reset offset:2 buckets:[4 1]}}
  states{is="begun"} {{sum:3 count:5 counter_reset_hint:reset offset:2 buckets:[4 1]}}
eval instant at 0 sum(states{is!="begun"})
  expect no_warn
  {} {{count:10 sum:6 counter_reset_hint:gauge offset:2 buckets:[8 2]}}
eval instant at 0 sum(states{is="kept"})
  {} {{count:5 sum:3 counter_reset_hint:not_reset offset:2 buckets:[4 1]}}
eval instant at 0 sum(states{is!="gauge"})
  expect warn msg: PromQL warning: conflicting counter resets during histogram aggregation
  {} {{count:10 sum:6 offset:2 buckets:[8 2]}}
eval instant at 0 states{is="kept"} + ignoring(is) states{is="begun"}
  expect warn msg: PromQL warning: conflicting counter resets during histogram addition
  {} {{count:10 sum:6 offset:2 buckets:[8 2]}}
"""
OPERATORS = """
load 3m
  span {{count:20 sum:-12 z_bucket:4 z_bucket_w:0.05 offset:3 buckets:[2 6] n_offset:2 n_buckets:[8]}}
  four 4
  naught 0
eval instant at 1m span * 4
  expect no_info
  {} {{count:80 sum:-48 z_bucket:16 z_bucket_w:0.05 offset:3 buckets:[8 24] n_offset:2 n_buckets:[32]}}
eval instant at 1m -span
  expect no_info
  {} {{count:-20 sum:12 z_bucket:-4 z_bucket_w:0.05 offset:3 buckets:[-2 -6] n_offset:2 n_buckets:[-8] counter_reset_hint:gauge}}
eval instant at 1m 4 * span
  {} {{count:80 sum:-48 z_bucket:16 z_bucket_w:0.05 offset:3 buckets:[8 24] n_offset:2 n_buckets:[32]}}
eval instant at 1m span * four
  {} {{count:80 sum:-48 z_bucket:16 z_bucket_w:0.05 offset:3 buckets:[8 24] n_offset:2 n_buckets:[32]}}
eval instant at 1m four * span
  {} {{count:80 sum:-48 z_bucket:16 z_bucket_w:0.05 offset:3 buckets:[8 24] n_offset:2 n_buckets:[32]}}
eval instant at 1m span / four
  {} {{count:5 sum:-3 z_bucket:1 z_bucket_w:0.05 offset:3 buckets:[0.5 1.5] n_offset:2 n_buckets:[2]}}
eval instant at 1m span / 0
  {} {{count:Inf sum:-Inf z_bucket_w:0.05 z_bucket:Inf}}
eval instant at 1m span * 0 / 0
  {} {{count:NaN sum:NaN z_bucket_w:0.05 z_bucket:NaN}}
eval instant at 1m span * naught
  {} {{z_bucket_w:0.05}}
eval instant at 1m span * span
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "*": histogram * histogram
eval instant at 1m four / span
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "/": float / histogram
eval instant at 1m 0 / span
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "/": float / histogram
eval instant at 1m span + four
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "+": histogram + float
eval instant at 1m span > 0
  expect info msg: PromQL info: incompatible sample types encountered for binary operator ">": histogram > float
eval instant at 1m span > span
  expect info msg: PromQL info: incompatible sample types encountered for binary operator ">": histogram > histogram
eval instant at 1m four </ four
  expect info msg: PromQL info: incompatible sample types encountered for binary operator "</": float </ float
eval instant at 1m span - 0.25 * span
  expect no_info
  {} {{count:15 sum:-9 z_bucket:3 z_bucket_w:0.05 offset:3 buckets:[1.5 4.5] n_offset:2 n_buckets:[6] counter_reset_hint:gauge}}
eval instant at 1m span and four
  span {{count:20 sum:-12 z_bucket:4 z_bucket_w:0.05 offset:3 buckets:[2 6] n_offset:2 n_buckets:[8]}}
eval instant at 1m span atan2 1
  expect info
eval instant at 1m sort_by_label(span, "x")
  span {{count:20 sum:-12 z_bucket:4 z_bucket_w:0.05 offset:3 buckets:[2 6] n_offset:2 n_buckets:[8]}}
eval instant at 1m span == span
  span {{count:20 sum:-12 z_bucket:4 z_bucket_w:0.05 offset:3 buckets:[2 6] n_offset:2 n_buckets:[8]}}
eval instant at 1m span != span
eval instant at 1m span == bool span
  {} 1
eval instant at 1m span != bool span
  {} 0
clear
load 2m
  ours {{schema:-53 sum:7 count:3 custom_values:[2 9] buckets:[1 1 1]}} {{schema:-53 sum:4 count:2 custom_values:[5] buckets:[2]}}
  theirs {{schema:-53 sum:7 count:3 custom_values:[2 9] buckets:[1 1 1]}} {{schema:-53 sum:4 count:2 custom_values:[6] buckets:[2]}}
  powers {{sum:4 count:2 offset:2 buckets:[2]}}
eval range from 0 to 2m step 2m ours == theirs
  expect no_info
  ours {{schema:-53 sum:7 count:3 custom_values:[2 9] buckets:[1 1 1]}}
eval range from 0 to 2m step 2m ours != theirs
  ours _ {{schema:-53 sum:4 count:2 custom_values:[5] buckets:[2]}}
eval instant at 0 ours + powers
  expect warn msg: PromQL warning: incompatible bucket layout encountered for binary operator +
clear
load 1m
  bins {{schema:-53 sum:140 count:20 custom_values:[2 6 10] buckets:[4 8 5 3]}}
# 4 of about 1 and 8 of about 4; 5 of about 8 and 3 of at least 10.
eval instant at 0 bins </ 6
  bins {{schema:-53 count:12 sum:36 custom_values:[2 6 10] buckets:[4 8]}}
eval instant at 0 bins >/ 6
  bins {{schema:-53 count:8 sum:70 custom_values:[2 6 10] offset:2 buckets:[5 3]}}
eval instant at 0 histogram_count(bins >/ 2 </ 6)
  {} 8
"""
CLASSIC = """
load 1m
  twofold{le="0.5"} 0+4x3
  twofold{le="2"} 0+6x3
  twofold {{count:8 sum:21 offset:2 buckets:[4 4]}}
  classic{le="3"} 0+3x3
  classic{le="+Inf"} 0+5x3
eval instant at 2m histogram_quantile(0.25, twofold)
  expect warn msg: PromQL warning: vector contains a mix of classic and native histograms for metric name "twofold"
eval instant at 2m histogram_fraction(1, 3, twofold)
  expect warn msg: PromQL warning: vector contains a mix of classic and native histograms for metric name "twofold"
# Rank 4 of the 6 from 0 to 3.
eval instant at 2m histogram_quantile(0.4, classic)
  expect no_warn
  {} 2
# Rank 2 of the 4 from 2 to 4: 2^1.5.
eval instant at 2m histogram_quantile(0.25, twofold{le=""})
  expect no_warn
  {} 2.8284271247461903
clear
load 1m
  unsure{nan="all"} {{count:0 sum:0}} {{count:4 sum:NaN}}
  unsure{nan="some"} {{count:0 sum:0}} {{count:16 sum:NaN offset:2 buckets:[4 8]}}
# Rank 14.4 is above the 12 that are numbers.
eval instant at 1m histogram_quantile(0.9, unsure)
  expect info msg: PromQL info: input to histogram_quantile has NaN observations, result is NaN for metric name "unsure"
  {nan="all"} NaN
  {nan="some"} NaN
eval instant at 1m histogram_quantile(0.75, unsure{nan="some"})
  expect info msg: PromQL info: input to histogram_quantile has NaN observations, result is skewed higher for metric name "unsure"
  {nan="some"} 8
eval instant at 1m histogram_fraction(-Inf, +Inf, unsure)
  expect info msg: PromQL info: input to histogram_fraction has NaN observations, which are excluded from all fractions for metric name "unsure"
  {nan="all"} 0
  {nan="some"} 0.75
"""


@pytest.mark.parametrize(
    "text",
    [INSTANT, MIXED, AGGREGATIONS, OPERATORS, CLASSIC],
    ids=["instant", "mixed", "aggregations", "operators", "classic"],
)
def test_native_histograms_in_queries(text: str, native_script: Callable[[str], None]) -> None:
    """Every function and operator answers, and remarks, as Prometheus does."""
    native_script(text)


def test_histograms_tell_nothing(native_script: Callable[[str], None]) -> None:
    """An info metric must be one of floats, as in Prometheus."""
    with pytest.raises(ExecutionError, match="info metrics must have float samples"):
        native_script("""
load 1m
  up{job="shop", instance="s1"} 1
  waits{job="shop", instance="s1"} {{count:3 sum:9 offset:2 buckets:[3]}}
eval instant at 1m info(up, {__name__="waits"})
""")

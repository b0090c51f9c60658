"""Every function of instant vectors and scalars, on numbers small enough to check by hand."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 10s
  m{a="x", b="1"} -2.5
  m{a="y", b="2"} 3.5
  m{a="z"} NaN
  whole 16
  twin_a{job="j"} 1
  twin_b{job="j"} 2
  named{src="alpha-10", le="no"} 1
  named{src="alpha-9"} 2
  named{src="beta"} 3
  angle 0.5
  dated 1709210096
  h_bucket{le="1"} 2
  h_bucket{le="2"} 4
  h_bucket{le="4"} 8
  h_bucket{le="+Inf"} 10
  fallen_bucket{le="1"} 5
  fallen_bucket{le="2"} 3
  fallen_bucket{le="+Inf"} 10
  open_bucket{le="1"} 5
  open_bucket{le="2"} 9
  below_bucket{le="-1"} 4
  below_bucket{le="+Inf"} 8
  void_bucket{le="1"} 0
  void_bucket{le="+Inf"} 0
  bad_bucket{le="one"} 0
"""

TABLE = """
eval instant at 0 abs(m)
  {a="x", b="1"} 2.5
  {a="y", b="2"} 3.5
  {a="z"} NaN
eval instant at 0 ceil(m)
  {a="x", b="1"} -2
  {a="y", b="2"} 4
  {a="z"} NaN
eval instant at 0 floor(m)
  {a="x", b="1"} -3
  {a="y", b="2"} 3
  {a="z"} NaN
# Halves go up.
eval instant at 0 round(m)
  {a="x", b="1"} -2
  {a="y", b="2"} 4
  {a="z"} NaN
eval instant at 0 round(m, 2)
  {a="x", b="1"} -2
  {a="y", b="2"} 4
  {a="z"} NaN
eval instant at 0 sgn(m)
  {a="x", b="1"} -1
  {a="y", b="2"} 1
  {a="z"} NaN
eval instant at 0 clamp(m, -1, 3)
  {a="x", b="1"} -1
  {a="y", b="2"} 3
  {a="z"} NaN
eval instant at 0 clamp(m, 3, -1)
# As Go's math.Max and math.Min: an infinity wins beside NaN, and zeros have an order.
eval instant at 0 clamp_min(vector(NaN), Inf)
  {} +Inf
eval instant at 0 min_of(7, -2)
  -2
eval instant at 0 max_of(7, -2)
  7
eval instant at 0 max_of(NaN, 7)
  NaN
eval instant at 0 min_of(7, NaN)
  NaN
eval range from 0s to 20s step 10s max_of(time(), 15) - min_of(time(), 5)
  {} 15 10 15
eval_fail instant at 0 min_of(m, 1)
  expected type scalar in call to function "min_of", got instant vector
eval instant at 0 clamp_max(vector(NaN), -Inf)
  {} -Inf
eval instant at 0 clamp_max(vector(Inf), NaN)
  {} NaN
eval instant at 0 clamp(vector(-Inf), 0, NaN)
  {} 0
eval instant at 0 1 / clamp_min(vector(-0), 0)
  {} +Inf
eval instant at 0 1 / clamp_max(vector(0), -0)
  {} -Inf
eval instant at 0 clamp_min(m, 0)
  {a="x", b="1"} 0
  {a="y", b="2"} 3.5
  {a="z"} NaN
eval instant at 0 clamp_max(m, 0)
  {a="x", b="1"} -2.5
  {a="y", b="2"} 0
  {a="z"} NaN
eval instant at 0 sqrt(whole)
  {} 4
eval instant at 0 log2(whole)
  {} 4
eval instant at 0 log10(whole * 6.25)
  {} 2
eval instant at 0 ln(whole)
  {} 2.772588722239781
eval instant at 0 ln(whole * 0)
  {} -Inf
eval instant at 0 ln(whole * -1)
  {} NaN
eval instant at 0 exp(angle)
  {} 1.6487212707001282
eval instant at 0 sin(angle)
  {} 0.479425538604203
eval instant at 0 cos(angle)
  {} 0.8775825618903728
eval instant at 0 tan(angle)
  {} 0.5463024898437905
eval instant at 0 asin(angle)
  {} 0.5235987755982989
eval instant at 0 acos(angle)
  {} 1.0471975511965979
eval instant at 0 atan(angle)
  {} 0.4636476090008061
eval instant at 0 sinh(angle)
  {} 0.5210953054937474
eval instant at 0 cosh(angle)
  {} 1.1276259652063807
eval instant at 0 tanh(angle)
  {} 0.46211715726000973
eval instant at 0 asinh(angle)
  {} 0.48121182505960347
eval instant at 0 acosh(angle + 1)
  {} 0.9624236501192069
eval instant at 0 atanh(angle)
  {} 0.5493061443340549
eval instant at 0 deg(angle)
  {} 28.64788975654116
eval instant at 0 rad(whole)
  {} 0.2792526803190927
eval instant at 0 pi()
  3.141592653589793
eval instant at 0 scalar(whole)
  16
eval instant at 0 scalar(m)
  NaN
eval instant at 0 scalar(nothing)
  NaN
eval instant at 0 vector(3)
  {} 3
eval instant at 7s time()
  7
eval instant at 7s timestamp(whole)
  {} 0
eval instant at 7s timestamp(whole * 1)
  {} 7
# 1709210096 is 2024-02-29 12:34:56 UTC, a Thursday.
eval instant at 0 minute(dated)
  {} 34
eval instant at 0 hour(dated)
  {} 12
eval instant at 0 day_of_week(dated)
  {} 4
eval instant at 0 day_of_month(dated)
  {} 29
eval instant at 0 day_of_year(dated)
  {} 60
eval instant at 0 days_in_month(dated)
  {} 29
eval instant at 0 month(dated)
  {} 2
eval instant at 0 year(dated)
  {} 2024
eval instant at 0 year(-dated)
  {} 1915
eval instant at 0 hour(dated * NaN)
  {} NaN
eval range from 0s to 2h step 1h hour()
  {} 0 1 2
eval_ordered instant at 0 sort(named)
  named{src="alpha-10", le="no"} 1
  named{src="alpha-9"} 2
  named{src="beta"} 3
eval_ordered instant at 0 sort_desc(m)
  m{a="y", b="2"} 3.5
  m{a="x", b="1"} -2.5
  m{a="z"} NaN
eval_ordered instant at 0 sort(m)
  m{a="x", b="1"} -2.5
  m{a="y", b="2"} 3.5
  m{a="z"} NaN
eval_ordered instant at 0 sort_by_label(named, "src")
  named{src="alpha-9"} 2
  named{src="alpha-10", le="no"} 1
  named{src="beta"} 3
eval_ordered instant at 0 sort_by_label_desc(named, "src")
  named{src="beta"} 3
  named{src="alpha-10", le="no"} 1
  named{src="alpha-9"} 2
eval instant at 0 absent(whole)
eval instant at 0 absent(nothing)
  {} 1
eval instant at 0 absent(nothing{a="1", b=~"2", c!="3", d="4", d="5"})
  {a="1"} 1
eval instant at 0 absent(nothing{a=~"1", a!="2", a="3", b="4", b=~"5"})
  {a="3"} 1
eval instant at 0 absent(sum(nothing))
  {} 1
# Label functions.
eval instant at 0 label_replace(named, "to", "<$1>", "src", "(.*)-.*")
  named{src="alpha-10", le="no", to="<alpha>"} 1
  named{src="alpha-9", to="<alpha>"} 2
  named{src="beta"} 3
eval instant at 0 label_replace(named, "src", "", "src", ".*-.*") > 2
  named{src="beta"} 3
eval instant at 0 label_replace(whole, "to", "${word}$$$9$none", "__name__", "(?P<word>wh).*")
  whole{to="wh$"} 16
eval instant at 0 label_replace(whole, "__name__", "part", "", "")
  part 16
eval_fail instant at 0 label_replace(whole, "to", "x", "y", "(")
  invalid regular expression in label_replace(): (
eval_fail instant at 0 label_replace(whole, "", "x", "y", "z")
  invalid destination label name in label_replace():
eval_fail instant at 0 label_replace({job="j"}, "__name__", "t", "", "")
  vector cannot contain metrics with the same labelset
eval instant at 0 label_join(m, "to", "-", "a", "b", "c")
  m{a="x", b="1", to="x-1-"} -2.5
  m{a="y", b="2", to="y-2-"} 3.5
  m{a="z", to="z--"} NaN
eval_fail instant at 0 label_join(m, "to", "-", "a", "")
  invalid source label name in label_join():
eval instant at 0 label_join(whole, "to", "-")
  whole 16
# Two metrics that lose their names are the same.
eval_fail instant at 0 abs({job="j"})
  vector cannot contain metrics with the same labelset
eval_fail instant at 0 -{job="j"}
  vector cannot contain metrics with the same labelset
eval_fail instant at 0 max_over_time({job="j"}[1m])
  vector cannot contain metrics with the same labelset
# Classic histograms: 8 of 10 lie up to 4; rank 5 is a quarter into (2, 4].
eval instant at 0 histogram_quantile(0.5, h_bucket)
  {} 2.5
eval instant at 0 histogram_quantile(0.1, h_bucket)
  {} 0.5
eval instant at 0 histogram_quantile(0.9, h_bucket)
  {} 4
eval instant at 0 histogram_quantile(0, h_bucket)
  {} 0
eval instant at 0 histogram_quantile(1, h_bucket)
  {} 4
eval instant at 0 histogram_quantile(-0.5, h_bucket)
  {} -Inf
eval instant at 0 histogram_quantile(1.5, h_bucket)
  {} +Inf
eval instant at 0 histogram_quantile(NaN, h_bucket)
  {} NaN
# A count that falls is raised to the one below it: 5, 5, 10.
eval instant at 0 histogram_quantile(0.5, fallen_bucket)
  {} 1
eval instant at 0 histogram_quantile(0.6, fallen_bucket)
  {} 2
eval instant at 0 histogram_quantile(0.5, open_bucket)
  {} NaN
eval instant at 0 histogram_quantile(0.2, below_bucket)
  {} -1
eval instant at 0 histogram_quantile(0.8, below_bucket)
  {} -1
eval instant at 0 histogram_quantile(0.5, void_bucket)
  {} NaN
# Counts that are no numbers are below no rank: the highest finite bound, as in Prometheus.
eval instant at 0 histogram_quantile(0.5, h_bucket * NaN)
  {} 4
eval instant at 0 histogram_quantile(0.5, bad_bucket)
eval instant at 0 histogram_quantile(0.5, h_bucket{le="+Inf"})
  {} NaN
eval instant at 0 histogram_fraction(0, 2, h_bucket)
  {} 0.4
eval instant at 0 histogram_fraction(0.5, 3, h_bucket)
  {} 0.5
eval instant at 0 histogram_fraction(-Inf, +Inf, h_bucket)
  {} 1
eval instant at 0 histogram_fraction(2, 1, h_bucket)
  {} 0
eval instant at 0 histogram_fraction(NaN, 1, h_bucket)
  {} NaN
eval instant at 0 histogram_fraction(4, +Inf, h_bucket)
  {} 0.2
eval instant at 0 histogram_fraction(0, 1, void_bucket)
  {} NaN
"""


def test_function(script: Script, command: str) -> None:
    """Each function gives the number worked out by hand."""
    script(DATA + command)


def test_buckets_that_come_and_go(script: Script) -> None:
    """A bucket that is missing at a step is not there for that step alone."""
    script("""
load 10s
  b{le="1"} 2 stale 2
  b{le="2"} 4 4 stale
  b{le="+Inf"} 8 8 8
eval range from 0s to 20s step 10s histogram_quantile(0.25, b)
  {} 1 1 1
eval range from 0s to 20s step 10s histogram_quantile(0.5, b)
  {} 2 2 1
eval range from 0s to 20s step 10s histogram_quantile(0.375, b)
  {} 1.5 1.5 1
""")


def test_two_metrics_are_two_classic_histograms(script: Script) -> None:
    """Their buckets are never mixed: what is left of their labels collides, or takes turns."""
    script("""
load 10s
  b{le="1", turn="1"} 4 stale
  b{le="+Inf", turn="1"} 4 stale
  c{le="1", turn="1"} _ 2
  c{le="2", turn="1"} _ 4
  c{le="+Inf", turn="1"} _ 4
  b{le="1"} 2
  b{le="+Inf"} 4
  c{le="2"} 2
  c{le="+Inf"} 4
eval range from 0s to 10s step 10s histogram_quantile(0.75, {__name__=~"b|c", turn="1"})
  {turn="1"} 0.75 1.5
eval_fail instant at 0 histogram_quantile(0.75, {__name__=~"b|c", turn=""})
  vector cannot contain metrics with the same labelset
eval_fail instant at 0 histogram_fraction(0, 1, {__name__=~"b|c", turn=""})
  vector cannot contain metrics with the same labelset
""")


def test_names_of_labels_are_utf8(script: Script) -> None:
    """A string may spell other bytes, but not where it names a label."""
    script(r"""
load 10s
  x{a="1"} 5
eval instant at 0 label_replace(x, "b", "\xc3\xa9", "", "")
  x{a="1", b="é"} 5
eval instant at 0 label_replace(x, "\xc3\xa9", "$0", "a", ".*")
  x{a="1", "é"="1"} 5
eval_fail instant at 0 label_replace(x, "\xff", "", "a", "(.*)")
  invalid destination label name in label_replace(): �
eval_fail instant at 0 label_join(x, ("\xff"), "", "a")
  invalid destination label name in label_join(): �
eval_fail instant at 0 label_join(x, "b", "", "a", "\xff")
  invalid source label name in label_join(): �
eval_fail instant at 0 histogram_quantiles(x, "\xff", 0.5)
  invalid label name "�"
eval_fail instant at 0 count_values("\xff", x)
  invalid label name "�"
eval_fail instant at 0 sum by ("\xff") (x)
  1:9: parse error: invalid label name for grouping: "\xff"
""")


def test_same_labels_at_different_steps_are_one_series(script: Script) -> None:
    """Functions join what never meets; functions of ranges do not."""
    script("""
load 10s
  first{job="j"} 1 2 stale
  second{job="j"} _ _ 3 4
eval range from 0s to 30s step 10s abs({job="j"})
  {job="j"} 1 2 3 4
eval range from 0s to 30s step 10s {job="j"} + 1
  {job="j"} 2 3 4 5
eval range from 0s to 30s step 10s -{job="j"}
  {job="j"} -1 -2 -3 -4
eval range from 0s to 30s step 10s label_replace({job="j"}, "__name__", "", "", "")
  {job="j"} 1 2 3 4
eval range from 0s to 30s step 10s label_join({job="j"}, "__name__", "")
  {job="j"} 1 2 3 4
eval_fail range from 0s to 30s step 10s last_over_time({job="j"}[10s]) * 1 + rate({job="j"}[30s])
  vector cannot contain metrics with the same labelset
""")


def test_natural_order_counts_runs_of_digits(script: Script) -> None:
    """Numbers are ordered as such wherever they stand; other signs, and huge runs, are text."""
    huge = "9" * 5_000
    script(f"""
load 10s
  x{{a="10"}} 1
  x{{a="9"}} 2
  x{{a="a01b"}} 3
  x{{a="a1a"}} 4
  x{{a="³"}} 5
  x{{a="²"}} 6
  x{{a="{huge}"}} 7
eval_ordered instant at 0 sort_by_label(x, "a")
  x{{a="9"}} 2
  x{{a="10"}} 1
  x{{a="{huge}"}} 7
  x{{a="a1a"}} 4
  x{{a="a01b"}} 3
  x{{a="²"}} 6
  x{{a="³"}} 5
""")

"""What is said beside an answer, and where in the query's text."""

from collections.abc import Callable
from typing import Any

from veriscope.query.promql import PromqlEngine

Script = Callable[[str], None]

DATA = """
load 10s
  gauge 1 2
  fine_total 1 2
  other{x="1"} 1 2
  other{x="2"} 1 2
  b_bucket{le="1"} 5
  b_bucket{le="2"} 3
  b_bucket{le="+Inf"} 9
  c_bucket{le="x"} 1
  c_bucket 2
  d_bucket{le=" 1"} 3
"""

_COUNTER = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
_QUANTILE = "quantile value should be between 0 and 1, got"

TABLE = f"""
eval instant at 10s rate(gauge[20s])
  expect info {_COUNTER} "gauge" (1:6)
  {{}} 0.1
eval instant at 10s rate(fine_total[20s]) + ignoring(x) increase(other{{x="1"}}[20s])
  expect info {_COUNTER} "other" (1:46)
  {{}} 2.1
eval instant at 10s rate({{__name__=~"gauge|other"}}[1s])
eval instant at 10s rate(gauge[20s:10s])
  expect info {_COUNTER} "gauge" (1:6)
  {{}} 0.1
eval instant at 10s rate(sum(gauge)[20s:10s])
  {{}} 0.1
eval instant at 0 quantile(2, gauge)
  expect warn {_QUANTILE} 2 (1:10)
  {{}} +Inf
eval instant at 0 sum(gauge) + quantile(-1e7, gauge)
  expect warn {_QUANTILE} -1e+07 (1:23)
  {{}} -Inf
eval instant at 0 quantile_over_time(NaN, gauge[10s])
  expect warn {_QUANTILE} NaN (1:20)
  {{}} NaN
eval instant at 0 quantile_over_time(2, nothing[10s])
eval range from 0s to 40s step 10s quantile_over_time(time(), gauge[10s])
  expect warn {_QUANTILE} 10 (1:20)
  {{}} 1 +Inf
eval instant at 0 histogram_quantile(1.5, b_bucket)
  expect warn {_QUANTILE} 1.5 (1:20)
  {{}} +Inf
eval instant at 0 histogram_quantile(1, b_bucket)
  expect info input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) (1:23)
  {{}} 2
eval instant at 0 histogram_quantile(0.5, d_bucket)
  expect warn bucket label "le" is missing or has a malformed value of " 1" for metric name "d_bucket" (1:25)
eval instant at 0 histogram_quantile(0.5, c_bucket)
  expect warn bucket label "le" is missing or has a malformed value of "x" for metric name "c_bucket" (1:25)
  expect warn bucket label "le" is missing or has a malformed value of "" for metric name "c_bucket" (1:25)
# Of a parameter that varies, the least and the greatest stand for all.
eval range from 0s to 40s step 10s quantile(time() / 10 - 2, gauge)
  expect warn {_QUANTILE} 2 (1:10)
  expect warn {_QUANTILE} -2 (1:10)
  {{}} -Inf -Inf 2 2 +Inf
eval instant at 0 limit_ratio(1.5, gauge)
  expect warn ratio value should be between -1 and 1, got 1.5, capping to 1 (1:13)
  gauge 1
"""  # noqa: E501 - Prometheus' own texts


def test_note(script: Script, command: str) -> None:
    """Each doubt has Prometheus' words, and the place of what it is about."""
    script(DATA + command)


def test_places_are_those_of_the_text(source: Any, engine: PromqlEngine) -> None:
    """Lines and columns count as in Prometheus: columns in bytes, comments and all."""
    source.add("gauge", [(0, 1.0), (10_000, 2.0)])
    text = '# é\n  sum by (x) (\n    label_replace(rate(gauge[20s]), "é", "", "é", ""))'
    (info,) = engine.instant_query(text, 10_000).infos
    assert info.endswith('"gauge" (3:24)')


def test_only_the_first_ten_are_said(source: Any, engine: PromqlEngine) -> None:
    """Of more than ten, the rest is a number."""
    for index in range(13):
        source.add(f'g{index:02}{{i="{index}"}}', [(0, 1.0), (10_000, 2.0)])
    infos = engine.instant_query('sum(rate({__name__=~"g.*"}[20s]))', 10_000).infos
    assert len(infos) == 11
    assert infos[-1] == "3 more info annotations omitted"
    assert '"g09" (1:10)' in infos[9]

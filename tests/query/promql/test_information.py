"""The function `info`: labels of `target_info` and its like on other series."""

from collections.abc import Callable

Script = Callable[[str], None]

DATA = """
load 10s
  up{instance="a", job="x", own="1"} 4 9 16
  up{instance="b", job="x"} 5 5 5
  up{host="h"} 9 9 9
  target_info{instance="a", job="x", version="1", own="2"} 1 stale
  target_info{instance="a", job="x", version="2"} _ 1 1
  build_info{instance="a", job="x", commit="c1", version="9"} 1 1 1
  two_info{instance="b", job="x", k="1"} 1
  two_info{instance="b", job="x", k="2"} 1
"""

TABLE = """
# The version changes with the series that tells it; a label of its own is never overwritten.
eval range from 0s to 20s step 10s info(up)
  up{instance="a", job="x", own="1", version="1"} 4
  up{instance="a", job="x", own="1", version="2"} _ 9 16
  up{instance="b", job="x"} 5 5 5
  up{host="h"} 9 9 9
eval instant at 0 info(up, {version=~".+"})
  up{instance="a", job="x", own="1", version="1"} 4
eval instant at 0 info(up, {version=~".*"})
  up{instance="a", job="x", own="1", version="1"} 4
  up{instance="b", job="x"} 5
  up{host="h"} 9
eval instant at 0 info(up, {version="3"})
eval instant at 0 info(up, {})
  up{instance="a", job="x", own="1", version="1"} 4
  up{instance="b", job="x"} 5
  up{host="h"} 9
eval instant at 0 info(up, {__name__="build_info", commit!=""})
  up{instance="a", job="x", own="1", commit="c1"} 4
eval instant at 0 info(up, {__name__="build_info"})
  up{instance="a", job="x", own="1", commit="c1", version="9"} 4
  up{instance="b", job="x"} 5
  up{host="h"} 9
eval instant at 0 info(rate(up[20s]))
# 12 more in 20 s: 4 take 20/3 s, so 4/3 of it in 30 s.
eval instant at 20s info(rate(up{own="1"}[30s]))
  {instance="a", job="x", own="1", version="2"} 0.5333333333333333
# What tells is never told of.
eval instant at 0 info({instance="a", __name__!~"build.*"})
  up{instance="a", job="x", own="1", version="1"} 4
  target_info{instance="a", job="x", version="1", own="2"} 1
eval instant at 0 info(nothing)
eval instant at 0 info(up{host="h"})
  up{host="h"} 9
eval instant at 0 info(build_info, {__name__=~"build_info", nothing=~".+"})
  build_info{instance="a", job="x", commit="c1", version="9"} 1
eval instant at 0 info(target_info, {version="3"})
  target_info{instance="a", job="x", version="1", own="2"} 1
# What is only excluded leaves the other metrics whose names end in _info.
eval instant at 0 info(up, {__name__!~"t.+_info", commit=~".+"})
  up{instance="a", job="x", own="1", commit="c1"} 4
eval instant at 0 info(up{own="1"}, {__name__!~".*info", version=~".+"})
eval instant at 0 info(up{own="1"}, {__name__!~".*info", version=~".*"})
  up{instance="a", job="x", own="1"} 4
# A metric tells that satisfies all matchers of names.
eval instant at 0 info(build_info, {__name__=~".+get.*", __name__=~"t.+_info"})
  build_info{instance="a", job="x", commit="c1", version="9", own="2"} 1
# Each metric that tells has its say, if they agree.
eval_fail instant at 0 info(up, {__name__=~"(target|build)_info", version!=""})
  conflicting label: version
eval_fail instant at 0 info(up, {__name__="two_info"})
  found duplicate series for info metric: existing
eval_fail instant at 0 info(up, up)
  1:10: parse error: expected label selectors only, got vector selector instead
eval_fail instant at 0 info(up, 3)
  1:10: parse error: expected type instant vector in call to function "info", got scalar
eval_fail instant at 0 info(up offset 5s, {} offset 5s)
  parse error: unexpected <offset>
"""


def test_information(script: Script, command: str) -> None:
    """Each answer has the labels worked out by hand."""
    script(DATA + command)


def test_the_newest_of_a_metric_tells(script: Script) -> None:
    """Of two series that could tell, the one whose last sample is newer does."""
    script("""
load 10s
  up{instance="a", job="x"} 1 1 1
  target_info{instance="a", job="x", version="1"} 1 _ 1
  target_info{instance="a", job="x", version="2"} _ 1 _
eval range from 0s to 20s step 10s info(up)
  up{instance="a", job="x", version="1"} 1 _ 1
  up{instance="a", job="x", version="2"} _ 1
eval range from 10s to 20s step 10s info(up offset 10s)
  up{instance="a", job="x", version="1"} 1
  up{instance="a", job="x", version="2"} _ 1
eval range from 0s to 20s step 10s info(up @ 10)
  up{instance="a", job="x", version="2"} 1 1 1
""")

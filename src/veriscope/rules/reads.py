"""What the rules of a group read, so that it can be fetched at once and not one by one."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from veriscope.query.promql import parse
from veriscope.query.promql.ast import MatrixSelector, Subquery, VectorSelector
from veriscope.query.promql.walk import nodes
from veriscope.rules.files import Rule
from veriscope.signals import METRIC_NAME, MatchOp

_LOOKBACK_MS: Final = 5 * 60_000
_MOST_MS: Final = 24 * 3600 * 1000
"""Rules that reach back further fetch for themselves: that may be much, and belongs to them."""


class Reads(NamedTuple):
    """Names of metrics, and how long before an evaluation their samples matter."""

    metrics: tuple[str, ...]
    reach_ms: int


Prepare: TypeAlias = Callable[[Sequence[str], int, int], None]
"""Gets ready to answer for metrics between two times, in Unix milliseconds; blocks."""


def reads_of(rules: Sequence[Rule]) -> Reads:
    """Return what the expressions of *rules* read by name, and the furthest that they reach."""
    metrics: dict[str, None] = {}
    furthest_ms = 0
    for rule in rules:
        if rule.source is not None:
            continue
        names, reach_ms = [], _LOOKBACK_MS
        for node in nodes(parse(rule.expr)):
            match node:
                case VectorSelector():
                    reach_ms += abs(node.offset_ms)
                    names += [
                        matcher.value
                        for matcher in node.matchers
                        if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL
                    ]
                case MatrixSelector():
                    reach_ms += node.range_ms
                case Subquery():
                    reach_ms += node.range_ms + abs(node.offset_ms)
        if reach_ms <= _MOST_MS:
            metrics |= dict.fromkeys(names)
            furthest_ms = max(furthest_ms, reach_ms)
    return Reads(tuple(metrics), furthest_ms)

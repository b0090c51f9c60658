"""Which rules of a group may be evaluated at once: those that read none of the others."""

from collections.abc import Mapping, Sequence

import re2

from veriscope.query.promql import parse
from veriscope.query.promql.walk import selectors
from veriscope.rules.alerting import ALERTS, ALERTS_FOR_STATE
from veriscope.rules.files import Rule
from veriscope.signals import METRIC_NAME, Matcher, MatchOp

_ALERT_SERIES = (ALERTS, ALERTS_FOR_STATE)


def stages(rules: Sequence[Rule]) -> list[list[int]]:
    """
    Cut *rules* into runs of neighbours, by position, of which none reads what another writes.

    Evaluated run by run, and each run at once, they give what they give one by one.
    """
    runs: list[list[int]] = []
    written: dict[str, None] = {}
    for position, rule in enumerate(rules):
        read = selectors(parse(rule.expr)) if rule.source is None else ()
        if not runs or any(_reads_any(matchers, written) for matchers in read):
            runs.append([])
            written = {}
        runs[-1].append(position)
        written |= dict.fromkeys([rule.record] if rule.record else _ALERT_SERIES)
    return runs


def _reads_any(matchers: Sequence[Matcher], written: Mapping[str, None]) -> bool:
    for matcher in matchers:
        if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL:
            return matcher.value in written and _reads(matchers, matcher.value)
    return any(_reads(matchers, name) for name in written)


def _reads(matchers: Sequence[Matcher], metric: str) -> bool:
    return all(_allows(m, metric) for m in matchers if m.name == METRIC_NAME)


def _allows(matcher: Matcher, metric: str) -> bool:
    if matcher.op in {MatchOp.EQUAL, MatchOp.NOT_EQUAL}:
        return (matcher.value == metric) == (matcher.op is MatchOp.EQUAL)
    found = re2.fullmatch(f"(?s:{matcher.value})", metric) is not None
    return found == (matcher.op is MatchOp.REGEX)

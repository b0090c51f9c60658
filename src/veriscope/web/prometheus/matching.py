"""Matchers against labels that are at hand."""

from collections.abc import Mapping, Sequence

import re2

from veriscope.signals import Matcher, MatchOp


def matches(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Tell whether *labels* satisfy each of *matchers*, whose regular expressions are RE2."""
    return all(_satisfies(matcher, labels.get(matcher.name, "")) for matcher in matchers)


def _satisfies(matcher: Matcher, value: str) -> bool:
    match matcher.op:
        case MatchOp.EQUAL:
            return value == matcher.value
        case MatchOp.NOT_EQUAL:
            return value != matcher.value
        case MatchOp.REGEX:
            return _fits(matcher.value, value)
        case MatchOp.NOT_REGEX:
            return not _fits(matcher.value, value)


def _fits(pattern: str, value: str) -> bool:
    return re2.fullmatch(f"(?s:{pattern})", value) is not None

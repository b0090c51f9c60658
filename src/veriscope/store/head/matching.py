"""Matchers, evaluated on label values in memory."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import re2

from veriscope.signals import Matcher, MatchOp
from veriscope.store.errors import RefusedError

_SPECIAL: Final = frozenset("\\.+*?()[]{}^$")
_NEGATIONS: Final = frozenset((MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX))


def matching(matcher: Matcher, values: Sequence[str]) -> list[bool]:
    """
    Tell for each of *values* whether *matcher* takes it.

    Raises `RefusedError` for a regular expression that RE2 does not take.
    """
    takes = _test(matcher)
    negated = matcher.op in _NEGATIONS
    return [takes(value) is not negated for value in values]


def _test(matcher: Matcher) -> Callable[[str], bool]:
    if matcher.op in (MatchOp.EQUAL, MatchOp.NOT_EQUAL):
        return matcher.value.__eq__
    if not _SPECIAL.intersection(matcher.value):
        # Dashboards offer a choice of values, and send `a|b|c`.
        return frozenset(matcher.value.split("|")).__contains__
    matches = _compiled(matcher.value).fullmatch
    return lambda value: matches(value) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        # A dot matches a newline, as in Prometheus.
        return re2.compile(f"(?s:{pattern})", options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise RefusedError(f"cannot compile re2: {pattern}, error: {reason}") from error

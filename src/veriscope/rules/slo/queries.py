"""Queries of objectives: which window they are about, however they were written."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from veriscope.query import ParseError
from veriscope.query.promql import parse
from veriscope.query.promql.ast import (
    Aggregate,
    Call,
    Expr,
    MatrixSelector,
    Subquery,
    ValueType,
    VectorSelector,
)
from veriscope.query.promql.format import format_expression
from veriscope.query.promql.walk import nodes
from veriscope.rules.slo.definition import WINDOW
from veriscope.signals import METRIC_NAME, Duration

_MARK: Final = Duration(123_456_789)
"""A length of time that nobody writes; it stands for the window."""
_COUNTERS: Final = ("_total", "_count", "_bucket", "_sum")


def check_windowed(text: str) -> None:
    """Raise `ValueError` unless *text* is PromQL with `{{.window}}`."""
    if not WINDOW.search(text):
        raise ValueError("it has no {{.window}}; write it as rate(x[{{.window}}])")
    check_query(text)


def check_query(text: str) -> None:
    """Raise `ValueError` unless *text* is PromQL, but for `{{.window}}`."""
    try:
        parse(WINDOW.sub("5m", text))
    except ParseError as error:
        raise ValueError(str(error)) from error


def windowed(text: str, *, counter: bool | None) -> str:
    """
    Return the query of events *text* with `{{.window}}` where it takes its window.

    Where it has none, each range becomes the window, and each plain selector the events within
    the window: their rate where it is a *counter* (by its name, if that is not said), else the
    sum of its samples. What is not aggregated is summed up. Raises `ValueError`.
    """
    check_query(text)
    if WINDOW.search(text):
        return text
    expr = parse(text)
    if any(isinstance(node, Subquery) for node in nodes(expr)):
        raise ValueError("a subquery needs {{.window}} where it takes its window")

    def change(node: Any) -> Any:
        if isinstance(node, MatrixSelector):
            return replace(node, range_ms=_MARK, range_expr=None)
        if isinstance(node, VectorSelector):
            ranged = MatrixSelector(node, _MARK)
            return Call(_function(node, counter=counter), (ranged,), ValueType.VECTOR)
        return node

    found: Expr = _changed(expr, change)
    spelled = format_expression(found).replace(str(_MARK), "{{.window}}")
    return spelled if isinstance(found, Aggregate) else f"sum({spelled})"


def _function(selector: VectorSelector, *, counter: bool | None) -> str:
    if counter is None:
        names = [m.value for m in selector.matchers if m.name == METRIC_NAME]
        counter = any(name.endswith(_COUNTERS) for name in names)
    return "rate" if counter else "sum_over_time"


def _changed(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return *node* with what *change* makes of it, or else of its parts."""
    if isinstance(node, tuple):
        return tuple(_changed(part, change) for part in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    if (found := change(node)) is not node:
        return found
    parts = {field.name: _changed(getattr(node, field.name), change) for field in fields(node)}
    return replace(node, **parts)

"""The expression of an alert: what is drawn of it, and what its values measure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from veriscope.insight.units import Unit, unit_of_name
from veriscope.query.errors import ParseError
from veriscope.query.promql import Expr, parse
from veriscope.query.promql.ast import (
    Aggregate,
    Binary,
    Call,
    MatrixSelector,
    NumberLiteral,
    Subquery,
    Unary,
    VectorSelector,
    unwrap,
)
from veriscope.query.promql.format import format_expression
from veriscope.query.promql.walk import nodes
from veriscope.signals import METRIC_NAME, MatchOp

_COMPARISONS: Final = frozenset({">", ">=", "<", "<=", "==", "!="})
_COUNTS: Final = frozenset({"count", "count_values", "group", "count_over_time", "changes"})
_RATES: Final = frozenset({"rate", "irate", "deriv"})
_HUNDRED: Final = 100.0
_LONGEST_TEXT: Final = 16_384
_MOST_NODES: Final = 1_000  # deeper than that Python does not descend


@dataclass(frozen=True, slots=True)
class Expression:
    """What an alert's condition is made of."""

    text: str
    """The whole of it."""
    shown: str
    """Without a comparison with a number: what has a value also while all is well."""
    threshold: float | None
    """The number that it is compared with."""
    metrics: frozenset[str]
    """Names of the metrics that it reads."""
    range_ms: int
    """The longest range in it: as late may a change be noticed."""
    unit: Unit


def expression_of(generator_urls: Iterable[str]) -> Expression | None:
    """Return the first expression in links to graphs, as rules have them; None without one."""
    for url in generator_urls:
        for text in parse_qs(urlsplit(url).query).get("g0.expr", ()):
            if len(text) > _LONGEST_TEXT:
                continue
            try:
                return read_expression(text)
            except ParseError:
                continue
    return None


def read_expression(text: str) -> Expression:
    """Take *text* apart; raises `ParseError` where it is no PromQL."""
    whole = parse(text)
    is_plain = sum(1 for _ in nodes(whole)) <= _MOST_NODES
    shown, threshold = _without_threshold(whole) if is_plain else (whole, None)
    return Expression(
        text,
        text if shown is whole else format_expression(shown),
        threshold,
        _metrics(whole),
        max((_range_ms(node) for node in nodes(whole)), default=0),
        _unit(shown) if is_plain else Unit.NUMBER,
    )


def _without_threshold(expr: Expr) -> tuple[Expr, float | None]:
    inner = unwrap(expr)
    if not isinstance(inner, Binary) or inner.op not in _COMPARISONS:
        return expr, None
    left, right = _number(inner.left), _number(inner.right)
    if right is not None and left is None:
        return inner.left, right
    if left is not None and right is None:
        return inner.right, left
    return expr, None


def _number(expr: Expr) -> float | None:
    """Return the number that *expr* is, worked out where it is arithmetic of numbers."""
    inner = unwrap(expr)
    if isinstance(inner, NumberLiteral):
        return inner.value
    if isinstance(inner, Unary):
        value = _number(inner.expr)
        return value if value is None or inner.op == "+" else -value
    if isinstance(inner, Binary) and inner.op in {"*", "/", "+", "-"}:
        left, right = _number(inner.left), _number(inner.right)
        if left is None or right is None or (inner.op == "/" and not right):
            return None
        return {
            "*": lambda: left * right,
            "/": lambda: left / right,
            "+": lambda: left + right,
            "-": lambda: left - right,
        }[inner.op]()
    return None


def _metrics(expr: Expr) -> frozenset[str]:
    return frozenset(
        matcher.value
        for node in nodes(expr)
        if isinstance(node, VectorSelector)
        for matcher in node.matchers
        if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL
    )


def _range_ms(node: object) -> int:
    return node.range_ms if isinstance(node, MatrixSelector | Subquery) else 0


def _unit(expr: Expr) -> Unit:
    """Return what *expr* measures, as far as the names of its metrics tell."""
    inner = unwrap(expr)
    match inner:
        case VectorSelector() | MatrixSelector():
            return next((unit_of_name(name) for name in _metrics(inner)), Unit.NUMBER)
        case Subquery() | Unary():
            return _unit(inner.expr)
        case Aggregate():
            return Unit.NUMBER if inner.op in _COUNTS else _unit(inner.expr)
        case Call():
            return _unit_of_call(inner)
        case Binary():
            return _unit_of_binary(inner)
        case _:
            return Unit.NUMBER


def _unit_of_call(call: Call) -> Unit:
    if call.function in _COUNTS or not call.args:
        return Unit.NUMBER
    if call.function == "histogram_quantile":
        # Whatever rates are within: the bounds of the buckets have the metric's unit.
        return next((unit_of_name(name) for name in _metrics(call.args[1])), Unit.NUMBER)
    inner = _unit(call.args[-1] if call.function == "quantile_over_time" else call.args[0])
    if call.function not in _RATES:
        return inner
    return {Unit.BYTES: Unit.BYTES_PER_SECOND, Unit.NUMBER: Unit.PER_SECOND}.get(inner, Unit.NUMBER)


def _unit_of_binary(binary: Binary) -> Unit:
    if binary.op in _COMPARISONS or binary.op in {"and", "or", "unless"}:
        return _unit(binary.left)
    left, right = _unit(binary.left), _unit(binary.right)
    if binary.op == "/":
        return _unit_of_quotient(binary, left, right)
    factors = {_number(binary.left), _number(binary.right)} - {None}
    if binary.op == "*":
        return (
            Unit.PERCENT if factors == {_HUNDRED} and Unit.RATIO in {left, right} else Unit.NUMBER
        )
    if binary.op in {"+", "-"}:
        if factors:
            return left if _number(binary.left) is None else right
        return left if left is right else Unit.NUMBER
    return Unit.NUMBER


def _unit_of_quotient(binary: Binary, left: Unit, right: Unit) -> Unit:
    if _number(binary.right) is not None:
        return Unit.NUMBER
    sums, counts = _metrics(binary.left), _metrics(binary.right)
    if any(n.endswith("_sum") for n in sums) and any(n.endswith("_count") for n in counts):
        return next(unit_of_name(name) for name in sums if name.endswith("_sum"))
    named = left is not Unit.NUMBER or sums == counts
    return Unit.RATIO if left is right and named else Unit.NUMBER

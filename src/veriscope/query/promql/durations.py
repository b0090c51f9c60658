"""Durations: literals, and what Prometheus computes from them."""

import math
from dataclasses import dataclass, replace
from typing import Final

from veriscope.query.errors import ExecutionError, ParseError
from veriscope.query.promql.ast import DurationExpr, DurationNode, NumberLiteral
from veriscope.query.promql.cursor import Cursor
from veriscope.query.promql.lexer import Kind

_LEVELS: Final = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_UNARY_LEVEL: Final = 2
_POWER: Final = _LEVELS["^"]

_CHOICES: Final = {"max_of": "max_of", "min_of": "min_of", "max": "max_of", "min": "min_of"}
"""The lesser and the greater of two durations, also by their names until Prometheus 3.12."""


class DurationReader(Cursor):
    """Reads the durations of ranges, steps and offsets."""

    def _length(self, context: str, otherwise: str = "") -> tuple[int, DurationExpr | None]:
        """Return a positive duration in milliseconds, or what computes it."""
        begins = self._ahead().kind in {Kind.NUMBER, Kind.DURATION} or self._is(
            "+", "-", "(", *_CHOICES, "step", "range"
        )
        if not begins:
            expected = "number, duration, step(), " + ("or " if not otherwise else "")
            expected += "range()" + (f",{otherwise}" if otherwise else "")
            raise self._unexpected(context, expected)
        found = self._duration(0)
        if isinstance(found, DurationExpr):
            return 0, found
        length_ms = milliseconds(found.value)
        if length_ms is None:
            raise ParseError("duration out of range", text=self._text, position=found.span[0])
        if length_ms <= 0:
            raise ParseError(
                "duration must be greater than 0", text=self._text, position=found.span[0]
            )
        return length_ms, None

    def _offset_duration(self) -> DurationNode:
        """Return the duration of an offset: but for brackets, operators end it."""
        sign = self._accept("-", "+")
        start = self._ahead().start if sign is None else sign.start
        named = self._is("step", "range", *_CHOICES, "(")
        if self._ahead().kind not in {Kind.NUMBER, Kind.DURATION} and not named:
            raise self._unexpected("offset", "number, duration, step(), or range()")
        found = self._duration_primary()
        if sign is None:
            return found
        if isinstance(found, NumberLiteral):
            value = -found.value if sign.text == "-" else found.value
            return NumberLiteral(value, found.is_duration, self._span(start))
        return DurationExpr(sign.text, None, found, span=self._span(start))

    def _duration(self, level: int) -> DurationNode:
        left, depth = self._duration_unary(), self._depth
        while _LEVELS.get(self._ahead().word, 0) > level:
            self._enter()
            op = self._take().word
            found = _LEVELS[op]
            right = self._duration(found - 1 if found == _POWER else found)
            left = DurationExpr(op, left, right, span=(left.span[0], right.span[1]))
        self._depth = depth
        return left

    def _duration_unary(self) -> DurationNode:
        sign = self._accept("-", "+")
        if sign is None:
            return self._duration_primary()
        self._enter()
        inner = self._duration(_UNARY_LEVEL)
        self._depth -= 1
        span = self._span(sign.start)
        if isinstance(inner, NumberLiteral):
            value = -inner.value if sign.text == "-" else inner.value
            return NumberLiteral(value, inner.is_duration, span)
        return DurationExpr(sign.text, None, inner, span=span)

    def _duration_primary(self) -> DurationNode:
        token = self._ahead()
        if token.kind in {Kind.NUMBER, Kind.DURATION}:
            return self._number()
        self._enter()
        if self._accept("("):
            inner: DurationNode = self._duration(0)
            self._expect(")")
            span = self._span(token.start)
            if isinstance(inner, DurationExpr):
                inner = replace(inner, wrapped=True, span=span)
        elif self._accept("step", "range"):
            self._expect("(")
            self._expect(")")
            inner = DurationExpr(token.word, span=self._span(token.start))
        elif self._accept(*_CHOICES):
            self._expect("(")
            left = self._duration(0)
            self._expect(",")
            right = self._duration(0)
            self._expect(")")
            op = _CHOICES[token.word or token.text]
            inner = DurationExpr(op, left, right, span=self._span(token.start))
        else:
            raise self._unexpected()
        self._depth -= 1
        return inner


def milliseconds(seconds: float) -> int | None:
    """Return *seconds* as milliseconds, None where they are beyond Go's durations."""
    if not abs(seconds) < 2**63 / 1e9:
        return None
    return round_half_away(seconds * 1000)


def round_half_away(value: float) -> int:
    """Round as Go's `math.Round`."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


@dataclass(frozen=True, slots=True)
class QuerySpan:
    """What a duration can ask of its query: the step and the time from start to end."""

    step_s: float
    range_s: float


def evaluate_ms(expr: DurationExpr, query: QuerySpan, *, negative: bool = False) -> int:
    """
    Return *expr* in milliseconds, cut off towards zero as Prometheus does.

    Raises `ExecutionError` where it is none: 0 or less (unless *negative* may be), out of range,
    or a division by zero.
    """
    seconds = _seconds(expr, query)
    if not negative and not seconds > 0:
        raise _fault(expr, "duration must be greater than 0")
    if not abs(seconds) < 2**63 / 1e9:
        raise _fault(expr, "duration is out of range")
    return int(seconds * 1000)


def depends_on_range(expr: DurationExpr | None) -> bool:
    """Tell whether *expr* asks for the time between the query's start and end."""
    if not isinstance(expr, DurationExpr):
        return False
    sides = [side for side in (expr.left, expr.right) if isinstance(side, DurationExpr)]
    return expr.op == "range" or any(map(depends_on_range, sides))


def _seconds(node: DurationNode, query: QuerySpan) -> float:
    if isinstance(node, NumberLiteral):
        return node.value
    match node.op:
        case "step":
            return query.step_s
        case "range":
            return query.range_s
    left = None if node.left is None else _seconds(node.left, query)
    right = 0.0 if node.right is None else _seconds(node.right, query)
    if left is None:
        return -right if node.op == "-" else right
    return _combine(node, left, right)


def _combine(node: DurationExpr, left: float, right: float) -> float:  # noqa: PLR0911 - an arm for each operator
    match node.op:
        case "min_of":
            return min(left, right)
        case "max_of":
            return max(left, right)
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    if node.op == "^":
        return _power(left, right)
    if right == 0:
        raise _fault(node, "division by zero" if node.op == "/" else "modulo by zero")
    return left / right if node.op == "/" else math.fmod(left, right)


def _power(left: float, right: float) -> float:
    """Return `left ^ right` as Go does: an infinity or NaN where Python raises."""
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def _fault(expr: DurationExpr, message: str) -> ExecutionError:
    return ExecutionError(f"{expr.span[0]}:{expr.span[1]}: {message}")

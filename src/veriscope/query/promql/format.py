"""Expressions as text: on one line, or over several where one would be too long."""

import re
from collections.abc import Sequence
from typing import Final

from veriscope.query.promql.ast import (
    Aggregate,
    At,
    AtBound,
    Binary,
    Call,
    Cardinality,
    DurationExpr,
    DurationNode,
    Expr,
    Matching,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
    left_chain,
)
from veriscope.query.promql.floats import format_float
from veriscope.signals import METRIC_NAME, Duration, Matcher, MatchOp

_LINE: Final = 100
"""Characters beyond which an expression is written over several lines, as Prometheus does."""
_INDENT: Final = "  "
_DEEPEST: Final = 200
"""Levels of indentation beyond which there are no more, so that long chains stay short texts."""
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_ESCAPES: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
    "\\": r"\\",
}


def format_expression(expr: Expr) -> str:  # noqa: C901, PLR0911 - one arm for each kind of node
    """Return *expr* on one line; the text parses to an equal tree."""
    match expr:
        case NumberLiteral():
            return _number(expr)
        case StringLiteral(value=text):
            return quote(text)
        case Paren(expr=inner):
            return f"({format_expression(inner)})"
        case Unary(expr=inner, op=op):
            return f"{op}{format_expression(inner)}"
        case VectorSelector():
            return _selector(expr) + _at(expr.at) + _edges(expr) + _offset(expr)
        case MatrixSelector(selector=selector):
            length = _duration(expr.range_ms, expr.range_expr)
            modifiers = _edges(selector) + _at(selector.at) + _offset(selector)
            return f"{_selector(selector)}[{length}]{modifiers}"
        case Subquery(expr=inner):
            return format_expression(inner) + _subquery_range(expr)
        case Call(function=name, args=args):
            return f"{name}({', '.join(map(format_expression, args))})"
        case Aggregate(expr=inner, param=param):
            given = [inner] if param is None else [param, inner]
            return f"{_aggregation(expr)}({', '.join(map(format_expression, given))})"
        case Binary():
            chain = left_chain(expr)
            return "".join([format_expression(chain[-1].left), *map(_applied, reversed(chain))])


def pretty(expr: Expr, level: int = 0) -> str:  # noqa: PLR0911 - one arm for each kind of node
    """
    Return *expr* over as many lines as it needs, indented by *level*.

    What has up to 100 characters stays on one line. Prometheus lays expressions out the same way.
    """
    indent, line = _indent(level), format_expression(expr)
    if len(line) <= _LINE:
        return indent + line
    match expr:
        case Paren(expr=inner):
            return f"{indent}(\n{pretty(inner, level + 1)}\n{indent})"
        case Unary(expr=inner, op=op):
            return f"{indent}{op}{pretty(inner, level).lstrip()}"
        case Subquery(expr=inner):
            return pretty(inner, level) + _subquery_range(expr)
        case Call(function=name, args=args):
            return f"{indent}{name}(\n{_arguments(args, level + 1)}\n{indent})"
        case Aggregate(expr=inner, param=param):
            given = (inner,) if param is None else (param, inner)
            return f"{indent}{_aggregation(expr)}(\n{_arguments(given, level + 1)}\n{indent})"
        case Binary():
            return _pretty_operators(left_chain(expr), level)
        case _:
            return indent + line


def _indent(level: int) -> str:
    return _INDENT * min(level, _DEEPEST)


def _applied(expr: Binary) -> str:
    return f" {_operator(expr)} {format_expression(expr.right)}"


def _pretty_operators(chain: Sequence[Binary], level: int) -> str:
    """Lay out the operators of a `left_chain`, each inner one a level deeper."""
    first = chain[-1].left
    text, line = pretty(first, level + len(chain)), format_expression(first)
    for deeper, each in reversed(list(enumerate(chain))):
        indent = _indent(level + deeper)
        line += _applied(each)
        if len(line) <= _LINE:
            text = indent + line
        else:
            text += f"\n{indent}{_operator(each)}\n{pretty(each.right, level + deeper + 1)}"
    return text


def quote(text: str) -> str:
    """Return *text* as Go's `strconv.Quote` does."""
    return f'"{"".join(map(_escape, text))}"'


def _escape(char: str) -> str:
    if (escaped := _ESCAPES.get(char)) is not None:
        return escaped
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:  # noqa: PLR2004 - ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - UTF-16


def _arguments(args: Sequence[Expr], level: int) -> str:
    return ",\n".join(pretty(arg, level) for arg in args)


def _selector(selector: VectorSelector) -> str:
    name, others = split_name(selector.matchers)
    matchers = sorted(f"{_label_name(each.name)}{each.op}{quote(each.value)}" for each in others)
    return name + (f"{{{','.join(matchers)}}}" if matchers or not name else "")


def split_name(matchers: Sequence[Matcher]) -> tuple[str, tuple[Matcher, ...]]:
    """Return the metric name that can stand before the braces, or `""`, and the other matchers."""
    for place, matcher in enumerate(matchers):
        is_name = matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL
        if is_name and _METRIC_NAME.fullmatch(matcher.value):
            return matcher.value, (*matchers[:place], *matchers[place + 1 :])
    return "", tuple(matchers)


def _number(number: NumberLiteral) -> str:
    if not number.is_duration:
        return format_float(number.value)
    sign = "-" if number.value < 0 else ""
    return f"{sign}{Duration(round(abs(number.value) * 1000))}"


def _at(at: At) -> str:
    if isinstance(at, AtBound):
        return f" @ {at.value}"
    return "" if at is None else f" @ {at / 1000:.3f}"


def _edges(selector: VectorSelector) -> str:
    return f" {selector.edges}" if selector.edges else ""


def _offset(node: VectorSelector | Subquery) -> str:
    if node.offset_expr is not None:
        return f" offset {_duration_expr(node.offset_expr)}"
    sign = "-" if node.offset_ms < 0 else ""
    return f" offset {sign}{Duration(abs(node.offset_ms))}" if node.offset_ms else ""


def _duration(length_ms: int | None, expr: DurationExpr | None) -> str:
    if expr is not None:
        return _duration_expr(expr)
    return "" if length_ms is None else str(Duration(length_ms))


def _duration_expr(node: DurationNode) -> str:
    if isinstance(node, NumberLiteral):
        return _number(node)
    left = "" if node.left is None else _duration_expr(node.left)
    right = "" if node.right is None else _duration_expr(node.right)
    if node.op in {"step", "range"}:
        text = f"{node.op}()"
    elif node.op in {"max_of", "min_of"}:
        text = f"{node.op}({left}, {right})"
    elif left:
        text = f"{left} {node.op} {right}"
    else:
        text = f"{node.op if node.op == '-' else ''}{right}"
    return f"({text})" if node.wrapped else text


def _subquery_range(expr: Subquery) -> str:
    length = _duration(expr.range_ms, expr.range_expr)
    step = _duration(expr.step_ms, expr.step_expr)
    return f"[{length}:{step}]{_at(expr.at)}{_offset(expr)}"


def _aggregation(expr: Aggregate) -> str:
    if expr.grouping.without:
        return f"{expr.op} without ({_names(expr.grouping.names)}) "
    return f"{expr.op} by ({_names(expr.grouping.names)}) " if expr.grouping.names else expr.op


def _operator(expr: Binary) -> str:
    return expr.op + (" bool" if expr.return_bool else "") + _matching(expr.matching)


def _matching(matching: Matching) -> str:
    text = ""
    many = matching.cardinality in {Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY}
    if matching.names or matching.on or many:
        text += f" {'on' if matching.on else 'ignoring'} ({_names(matching.names)})"
    if many:
        side = "left" if matching.cardinality is Cardinality.MANY_TO_ONE else "right"
        text += f" group_{side} ({_names(matching.include)})"
    left, right = matching.fill_left, matching.fill_right
    if left is not None and left == right:
        return f"{text} fill ({format_float(left)})"
    if left is not None:
        text += f" fill_left ({format_float(left)})"
    if right is not None:
        text += f" fill_right ({format_float(right)})"
    return text


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(_label_name, names))


def _label_name(name: str) -> str:
    return name if _LABEL_NAME.fullmatch(name) else quote(name)

"""Expressions as the tree that Prometheus' `parse_query` answers, for editors and explainers."""

from typing import Any

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.ast import (
    Aggregate,
    At,
    AtBound,
    Binary,
    Call,
    Edges,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    value_type,
)
from veriscope.query.promql.floats import format_float
from veriscope.query.promql.format import split_name
from veriscope.query.promql.signatures import SIGNATURES, Signature
from veriscope.signals import METRIC_NAME, Matcher, MatchOp


def to_tree(expr: Expr) -> dict[str, Any]:
    """
    Return *expr* in Prometheus' own keys and words, ready to be written as JSON.

    Raises `ExecutionError` where operators follow each other by the hundreds: each is a level.
    """
    try:
        return _tree(expr)
    except RecursionError as error:
        raise ExecutionError("expression is nested too deeply to be shown as a tree") from error


def _tree(expr: Expr) -> dict[str, Any]:  # noqa: C901, PLR0911 - one arm for each kind of node
    match expr:
        case NumberLiteral(value=value):
            return {"type": "numberLiteral", "val": format_float(value)}
        case StringLiteral(value=text):
            return {"type": "stringLiteral", "val": text}
        case Paren(expr=inner):
            return {"type": "parenExpr", "expr": _tree(inner)}
        case Unary(expr=inner, op=op):
            return {"type": "unaryExpr", "op": op, "expr": _tree(inner)}
        case VectorSelector():
            return {"type": "vectorSelector", **_selection(expr)}
        case MatrixSelector(selector=selector, range_ms=range_ms):
            return {"type": "matrixSelector", "range": range_ms, **_selection(selector)}
        case Subquery():
            return _subquery(expr)
        case Call():
            return _call(expr)
        case Aggregate():
            return _aggregation(expr)
        case Binary():
            return _binary(expr)


def _selection(selector: VectorSelector) -> dict[str, Any]:
    name, others = split_name(selector.matchers)
    named = (Matcher(METRIC_NAME, MatchOp.EQUAL, name),) if name else ()
    return {
        "name": name,
        "offset": selector.offset_ms,
        "matchers": [
            {"name": each.name, "value": each.value, "type": str(each.op)}
            for each in (*others, *named)
        ],
        **_at(selector.at),
        "anchored": selector.edges is Edges.ANCHORED,
        "smoothed": selector.edges is Edges.SMOOTHED,
    }


def _at(at: At) -> dict[str, Any]:
    bound = at.value.removesuffix("()") if isinstance(at, AtBound) else None
    return {"timestamp": None if isinstance(at, AtBound) else at, "startOrEnd": bound}


def _subquery(expr: Subquery) -> dict[str, Any]:
    return {
        "type": "subquery",
        "expr": _tree(expr.expr),
        "range": expr.range_ms,
        "offset": expr.offset_ms,
        "step": expr.step_ms or 0,
        **_at(expr.at),
    }


def _call(expr: Call) -> dict[str, Any]:
    signature = SIGNATURES.get(expr.function, Signature(()))
    return {
        "type": "call",
        "func": {
            "name": expr.function,
            "argTypes": list(signature.takes),
            "variadic": signature.variadic,
            "returnType": signature.returns,
        },
        "args": [_tree(arg) for arg in expr.args],
    }


def _aggregation(expr: Aggregate) -> dict[str, Any]:
    return {
        "type": "aggregation",
        "op": expr.op,
        "expr": _tree(expr.expr),
        "param": None if expr.param is None else _tree(expr.param),
        "grouping": list(expr.grouping.names),
        "without": expr.grouping.without,
    }


def _binary(expr: Binary) -> dict[str, Any]:
    matching = None
    if value_type(expr.left) is value_type(expr.right) is ValueType.VECTOR:
        matching = {
            "card": expr.matching.cardinality.value,
            "labels": list(expr.matching.names),
            "on": expr.matching.on,
            "include": list(expr.matching.include),
            "fillValues": {"lhs": expr.matching.fill_left, "rhs": expr.matching.fill_right},
        }
    return {
        "type": "binaryExpr",
        "op": expr.op,
        "lhs": _tree(expr.left),
        "rhs": _tree(expr.right),
        "matching": matching,
        "bool": expr.return_bool,
    }

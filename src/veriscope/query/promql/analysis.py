"""What an expression is like, found once when it is parsed."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from veriscope.query.promql.ast import (
    Aggregate,
    AtBound,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    left_chain,
    unwrap,
    value_type,
)
from veriscope.query.promql.durations import depends_on_range
from veriscope.query.promql.parser import parse
from veriscope.query.promql.walk import nodes
from veriscope.signals import METRIC_NAME, MatchOp

_CLOCK_FUNCTIONS: Final = frozenset(
    {
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "days_in_month",
        "hour",
        "info",
        "minute",
        "month",
        "predict_linear",
        "time",
        "timestamp",
        "year",
    }
)
"""Functions whose answer moves with the evaluation time, even where their arguments do not."""
_BOUND_FUNCTIONS: Final = frozenset({"end", "range", "start"})
_RELABELLING: Final = frozenset({"info", "label_join", "label_replace"})


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """
    A parsed expression and what is known of it whatever the query's grid.

    `fixed` has the `id` of each node that is the same on every step. `stepwise` says that the
    answer on a step is the same in every query with that step width, whatever other steps it has.
    """

    expr: Expr
    returns: ValueType
    fixed: frozenset[int]
    stepwise: bool


def prepare(text: str) -> Prepared:
    """Parse *text*, see `parse`, and look at what it says."""
    expr = parse(text)
    fixed: set[int] = set()
    _find_fixed(expr, fixed)
    return Prepared(expr, value_type(expr), frozenset(fixed), _is_stepwise(expr))


def cached_prepare(size: int) -> Callable[[str], Prepared]:
    """Return `prepare` with the last *size* expressions remembered; safe from many threads."""
    return functools.lru_cache(maxsize=size)(prepare)


def _find_fixed(expr: Expr, fixed: set[int]) -> bool:
    """Add the nodes in *expr* that `@` or nature keeps the same, and tell whether it is one."""
    match expr:
        case NumberLiteral() | StringLiteral():
            same = True
        case VectorSelector(at=at):
            same = at is not None
        case Subquery(expr=inner, at=at):
            _find_fixed(inner, fixed)
            same = at is not None
        case MatrixSelector(selector=inner) | Unary(expr=inner) | Paren(expr=inner):
            same = _find_fixed(inner, fixed)
        case Call(function=function, args=args):
            found = [_find_fixed(arg, fixed) for arg in args]
            same = all(found) and not _tells_time(function, args)
        case Aggregate(expr=inner, param=param):
            same = _find_fixed(inner, fixed) & (param is None or _find_fixed(param, fixed))
        case Binary():
            same = _find_fixed_operators(expr, fixed)
    if same:
        fixed.add(id(expr))
    return same


def _find_fixed_operators(expr: Binary, fixed: set[int]) -> bool:
    chain = left_chain(expr)
    same = _find_fixed(chain[-1].left, fixed)
    for each in reversed(chain):
        same &= _find_fixed(each.right, fixed)
        if same:
            fixed.add(id(each))
    return same


def _tells_time(function: str, args: tuple[Expr, ...]) -> bool:
    # The time of a sample is the sample's own.
    sampled = function == "timestamp" and isinstance(unwrap(args[0]), VectorSelector)
    return function in _CLOCK_FUNCTIONS and not sampled


def _is_stepwise(expr: Expr) -> bool:
    found = list(nodes(expr))
    if not all(map(_node_is_stepwise, found)):
        return False
    # Series of both sides of an `or` may be told apart on each step, but not under what makes
    # one series of all steps.
    joined = any(isinstance(node, Binary) and node.op == "or" for node in found)
    return not (joined and any(isinstance(node, Unary | Subquery) for node in found))


def _node_is_stepwise(node: object) -> bool:
    match node:
        case VectorSelector(at=at, offset_expr=offset):
            # Two metrics may come to have the same labels, an error that needs both at once.
            named = any(m.name == METRIC_NAME and m.op is MatchOp.EQUAL for m in node.matchers)
            return named and not isinstance(at, AtBound) and not depends_on_range(offset)
        case MatrixSelector(range_expr=length):
            return not depends_on_range(length)
        case Subquery(at=at, range_expr=length, step_expr=step, offset_expr=offset):
            return not isinstance(at, AtBound) and not any(
                map(depends_on_range, (length, step, offset))
            )
        case Call(function=function):
            return function not in _BOUND_FUNCTIONS and function not in _RELABELLING
    return True

"""From expression to plan: which fetches the store answers, and what is combined here. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from veriscope.query.errors import QueryTooLargeError, UnsupportedError
from veriscope.query.promql.ast import (
    Aggregate,
    At,
    AtBound,
    Binary,
    Call,
    Expr,
    Grouping,
    MatrixSelector,
    Negation,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    VectorSelector,
    unwrap,
)
from veriscope.query.promql.functions.table import INSTANT_FUNCTIONS
from veriscope.query.promql.nodes import (
    RECOMPUTED,
    Absent,
    AggregateNode,
    BinaryNode,
    Constant,
    GridRead,
    InstantCall,
    NegationNode,
    Newest,
    Node,
    RangeCall,
    Repeat,
    SamplesRead,
    SubqueryRead,
    Text,
)
from veriscope.query.promql.ranges.table import NAME_KEEPING, RANGE_FUNCTIONS
from veriscope.signals import (
    METRIC_NAME,
    Aggregation,
    Grid,
    GridFetch,
    GridFunction,
    Matcher,
    MatchOp,
    RawFetch,
    Reduction,
)

_CLOCK_FUNCTIONS: Final = frozenset(
    {
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "days_in_month",
        "hour",
        "minute",
        "month",
        "predict_linear",
        "time",
        "timestamp",
        "year",
    }
)
"""Functions whose answer moves with the evaluation time, even where their arguments do not."""

_PUSHED_DOWN: Final = {
    function.value: function for function in GridFunction if function is not GridFunction.LATEST
}
_REDUCTIONS: Final = {reduction.value: reduction for reduction in Reduction}


@dataclass(frozen=True, slots=True)
class PlanRules:
    """What shapes a plan, beside the expression and its grid."""

    lookback_ms: int = 300_000
    """How old a sample may be to be a series' value, in milliseconds."""
    subquery_step_ms: int = 60_000
    """The step of a subquery that names none, in milliseconds."""
    max_samples: int = 50_000_000
    """Steps that the query or one of its subqueries may have."""
    pushdown: bool = True
    """False fetches raw samples only: slower, for comparing."""


def make_plan(expr: Expr, grid: Grid, rules: PlanRules) -> Node:
    """
    Return how to evaluate *expr* on every step of *grid*.

    Raises `UnsupportedError` for functions that Veriscope does not know yet, and
    `QueryTooLargeError` for a grid, of a subquery too, of more steps than samples are allowed.
    """
    _check_length(grid, rules)
    return _Planner(grid, rules).plan(expr, grid)


def varies(expr: Expr) -> bool:  # noqa: PLR0911 - one arm for each kind of node
    """Return whether *expr* may differ between steps; False where `@` pins all it reads."""
    match expr:
        case NumberLiteral() | StringLiteral():
            return False
        case VectorSelector(at=at) | Subquery(at=at):
            return at is None
        case MatrixSelector(selector=selector):
            return varies(selector)
        case Call(function=function, args=args):
            without_args = function in _CLOCK_FUNCTIONS
            return without_args or any(varies(arg) for arg in args)
        case Aggregate(expr=inner, param=param):
            return varies(inner) or (param is not None and varies(param))
        case Binary(left=left, right=right):
            return varies(left) or varies(right)
        case Negation(expr=inner) | Paren(expr=inner):
            return varies(inner)


class _Planner:
    def __init__(self, query: Grid, rules: PlanRules) -> None:
        self._query = query
        self._rules = rules

    def plan(self, expr: Expr, grid: Grid) -> Node:
        """Plan *expr* on *grid*, once only where it does not vary."""
        expr = unwrap(expr)
        if isinstance(expr, NumberLiteral):
            return Constant(grid, expr.value)
        if isinstance(expr, StringLiteral):
            return Text(grid, expr.value)
        if len(grid) > 1 and not isinstance(expr, MatrixSelector | Subquery) and not varies(expr):
            return Repeat(grid, self._plan(expr, Grid.instant(grid.start_ms)))
        return self._plan(expr, grid)

    def _plan(self, expr: Expr, grid: Grid) -> Node:  # noqa: PLR0911 - one arm for each kind
        match expr:
            case VectorSelector():
                return self._instant(expr, grid)
            case MatrixSelector() | Subquery():
                return self._range(expr, grid)
            case Call():
                return self._call(expr, grid)
            case Aggregate():
                return self._aggregate(expr, grid)
            case Binary():
                return self._binary(expr, grid)
            case Negation(expr=inner):
                return NegationNode(grid, self.plan(inner, grid))
            case _:
                return self.plan(expr, grid)

    def _binary(self, expr: Binary, grid: Grid) -> Node:
        if expr.matching.fill_left is not None or expr.matching.fill_right is not None:
            raise UnsupportedError("fill modifiers are not supported yet")
        return BinaryNode(grid, expr, self.plan(expr.left, grid), self.plan(expr.right, grid))

    def _data_time(self, grid: Grid, offset_ms: int, at: At) -> Grid:
        """Return where the data of *grid*'s steps lies."""
        if at is None:
            return grid.shifted(-offset_ms)
        if isinstance(at, AtBound):
            at = self._query.start_ms if at is AtBound.START else self._query.end_ms
        return Grid.instant(at - offset_ms)

    def _instant(self, expr: VectorSelector, grid: Grid) -> Node:
        if not self._rules.pushdown:
            return Newest(grid, self._samples(expr, self._rules.lookback_ms, grid), False)
        fetch = GridFetch(
            matchers=expr.matchers,
            grid=self._data_time(grid, expr.offset_ms, expr.at),
            window_ms=self._rules.lookback_ms,
            function=GridFunction.LATEST,
        )
        return GridRead(grid, fetch, drops_name=False)

    def _samples(self, expr: VectorSelector, length_ms: int, grid: Grid) -> SamplesRead:
        ends = self._data_time(grid, expr.offset_ms, expr.at)
        fetch = RawFetch(expr.matchers, ends.start_ms - length_ms, ends.last_ms)
        return SamplesRead(grid, fetch, ends, length_ms)

    def _range(self, expr: MatrixSelector | Subquery, grid: Grid) -> SamplesRead | SubqueryRead:
        if isinstance(expr, MatrixSelector):
            return self._samples(expr.selector, expr.range_ms, grid)
        ends = self._data_time(grid, expr.offset_ms, expr.at)
        step_ms = expr.step_ms or self._rules.subquery_step_ms
        # A subquery's steps are multiples of its step, whenever it is asked.
        first_ms = (ends.start_ms - expr.range_ms) // step_ms * step_ms + step_ms
        inner = None
        if first_ms <= ends.last_ms:
            steps = Grid(first_ms, ends.last_ms, step_ms)
            _check_length(steps, self._rules)
            inner = self.plan(expr.expr, steps)
        return SubqueryRead(grid, inner, ends, expr.range_ms)

    def _call(self, expr: Call, grid: Grid) -> Node:
        args = tuple(unwrap(arg) for arg in expr.args)
        if expr.function == "absent":
            return Absent(grid, self._group(expr.args[0], grid), expr)
        if expr.function == "absent_over_time":
            # Of the functions that have a point wherever there is a sample, the one that keeps
            # names: two metrics with the same labels are no error here.
            inner = replace(expr, function="last_over_time")
            return Absent(grid, self._group(inner, grid), expr)
        if expr.function == "timestamp" and isinstance(args[0], VectorSelector):
            samples = self._samples(args[0], self._rules.lookback_ms, grid)
            return Newest(grid, samples, timestamps=True)
        if expr.function in RANGE_FUNCTIONS:
            return self._range_call(expr, args, grid)
        if expr.function in INSTANT_FUNCTIONS:
            return InstantCall(grid, expr, tuple(self.plan(arg, grid) for arg in args))
        raise UnsupportedError(f"function {expr.function}() is not supported yet")

    def _group(self, expr: Expr, grid: Grid) -> Node:
        """Plan whether *expr* has any point, for which a single series will do."""
        node = self.plan(expr, grid)
        if isinstance(node, GridRead) and _can_fold(node, Reduction.GROUP):
            fold = Aggregation(Reduction.GROUP, ())
            return replace(node, fetch=replace(node.fetch, aggregation=fold))
        return node

    def _range_call(self, expr: Call, args: tuple[Expr, ...], grid: Grid) -> Node:
        (ranged,) = (arg for arg in args if isinstance(arg, MatrixSelector | Subquery))
        params = tuple(self.plan(arg, grid) for arg in args if arg is not ranged)
        function = _PUSHED_DOWN.get(expr.function)
        if function is None or not isinstance(ranged, MatrixSelector) or not self._rules.pushdown:
            return RangeCall(grid, expr.function, self._range(ranged, grid), params)
        fetch = GridFetch(
            matchers=ranged.selector.matchers,
            grid=self._data_time(grid, ranged.selector.offset_ms, ranged.selector.at),
            window_ms=ranged.range_ms,
            function=function,
        )
        return GridRead(grid, fetch, drops_name=expr.function not in NAME_KEEPING)

    def _aggregate(self, expr: Aggregate, grid: Grid) -> Node:
        inner = self.plan(expr.expr, grid)
        if expr.op in _REDUCTIONS and isinstance(inner, GridRead) and _can_fold(inner, expr.op):
            names = _group_names(expr.grouping, inner)
            fold = Aggregation(_REDUCTIONS[expr.op], names, expr.grouping.without)
            return GridRead(grid, replace(inner.fetch, aggregation=fold), drops_name=False)
        param = None if expr.param is None else self.plan(expr.param, grid)
        return AggregateNode(grid, expr, inner, param)


def _check_length(grid: Grid, rules: PlanRules) -> None:
    if len(grid) > rules.max_samples:
        raise QueryTooLargeError(wanted=len(grid), limit=rules.max_samples)


def _can_fold(inner: GridRead, reduction: str) -> bool:
    """
    Return whether the store may aggregate *inner* before anyone has seen its series.

    Where names are dropped, two metrics with the same labels are an error that folding would
    hide; a selector of a single name cannot have such. A rate that the store cannot compute is
    NaN and is computed again from samples: a minimum or a maximum would hide it.
    """
    if inner.fetch.aggregation is not None:
        return False
    if inner.fetch.function in RECOMPUTED and reduction in _HIDES_NAN:
        return False
    return not inner.drops_name or any(_names_one_metric(m) for m in inner.fetch.matchers)


_HIDES_NAN: Final = frozenset({Reduction.MIN, Reduction.MAX})


def _names_one_metric(matcher: Matcher) -> bool:
    return matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL and bool(matcher.value)


def _group_names(grouping: Grouping, inner: GridRead) -> tuple[str, ...]:
    """Return the labels to group by, less the metric name where there is none any more."""
    if grouping.without or not inner.drops_name:
        return grouping.names
    return tuple(name for name in grouping.names if name != METRIC_NAME)

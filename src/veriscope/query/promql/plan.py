"""From expression to plan: what is fetched, and what is combined on which grid. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from veriscope.query.errors import ExecutionError, QueryTooLargeError, UnsupportedError
from veriscope.query.promql.analysis import Prepared
from veriscope.query.promql.ast import (
    Aggregate,
    At,
    AtBound,
    Binary,
    Call,
    DurationExpr,
    Edges,
    Expr,
    MatrixSelector,
    NumberLiteral,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
    unwrap,
)
from veriscope.query.promql.durations import QuerySpan, evaluate_ms
from veriscope.query.promql.functions.table import INSTANT_FUNCTIONS
from veriscope.query.promql.nodes import (
    Absent,
    AggregateNode,
    BinaryNode,
    Constant,
    Information,
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
from veriscope.query.promql.ranges.table import RANGE_FUNCTIONS
from veriscope.query.promql.walk import nodes
from veriscope.signals import Grid, RawFetch

_ANCHORABLE: Final = ("changes", "delta", "increase", "rate", "resets")
_SMOOTHABLE: Final = ("delta", "increase", "rate")


@dataclass(frozen=True, slots=True)
class PlanRules:
    """What shapes a plan, beside the expression and its grid."""

    lookback_ms: int = 300_000
    """How old a sample may be to be a series' value, in milliseconds."""
    subquery_step_ms: int = 60_000
    """The step of a subquery that names none, in milliseconds."""
    max_samples: int = 50_000_000
    """Steps that the query or one of its subqueries may have."""


def make_plan(prepared: Prepared, grid: Grid, rules: PlanRules, *, instant: bool) -> Node:
    """
    Return how to evaluate an expression on every step of *grid*, that of an *instant* query too.

    Raises `UnsupportedError` for functions that Veriscope does not know, `ExecutionError` for
    durations and modifiers that make no sense, and `QueryTooLargeError` for a grid, of a subquery
    too, of more steps than samples are allowed.
    """
    _check_length(grid, rules)
    return _Planner(prepared, grid, rules, instant=instant).plan(prepared.expr, grid)


class _Planner:
    def __init__(self, prepared: Prepared, query: Grid, rules: PlanRules, *, instant: bool) -> None:
        self._fixed = prepared.fixed
        self._query = query
        self._rules = rules
        self._span = QuerySpan(
            step_s=0.0 if instant else query.step_ms / 1000,
            range_s=(query.end_ms - query.start_ms) / 1000,
        )

    def plan(self, expr: Expr, grid: Grid) -> Node:
        """Plan *expr* on *grid*, once only where it does not vary."""
        expr = unwrap(expr)
        if isinstance(expr, NumberLiteral):
            return Constant(grid, expr.value)
        if isinstance(expr, StringLiteral):
            return Text(grid, expr.value)
        if self._is_repeated(expr, grid):
            return Repeat(grid, self._plan(expr, Grid.instant(grid.start_ms)))
        return self._plan(expr, grid)

    def _plan(self, expr: Expr, grid: Grid) -> Node:  # noqa: PLR0911 - one arm for each kind
        match expr:
            case VectorSelector():
                return self._instant(expr, grid, timestamps=False)
            case MatrixSelector() | Subquery():
                return self._range(expr, grid)
            case Call():
                return self._call(expr, grid)
            case Aggregate():
                return self._aggregate(expr, grid)
            case Binary():
                return self._operators(expr, grid)
            case Unary(expr=inner, op=op):
                operand = self.plan(inner, grid)
                return NegationNode(grid, operand) if op == "-" else operand
            case _:
                return self.plan(expr, grid)

    def _is_repeated(self, expr: Expr, grid: Grid) -> bool:
        is_range = isinstance(expr, MatrixSelector | Subquery)
        return len(grid) > 1 and id(expr) in self._fixed and not is_range

    def _operators(self, expr: Binary, grid: Grid) -> Node:
        """Plan *expr* and the operators at its left that vary as it does."""
        chain = [expr]
        while isinstance(left := chain[-1].left, Binary) and not self._is_repeated(left, grid):
            chain.append(left)
        first = self.plan(chain[-1].left, grid)
        applied = [(each, self.plan(each.right, grid)) for each in reversed(chain)]
        return BinaryNode(grid, first, tuple(applied))

    # --- selectors ------------------------------------------------------------------------

    def _milliseconds(self, known: int, expr: DurationExpr | None) -> int:
        return known if expr is None else evaluate_ms(expr, self._span)

    def _offset_ms(self, expr: VectorSelector | Subquery) -> int:
        if expr.offset_expr is None:
            return expr.offset_ms
        return evaluate_ms(expr.offset_expr, self._span, negative=True)

    def _data_time(self, grid: Grid, offset_ms: int, at: At) -> Grid:
        """Return where the data of *grid*'s steps lies."""
        if at is None:
            return grid.shifted(-offset_ms)
        if isinstance(at, AtBound):
            at = self._query.start_ms if at is AtBound.START else self._query.end_ms
        return Grid.instant(at - offset_ms)

    def _instant(self, expr: VectorSelector, grid: Grid, *, timestamps: bool) -> Node:
        if expr.edges is Edges.ANCHORED:
            raise ExecutionError(
                f"anchored modifier can only be used with: {', '.join(_ANCHORABLE)}"
            )
        samples = self._samples(expr, self._rules.lookback_ms, grid, before_ms=0)
        return Newest(grid, samples, timestamps=timestamps)

    def _samples(
        self, expr: VectorSelector, length_ms: int, grid: Grid, *, before_ms: int
    ) -> SamplesRead:
        """Return the read of windows of *length_ms*, from *before_ms* before them."""
        ends = self._data_time(grid, self._offset_ms(expr), expr.at)
        after_ms = self._rules.lookback_ms if expr.edges is Edges.SMOOTHED else 0
        return SamplesRead(
            grid,
            RawFetch(expr.matchers, ends.start_ms - length_ms - before_ms, ends.last_ms + after_ms),
            ends,
            length_ms,
            expr.at is not None,
            expr.edges,
            expr.span,
        )

    def _range(self, expr: MatrixSelector | Subquery, grid: Grid) -> SamplesRead | SubqueryRead:
        length_ms = self._milliseconds(expr.range_ms, expr.range_expr)
        if isinstance(expr, MatrixSelector):
            edges = expr.selector.edges
            before_ms = 0 if edges is Edges.PLAIN else self._rules.lookback_ms
            found = self._samples(expr.selector, length_ms, grid, before_ms=before_ms)
            return replace(found, span=expr.span)
        ends = self._data_time(grid, self._offset_ms(expr), expr.at)
        step_ms = self._milliseconds(expr.step_ms or self._rules.subquery_step_ms, expr.step_expr)
        # A subquery's steps are multiples of its step, whenever it is asked.
        first_ms = (ends.start_ms - length_ms) // step_ms * step_ms + step_ms
        inner = None
        if first_ms <= ends.last_ms:
            steps = Grid(first_ms, ends.last_ms, step_ms)
            _check_length(steps, self._rules)
            inner = self.plan(expr.expr, steps)
        return SubqueryRead(grid, inner, ends, length_ms, expr.at is not None, expr.span)

    # --- calls ----------------------------------------------------------------------------

    def _call(self, expr: Call, grid: Grid) -> Node:  # noqa: PLR0911 - one arm for each kind of call
        args = tuple(unwrap(arg) for arg in expr.args)
        match expr.function:
            case "start" | "end" | "step" | "range":
                return Constant(grid, self._bound(expr.function))
            case "absent":
                return Absent(grid, self.plan(expr.args[0], grid), expr)
            case "absent_over_time":
                # Of the functions that have a point wherever there is a sample, the one that
                # keeps names: two metrics with the same labels are no error here.
                inner = replace(expr, function="last_over_time")
                return Absent(grid, self.plan(inner, grid), expr)
            case "timestamp" if isinstance(args[0], VectorSelector):
                return self._instant(args[0], grid, timestamps=True)
            case "info":
                return self._information(expr, grid)
        if expr.function in RANGE_FUNCTIONS:
            return self._range_call(expr, args, grid)
        if expr.function in INSTANT_FUNCTIONS:
            _check_names(expr.function, args)
            return InstantCall(grid, expr, tuple(self.plan(arg, grid) for arg in args))
        raise UnsupportedError(f"function {expr.function}() is not supported yet")

    def _bound(self, function: str) -> float:
        """Return what the query itself is, in seconds."""
        match function:
            case "start":
                return self._query.start_ms / 1000
            case "end":
                return self._query.end_ms / 1000
            case "step":
                return self._span.step_s
        return self._span.range_s

    def _range_call(self, expr: Call, args: tuple[Expr, ...], grid: Grid) -> Node:
        (ranged,) = (arg for arg in args if isinstance(arg, MatrixSelector | Subquery))
        if isinstance(ranged, MatrixSelector):
            _check_edges(ranged.selector.edges, expr.function)
        others = [arg for arg in args if arg is not ranged]
        return RangeCall(
            grid,
            expr.function,
            self._range(ranged, grid),
            tuple(self.plan(arg, grid) for arg in others),
            tuple(arg.span for arg in others),
        )

    def _information(self, expr: Call, grid: Grid) -> Node:
        selector = expr.args[1] if len(expr.args) > 1 else None
        first = next((n for n in nodes(expr.args[0]) if isinstance(n, VectorSelector)), None)
        ends = grid
        if first is not None:
            ends = self._data_time(grid, self._offset_ms(first), first.at)
        return Information(
            grid,
            self.plan(expr.args[0], grid),
            selector if isinstance(selector, VectorSelector) else None,
            ends,
        )

    def _aggregate(self, expr: Aggregate, grid: Grid) -> Node:
        inner = self.plan(expr.expr, grid)
        if expr.param is not None:
            _check_name(unwrap(expr.param), 'label name "{}"')
        param = None if expr.param is None else self.plan(expr.param, grid)
        return AggregateNode(grid, expr, inner, param)


def _check_edges(edges: Edges, function: str) -> None:
    allowed = {Edges.ANCHORED: _ANCHORABLE, Edges.SMOOTHED: _SMOOTHABLE}.get(edges)
    if allowed is not None and function not in allowed:
        raise ExecutionError(
            f"{edges} modifier can only be used with: {', '.join(allowed)} - not with {function}"
        )


def _check_names(function: str, args: tuple[Expr, ...]) -> None:
    """Refuse names of labels that are no UTF-8; whether they are empty is seen by the functions."""
    match function:
        case "histogram_quantiles":
            _check_name(args[1], 'label name "{}"')
        case "label_join" | "label_replace":
            sources = args[3:] if function == "label_join" else ()
            for source in sources:
                _check_name(source, f"source label name in {function}(): {{}}")
            _check_name(args[1], f"destination label name in {function}(): {{}}")


def _check_name(expr: Expr, what: str) -> None:
    if isinstance(expr, StringLiteral) and not expr.is_utf8:
        raise ExecutionError(f"invalid {what.format(expr.value)}")


def _check_length(grid: Grid, rules: PlanRules) -> None:
    if len(grid) > rules.max_samples:
        raise QueryTooLargeError(wanted=len(grid), limit=rules.max_samples)

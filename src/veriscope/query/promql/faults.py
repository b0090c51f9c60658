"""What a well-formed expression may still not say, in Prometheus' words."""

from typing import Final

import re2

from veriscope.query.errors import ParseError
from veriscope.query.promql.ast import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Edges,
    Expr,
    MatrixSelector,
    Subquery,
    ValueType,
    VectorSelector,
    value_type,
)
from veriscope.query.promql.signatures import Signature
from veriscope.signals import METRIC_NAME, Matcher, MatchOp

_REGEX_FAULTS: Final = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
}
_TYPES: Final = {
    "vector": ValueType.VECTOR,
    "matrix": ValueType.MATRIX,
    "scalar": ValueType.SCALAR,
    "string": ValueType.STRING,
}


class Faults:
    """Checks the nodes of one text; every fault is a `ParseError` at the node's place."""

    def __init__(self, text: str) -> None:
        self._text = text

    def _at(self, position: int, message: str) -> ParseError:
        return ParseError(message, text=self._text, position=position)

    def _expect_type(self, expr: Expr, wanted: ValueType, context: str) -> None:
        if (found := value_type(expr)) is not wanted:
            raise self._at(expr.span[0], f"expected type {wanted} in {context}, got {found}")

    def check_unary(self, expr: Expr, sign: int) -> None:
        """Refuse a sign, at *sign*, before a string or a range."""
        if (found := value_type(expr)) not in {ValueType.SCALAR, ValueType.VECTOR}:
            raise self._at(
                sign,
                "unary expression only allowed on expressions of type scalar or instant vector, "
                f'got "{found}"',
            )

    def check_binary(self, expr: Binary, operator: int) -> None:
        """Refuse operands, `bool` and matching that do not suit the operator at *operator*."""
        if expr.return_bool and expr.op not in COMPARISONS:
            raise self._at(operator, "bool modifier can only be used on comparison operators")
        if expr.op in COMPARISONS and not expr.return_bool and expr.returns is ValueType.SCALAR:
            raise self._at(operator, "comparisons between scalars must use BOOL modifier")
        matching = expr.matching
        for name in matching.names if matching.on else ():
            if name in matching.include:
                raise self._at(
                    operator, f'label "{name}" must not occur in ON and GROUP clause at once'
                )
        sides = value_type(expr.left), value_type(expr.right)
        for side, found in zip((expr.left, expr.right), sides, strict=True):
            if found not in {ValueType.SCALAR, ValueType.VECTOR}:
                raise self._at(
                    side.span[0],
                    "binary expression must contain only scalar and instant vector types",
                )
        self._check_matching(expr, sides)

    def _check_matching(self, expr: Binary, sides: tuple[ValueType, ValueType]) -> None:
        matching, start = expr.matching, expr.span[0]
        filled = matching.fill_left is not None or matching.fill_right is not None
        if ValueType.SCALAR in sides:
            if matching.names:
                raise self._at(start, "vector matching only allowed between instant vectors")
            if filled:
                raise self._at(
                    start, "filling in missing series only allowed between instant vectors"
                )
            if expr.op in SET_OPERATORS:
                raise self._at(
                    start, f'set operator "{expr.op}" not allowed in binary scalar expression'
                )
        elif expr.op in SET_OPERATORS:
            if matching.cardinality is not Cardinality.MANY_TO_MANY:
                raise self._at(start, f'no grouping allowed for "{expr.op}" operation')
            if filled:
                raise self._at(start, "filling in missing series not allowed for set operators")

    def check_call(self, call: Call, signature: Signature) -> None:
        """Refuse arguments of another number or type than *signature* says."""
        self._check_count(call, signature)
        if call.function == "info" and len(call.args) > 1:
            self._check_label_selector(call)
        for place, arg in enumerate(call.args):
            wanted = signature.takes[min(place, len(signature.takes) - 1)]
            self._expect_type(arg, _TYPES[wanted], f'call to function "{call.function}"')

    def _check_count(self, call: Call, signature: Signature) -> None:
        least, most = len(signature.takes), float(len(signature.takes))
        spelled = "expected"
        if signature.variadic:
            least -= 1
            most = least + signature.variadic if signature.variadic > 0 else float("inf")
            spelled = "expected at least" if len(call.args) < least else "expected at most"
        if least <= len(call.args) <= most:
            return
        wanted = least if len(call.args) < least else int(most)
        raise self._at(
            call.span[0],
            f'{spelled} {wanted} argument(s) in call to "{call.function}", got {len(call.args)}',
        )

    def _check_label_selector(self, call: Call) -> None:
        selector = call.args[1]
        if not isinstance(selector, VectorSelector):
            self._expect_type(selector, ValueType.VECTOR, f'call to function "{call.function}"')
        if not isinstance(selector, VectorSelector) or self._text[selector.span[0]] != "{":
            raise self._at(
                selector.span[0], "expected label selectors only, got vector selector instead"
            )

    def check_aggregate(self, expr: Aggregate) -> None:
        """Refuse arguments of another type than the operator takes."""
        self._expect_type(expr.expr, ValueType.VECTOR, "aggregation expression")
        if expr.param is not None:
            wanted = ValueType.STRING if expr.op == "count_values" else ValueType.SCALAR
            self._expect_type(expr.param, wanted, "aggregation parameter")

    def check_subquery(self, expr: Expr) -> None:
        """Refuse a subquery of anything but an instant vector."""
        if (found := value_type(expr)) is not ValueType.VECTOR:
            kind = {ValueType.MATRIX: "matrix"}.get(found, found)
            raise self._at(
                expr.span[0], f"subquery is only allowed on instant vector, got {kind} instead"
            )

    def check_selector(self, expr: Expr) -> None:
        """Refuse a selector that would select everything; that of `info` may."""
        if isinstance(expr, MatrixSelector):
            expr = expr.selector
        if isinstance(expr, VectorSelector) and all(map(_allows_empty, expr.matchers)):
            raise self._at(
                expr.span[0], "vector selector must contain at least one non-empty matcher"
            )

    def check_regex(self, matcher: Matcher, position: int) -> None:
        """Refuse a pattern that is no RE2."""
        if matcher.op not in {MatchOp.REGEX, MatchOp.NOT_REGEX}:
            return
        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(matcher.value, options)
        except re2.error as error:
            fault = _regex_fault(error.args[0].decode(), matcher.value)
            raise self._at(position, f"error parsing regexp: {fault}") from error

    def named_twice(self, first: str, second: str, position: int) -> ParseError:
        """Return the fault of a metric name that is given twice."""
        return self._at(position, f'metric name must not be set twice: "{first}" or "{second}"')

    def plain_selector(self, expr: Expr, bracket: int) -> VectorSelector:
        """Return *expr*, which a range at *bracket* follows, if it is a selector by itself."""
        if not isinstance(expr, VectorSelector):
            raise self._at(bracket, "ranges only allowed for vector selectors")
        if expr.offset_ms or expr.offset_expr is not None:
            raise self._at(bracket, "no offset modifiers allowed before range")
        if expr.at is not None:
            raise self._at(bracket, "no @ modifiers allowed before range")
        return expr

    def selection(self, expr: Expr, modifier: str) -> VectorSelector | Subquery:
        """Return what holds the offset and time of *expr*; refuse what can have neither."""
        if isinstance(expr, MatrixSelector):
            return expr.selector
        if isinstance(expr, VectorSelector | Subquery):
            return expr
        raise self._at(
            expr.span[0],
            f"{modifier} modifier must be preceded by an instant vector selector or range vector "
            "selector or a subquery",
        )

    def edged(self, expr: Expr, edges: Edges) -> VectorSelector:
        """Return the selector in *expr* whose edges a modifier sets."""
        if isinstance(expr, Subquery):
            raise self._at(expr.span[0], f"{edges} modifier is not supported for subqueries")
        target = expr.selector if isinstance(expr, MatrixSelector) else expr
        if not isinstance(target, VectorSelector):
            raise self._at(expr.span[0], f"{edges} modifier not implemented")
        return target


def _regex_fault(message: str, pattern: str) -> str:
    """Return RE2's *message* about *pattern* in the words of Go's own RE2."""
    fault, _, part = message.partition(": ")
    if fault == "missing )":
        part = pattern
    return f"{_REGEX_FAULTS.get(fault, fault)}: `{part}`"


def _allows_empty(matcher: Matcher) -> bool:
    """Tell whether a series without the label satisfies *matcher*."""
    if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL:
        return not matcher.value
    if matcher.op in {MatchOp.EQUAL, MatchOp.NOT_EQUAL}:
        return (matcher.value == "") == (matcher.op is MatchOp.EQUAL)
    matches = re2.fullmatch(f"(?s:{matcher.value})", "") is not None
    return matches == (matcher.op is MatchOp.REGEX)

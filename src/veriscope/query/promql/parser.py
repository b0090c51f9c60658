"""PromQL text to a checked expression tree: Prometheus' grammar, by recursive descent."""

from dataclasses import replace
from typing import Final

from veriscope.query.errors import ParseError
from veriscope.query.promql.ast import (
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Grouping,
    Matching,
    NumberLiteral,
    Paren,
    StringLiteral,
    Unary,
    ValueType,
    VectorSelector,
    value_type,
)
from veriscope.query.promql.lexer import Kind, Token, spells_utf8, unquote
from veriscope.query.promql.selector_reader import SelectorReader
from veriscope.query.promql.signatures import SIGNATURES

_LEVELS: Final = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "</", ">/"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
"""How tightly each operator binds."""
_UNARY_LEVEL: Final = 5
_POWER: Final = _LEVELS["^"]
_WITH_PARAM: Final = frozenset(
    {"bottomk", "count_values", "limit_ratio", "limitk", "quantile", "topk"}
)
_RETURNS: Final = {"vector": ValueType.VECTOR, "scalar": ValueType.SCALAR}


def parse(text: str) -> Expr:
    """
    Return the expression that *text* spells.

    Raises `ParseError` with Prometheus' words and the place of the fault.
    """
    try:
        return _Parser(text).whole()
    except RecursionError as error:
        raise ParseError("expression is nested too deeply", text=text) from error


def parse_selector(text: str) -> VectorSelector:
    """Return the series selector *text*, which may select everything; raises as `parse` does."""
    return _Parser(text).selector()


class _Parser(SelectorReader):
    """Reads an expression."""

    def selector(self) -> VectorSelector:
        """Return the series selector; nothing may follow it."""
        if not self._is_name(self._ahead()) and not self._is("{"):
            raise self._unexpected()
        found = self._selector()
        if self._ahead().kind is not Kind.END:
            raise self._unexpected()
        return found

    def whole(self) -> Expr:
        """Return the expression; nothing may follow it."""
        if self._ahead().kind is Kind.END:
            raise ParseError("no expression found in input", text=self._text, position=0)
        expr = self._expression(0)
        if self._ahead().kind is not Kind.END:
            raise self._unexpected()
        return expr

    # --- expressions ----------------------------------------------------------------------

    def _expression(self, level: int) -> Expr:
        """Return what binds tighter than *level*."""
        self._enter()
        left = self._unary()
        while (found := _LEVELS.get(self._ahead().word, 0)) > level:
            operator = self._take()
            return_bool = self._accept("bool") is not None
            matching = self._matching()
            right = self._expression(found - 1 if found == _POWER else found)
            left = self._binary(operator, left, right, matching, return_bool=return_bool)
        self._depth -= 1
        return left

    def _unary(self) -> Expr:
        sign = self._accept("-", "+")
        if sign is None:
            return self._postfix(self._primary())
        inner = self._expression(_UNARY_LEVEL)
        span = self._span(sign.start)
        if isinstance(inner, NumberLiteral):
            value = -inner.value if sign.text == "-" else inner.value
            return NumberLiteral(value, inner.is_duration, span)
        self._faults.check_unary(inner, sign.start)
        return Unary(inner, sign.text, span)

    def _binary(
        self,
        operator: Token,
        left: Expr,
        right: Expr,
        matching: Matching,
        *,
        return_bool: bool,
    ) -> Expr:
        sides = value_type(left), value_type(right)
        scalars = sides == (ValueType.SCALAR, ValueType.SCALAR)
        if operator.word in SET_OPERATORS and matching.cardinality is Cardinality.ONE_TO_ONE:
            matching = replace(matching, cardinality=Cardinality.MANY_TO_MANY)
        made = Binary(
            operator.word,
            left,
            right,
            return_bool,
            matching,
            ValueType.SCALAR if scalars else ValueType.VECTOR,
            (left.span[0], right.span[1]),
        )
        self._faults.check_binary(made, operator.start)
        if sides != (ValueType.VECTOR, ValueType.VECTOR):
            made = replace(made, matching=Matching())
        return made

    def _primary(self) -> Expr:  # noqa: PLR0911 - one arm for each kind of token
        token = self._ahead()
        match token.kind:
            case Kind.NUMBER | Kind.DURATION:
                return self._number()
            case Kind.STRING:
                self._take()
                return StringLiteral(
                    unquote(token, self._text),
                    is_utf8=spells_utf8(token, self._text),
                    span=(token.start, token.end),
                )
            case Kind.AGGREGATOR if self._ahead(1).text == "(" or self._ahead(1).word in {
                "by",
                "without",
            }:
                return self._aggregate()
            case Kind.IDENTIFIER if self._ahead(1).text == "(":
                return self._call()
            case Kind.KEYWORD if self._is_function_keyword():
                return self._call()
        if self._is("("):
            return self._parenthesised()
        if self._is_name(token) or self._is("{"):
            return self._selector()
        raise self._unexpected()

    def _is_function_keyword(self) -> bool:
        return self._is("start", "end", "step", "range") and self._ahead(1).text == "("

    def _is_name(self, token: Token) -> bool:
        """Tell whether *token* can be a metric's name here."""
        if token.kind in {Kind.IDENTIFIER, Kind.METRIC_IDENTIFIER, Kind.AGGREGATOR}:
            return True
        if token.kind is Kind.KEYWORD:
            return token.word not in {
                "bool", "group_left", "group_right", "ignoring", "on",
            }  # fmt: skip
        return token.word in SET_OPERATORS

    def _parenthesised(self) -> Expr:
        start = self._take().start
        inner = self._expression(0)
        self._expect(")")
        return Paren(inner, self._span(start))

    # --- calls and aggregations -----------------------------------------------------------

    def _arguments(self, labels_at: int | None = None) -> tuple[Expr, ...]:
        """Return the arguments; that at *labels_at* may be a selector of everything."""
        self._expect("(")
        found: list[Expr] = []
        if not self._is(")"):
            found.append(self._expression(0))
            while comma := self._accept(","):
                if self._is(")"):
                    raise ParseError(
                        "trailing commas not allowed in function call args",
                        text=self._text,
                        position=comma.start,
                    )
                bare = len(found) == labels_at and self._is("{")
                found.append(self._selector() if bare else self._expression(0))
        self._expect(")")
        return tuple(found)

    def _call(self) -> Expr:
        name = self._take()
        function = name.word or name.text
        args = self._arguments(labels_at=1 if function == "info" else None)
        signature = SIGNATURES.get(function)
        if signature is None:
            raise ParseError(
                f'unknown function with name "{name.text}"', text=self._text, position=name.start
            )
        call = Call(function, args, _RETURNS[signature.returns], self._span(name.start))
        self._faults.check_call(call, signature)
        return call

    def _aggregate(self) -> Expr:
        op = self._take()
        grouping = self._grouping()
        if not self._is("("):
            raise self._unexpected("aggregation")
        args = self._arguments()
        if grouping is None:
            grouping = self._grouping()
        span = self._span(op.start)
        wanted = 2 if op.word in _WITH_PARAM else 1
        if len(args) != wanted:
            raise ParseError(
                "no arguments for aggregate expression provided"
                if not args
                else "wrong number of arguments for aggregate expression provided, "
                f"expected {wanted}, got {len(args)}",
                text=self._text,
                position=op.start,
            )
        param = args[0] if wanted > 1 else None
        made = Aggregate(op.word, args[-1], param, grouping or Grouping(), span)
        self._faults.check_aggregate(made)
        return made

    def _grouping(self) -> Grouping | None:
        kind = self._accept("by", "without")
        return None if kind is None else Grouping(self._label_names(), kind.word == "without")

    def _label_names(self) -> tuple[str, ...]:
        self._expect("(", "grouping opts", '"("')
        found: list[str] = []
        while not self._is(")"):
            found.append(self._label_name())
            if not self._accept(",") and not self._is(")"):
                raise self._unexpected("grouping opts", '"," or ")"')
        self._take()
        return tuple(found)

    def _label_name(self) -> str:
        token = self._ahead()
        if token.kind is Kind.STRING:
            self._take()
            name = unquote(token, self._text)
            if not name or not spells_utf8(token, self._text):
                raise ParseError(
                    f'invalid label name for grouping: "{token.text[1:-1]}"',
                    text=self._text,
                    position=token.start,
                )
            return name
        named = {Kind.IDENTIFIER, Kind.METRIC_IDENTIFIER, Kind.AGGREGATOR, Kind.KEYWORD}
        if token.kind not in named and not (token.kind is Kind.OPERATOR and token.text.isalnum()):
            raise self._unexpected("grouping opts", "label")
        return self._take().text

    # --- matching -------------------------------------------------------------------------

    def _matching(self) -> Matching:
        cardinality = Cardinality.ONE_TO_ONE
        names: tuple[str, ...] = ()
        include: tuple[str, ...] = ()
        kind = self._accept("on", "ignoring")
        if kind is not None:
            names = self._label_names()
            if grouped := self._accept("group_left", "group_right"):
                left = grouped.word == "group_left"
                cardinality = Cardinality.MANY_TO_ONE if left else Cardinality.ONE_TO_MANY
                include = self._label_names() if self._is("(") else ()
        left_value, right_value = self._fills()
        return Matching(
            cardinality,
            kind is not None and kind.word == "on",
            names,
            include,
            left_value,
            right_value,
        )

    def _fills(self) -> tuple[float | None, float | None]:
        """Return what is filled in on the left and on the right."""
        values: dict[str, float] = {}
        while self._is("fill", "fill_left", "fill_right") and self._fills_here():
            side = self._take().word
            self._expect("(")
            values[side] = self._signed()
            self._expect(")")
        both = values.get("fill")
        return values.get("fill_left", both), values.get("fill_right", both)

    def _fills_here(self) -> bool:
        """Tell `fill(0) metric` from a metric of that name."""
        sign = self._ahead(2).text in {"+", "-"}
        return self._ahead(1).text == "(" and self._ahead(2 + sign).kind in {
            Kind.NUMBER,
            Kind.DURATION,
        }

    def _signed(self) -> float:
        sign = self._accept("-", "+")
        if self._ahead().kind not in {Kind.NUMBER, Kind.DURATION}:
            raise self._unexpected("fill modifier", "number")
        value = self._number().value
        return -value if sign is not None and sign.text == "-" else value

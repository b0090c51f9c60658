"""PromQL text to a checked expression tree; the grammar is the `promql_parser` library's."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import promql_parser as grammar
import re2

from veriscope.query.errors import ParseError
from veriscope.query.promql.ast import (
    SET_OPERATORS,
    Aggregate,
    At,
    AtBound,
    Binary,
    Call,
    Cardinality,
    Expr,
    Grouping,
    Matching,
    MatrixSelector,
    Negation,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    ValueType,
    VectorSelector,
)
from veriscope.query.promql.faults import check_nesting, locate, negative_at, read_tree
from veriscope.signals import METRIC_NAME, Matcher, MatchOp

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MATCH_OPS: Final = {
    "MatchOp.Equal": MatchOp.EQUAL,
    "MatchOp.NotEqual": MatchOp.NOT_EQUAL,
    "MatchOp.Re": MatchOp.REGEX,
    "MatchOp.NotRe": MatchOp.NOT_REGEX,
}
_CARDINALITIES: Final = {
    "VectorMatchCardinality.OneToOne": Cardinality.ONE_TO_ONE,
    "VectorMatchCardinality.ManyToOne": Cardinality.MANY_TO_ONE,
    "VectorMatchCardinality.OneToMany": Cardinality.ONE_TO_MANY,
    "VectorMatchCardinality.ManyToMany": Cardinality.MANY_TO_MANY,
}
_VALUE_TYPES: Final = {
    "ValueType.Vector": ValueType.VECTOR,
    "ValueType.Scalar": ValueType.SCALAR,
    "ValueType.Matrix": ValueType.MATRIX,
    "ValueType.String": ValueType.STRING,
}


def parse(text: str) -> Expr:
    """
    Return the expression that *text* spells.

    Raises `ParseError`, with Prometheus' words where the grammar library has them.
    """
    check_nesting(text)
    if (position := negative_at(text)) is not None:
        # The library reads `@ -5` as `@ 0`: refuse rather than answer for another time.
        raise ParseError("negative @ timestamps are not supported", text=text, position=position)
    try:
        return _Reader(text).read(read_tree(text))
    except ValueError as error:
        message, position = locate(text, str(error))
        raise ParseError(message, text=text, position=position) from error
    except OverflowError as error:
        raise ParseError(
            "timestamp out of bounds for @ modifier", text=text, position=max(text.find("@"), 0)
        ) from error
    except RecursionError as error:
        raise ParseError("expression is nested too deeply", text=text) from error


def cached_parse(size: int) -> Callable[[str], Expr]:
    """Return `parse` with the last *size* expressions remembered; safe from many threads."""
    return functools.lru_cache(maxsize=size)(parse)


class _Reader:
    """Turns the library's mutable tree into ours, checking what it leaves unchecked."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, tree: Any) -> Expr:
        """Return *tree* as an `Expr`."""
        return self._arms[type(tree)](self, tree)

    def _number(self, tree: Any) -> Expr:
        return NumberLiteral(tree.val)

    def _string(self, tree: Any) -> Expr:
        return StringLiteral(tree.val)

    def _paren(self, tree: Any) -> Expr:
        return Paren(self.read(tree.expr))

    def _negation(self, tree: Any) -> Expr:
        return Negation(self.read(tree.expr))

    def _selector(self, tree: Any) -> VectorSelector:
        if tree.matchers.or_matchers:
            raise ParseError('unexpected "or" in label matching', text=self._text)
        matchers = [self._matcher(matcher) for matcher in tree.matchers.matchers]
        if tree.name is not None:
            matchers.insert(0, Matcher(METRIC_NAME, MatchOp.EQUAL, tree.name))
        return VectorSelector(tuple(matchers), _milliseconds(tree.offset), _at(tree.at))

    def _matcher(self, matcher: Any) -> Matcher:
        op = _MATCH_OPS[str(matcher.op)]
        if op in {MatchOp.REGEX, MatchOp.NOT_REGEX}:
            self._check_regex(matcher.value)
        return Matcher(matcher.name, op, matcher.value)

    def _check_regex(self, pattern: str) -> None:
        """Refuse what the library's regular expressions allow and RE2 does not."""
        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            raise ParseError(
                f"error parsing regexp: {error.args[0].decode()}",
                text=self._text,
                position=max(self._text.find(pattern), 0),
            ) from error

    def _matrix(self, tree: Any) -> Expr:
        return MatrixSelector(self._selector(tree.vector_selector), self._length(tree.range))

    def _length(self, duration: timedelta) -> int:
        """Return *duration* in milliseconds; refuse one that rounds to none."""
        length_ms = _milliseconds(duration)
        if not length_ms:
            raise ParseError("duration must be greater than 0", text=self._text)
        return length_ms

    def _subquery(self, tree: Any) -> Expr:
        return Subquery(
            expr=self.read(tree.expr),
            range_ms=self._length(tree.range),
            step_ms=None if tree.step is None else self._length(tree.step),
            offset_ms=_milliseconds(tree.offset),
            at=_at(tree.at),
        )

    def _call(self, tree: Any) -> Expr:
        return Call(
            function=tree.func.name,
            args=tuple(self.read(arg) for arg in tree.args),
            returns=_VALUE_TYPES[str(tree.func.return_type)],
        )

    def _aggregate(self, tree: Any) -> Expr:
        grouping = Grouping()
        if tree.modifier is not None:
            without = str(tree.modifier.type) == "AggModifierType.Without"
            grouping = Grouping(tuple(tree.modifier.labels), without)
        return Aggregate(
            op=str(tree.op),
            expr=self.read(tree.expr),
            param=None if tree.param is None else self.read(tree.param),
            grouping=grouping,
        )

    def _binary(self, tree: Any) -> Expr:
        op, modifier = str(tree.op), tree.modifier
        matching = _matching(modifier)
        if op in SET_OPERATORS:
            if matching.fill_left is not None or matching.fill_right is not None:
                raise ParseError("fill modifier is not allowed for set operators", text=self._text)
            matching = Matching(Cardinality.MANY_TO_MANY, matching.on, matching.names)
        return Binary(
            op=op,
            left=self.read(tree.lhs),
            right=self.read(tree.rhs),
            return_bool=modifier is not None and modifier.return_bool,
            matching=matching,
        )

    _arms: ClassVar[dict[type, Callable[["_Reader", Any], Expr]]] = {
        grammar.NumberLiteral: _number,
        grammar.StringLiteral: _string,
        grammar.ParenExpr: _paren,
        grammar.UnaryExpr: _negation,
        grammar.VectorSelector: _selector,
        grammar.MatrixSelector: _matrix,
        grammar.SubqueryExpr: _subquery,
        grammar.Call: _call,
        grammar.AggregateExpr: _aggregate,
        grammar.BinaryExpr: _binary,
    }


def _matching(modifier: Any) -> Matching:
    if modifier is None:
        return Matching()
    labels, fill = modifier.matching, modifier.fill_values
    return Matching(
        cardinality=_CARDINALITIES[str(modifier.card)],
        on=labels is not None and str(labels.type) == "LabelModifierType.Include",
        names=() if labels is None else tuple(labels.labels),
        include=tuple(modifier.group_labels or ()),
        fill_left=fill.lhs,
        fill_right=fill.rhs,
    )


def _milliseconds(duration: timedelta | None) -> int:
    return 0 if duration is None else duration // _MILLISECOND


def _at(modifier: Any) -> At:
    if modifier is None:
        return None
    kind = str(modifier.type)
    if kind == "AtModifierType.Start":
        return AtBound.START
    if kind == "AtModifierType.End":
        return AtBound.END
    time: datetime = modifier.at
    return round((time - _EPOCH) / _MILLISECOND)

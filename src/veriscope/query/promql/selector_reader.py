"""Selectors: names, matchers, and the ranges, offsets and times that follow an expression."""

from dataclasses import replace
from typing import Final

from veriscope.query.errors import ParseError
from veriscope.query.promql.ast import (
    AtBound,
    DurationExpr,
    Edges,
    Expr,
    MatrixSelector,
    Subquery,
    VectorSelector,
)
from veriscope.query.promql.durations import DurationReader, milliseconds, round_half_away
from veriscope.query.promql.faults import Faults
from veriscope.query.promql.floats import format_fixed
from veriscope.query.promql.lexer import Kind, unquote
from veriscope.signals import METRIC_NAME, Matcher, MatchOp

_AT_LIMIT_S: Final = 2.0**53 / 1000
"""Beyond some 285,000 years milliseconds are no longer exact."""


class SelectorReader(DurationReader):
    """Reads selectors, and what follows an expression."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._faults = Faults(text)

    def _selector(self) -> VectorSelector:
        start, name = self._ahead().start, ""
        matchers: list[Matcher] = []
        if not self._is("{"):
            name = self._take().text
            matchers.append(Matcher(METRIC_NAME, MatchOp.EQUAL, name))
        if self._is("{"):
            matchers += self._braced(start, name)
        return VectorSelector(tuple(matchers), span=self._span(start))

    def _braced(self, start: int, name: str) -> list[Matcher]:
        self._take()
        found: list[Matcher] = []
        names = [name] if name else []
        bare = bool(name)
        while not self._is("}"):
            first = self._place
            found.append(self._matcher())
            if found[-1].name == METRIC_NAME:
                names.append(found[-1].value)
                bare |= self._place == first + 1
            if bare and len(names) > 1:
                raise self._faults.named_twice(names[0], names[1], start)
            if not self._accept(",") and not self._is("}"):
                raise self._unexpected("label matching", '"," or "}"')
        self._take()
        return found

    def _matcher(self) -> Matcher:
        token = self._ahead()
        if token.kind not in {Kind.IDENTIFIER, Kind.STRING}:
            raise self._unexpected("label matching", 'identifier or "}"')
        self._take()
        name = unquote(token, self._text) if token.kind is Kind.STRING else token.text
        op = self._accept("=", "!=", "=~", "!~")
        if op is None:
            if token.kind is Kind.STRING:
                return Matcher(METRIC_NAME, MatchOp.EQUAL, name)
            raise self._unexpected("label matching", "label matching operator")
        if self._ahead().kind is not Kind.STRING:
            raise self._unexpected("label matching", "string")
        value = unquote(self._take(), self._text)
        matcher = Matcher(name, MatchOp(op.text), value)
        self._faults.check_regex(matcher, token.start)
        return matcher

    def _postfix(self, expr: Expr) -> Expr:
        """Return *expr* with the ranges, offsets and times that follow it."""
        while True:
            if self._is("["):
                expr = self._range(expr)
            elif self._is("offset"):
                expr = self._offset(expr)
            elif self._is("@"):
                expr = self._at(expr)
            elif self._is("anchored", "smoothed"):
                expr = self._edges(expr)
            else:
                self._faults.check_selector(expr)
                return expr

    def _range(self, expr: Expr) -> Expr:
        opened = self._take()
        length_ms, length_expr = self._length("subquery or range selector")
        if self._accept(":"):
            step_ms, step_expr = None, None
            if not self._is("]"):
                step_ms, step_expr = self._length("subquery selector", ' or "]"')
            self._expect("]", "subquery selector", '"]"')
            self._faults.check_selector(expr)
            self._faults.check_subquery(expr)
            return Subquery(
                expr,
                length_ms,
                step_ms,
                range_expr=length_expr,
                step_expr=step_expr,
                span=self._span(expr.span[0]),
            )
        self._expect("]", "subquery or range", '":" or "]"')
        selector = self._faults.plain_selector(expr, opened.start)
        return MatrixSelector(selector, length_ms, length_expr, self._span(expr.span[0]))

    def _offset(self, expr: Expr) -> Expr:
        self._take()
        found = self._offset_duration()
        target = self._faults.selection(expr, "offset")
        if target.offset_ms or target.offset_expr is not None:
            raise ParseError(
                "offset may not be set multiple times", text=self._text, position=expr.span[0]
            )
        if isinstance(found, DurationExpr):
            return self._modified(expr, offset_expr=found)
        offset_ms = milliseconds(found.value)
        if offset_ms is None:
            raise ParseError("duration out of range", text=self._text, position=found.span[0])
        return self._modified(expr, offset_ms=offset_ms)

    def _at(self, expr: Expr) -> Expr:
        self._take()
        if bound := self._accept("start", "end"):
            self._expect("(", "@", "timestamp")
            self._expect(")", "@", "timestamp")
            at = AtBound.START if bound.word == "start" else AtBound.END
            return self._pinned(expr, at)
        minus = self._accept("-", "+")
        if self._ahead().kind not in {Kind.NUMBER, Kind.DURATION}:
            raise self._unexpected("@", "timestamp")
        seconds = self._number().value * (-1 if minus is not None and minus.text == "-" else 1)
        if not abs(seconds) < _AT_LIMIT_S:
            raise ParseError(
                f"timestamp out of bounds for @ modifier: {format_fixed(seconds)}",
                text=self._text,
                position=expr.span[0],
            )
        return self._pinned(expr, round_half_away(seconds * 1000))

    def _pinned(self, expr: Expr, at: int | AtBound) -> Expr:
        if self._faults.selection(expr, "@").at is not None:
            raise ParseError(
                "@ <timestamp> may not be set multiple times",
                text=self._text,
                position=expr.span[0],
            )
        return self._modified(expr, at=at)

    def _edges(self, expr: Expr) -> Expr:
        edges = Edges(self._take().word)
        target = self._faults.edged(expr, edges)
        if target.edges is not Edges.PLAIN and target.edges is not edges:
            raise ParseError(
                "anchored and smoothed modifiers cannot be used together",
                text=self._text,
                position=expr.span[0],
            )
        return self._modified(expr, edges=edges)

    def _modified(self, expr: Expr, **changes: object) -> Expr:
        """Return the selector, range or subquery *expr* with *changes*."""
        span = self._span(expr.span[0])
        if isinstance(expr, MatrixSelector):
            return replace(expr, selector=replace(expr.selector, **changes), span=span)  # type: ignore[arg-type]
        return replace(expr, **changes, span=span)  # type: ignore[arg-type]

"""A way through the tokens of a text, from the left to the right."""

from typing import Final

from veriscope.query.errors import ParseError
from veriscope.query.promql.ast import NumberLiteral, Span
from veriscope.query.promql.lexer import Kind, Token, duration_ms, number, tokens

_MAX_NESTING: Final = 200
"""Expressions, one inside the other: far beyond any real query, and safe for every stack."""


class Cursor:
    """The tokens of *text*, one ahead; what was not expected is a `ParseError` at its place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._place = 0
        self._depth = 0

    def _ahead(self, count: int = 0) -> Token:
        """Return the next token, or the one *count* after it."""
        return self._tokens[min(self._place + count, len(self._tokens) - 1)]

    @property
    def _last_end(self) -> int:
        return self._tokens[self._place - 1].end if self._place else 0

    def _take(self) -> Token:
        token = self._ahead()
        if token.fault is not None:
            raise token.fault
        if token.kind is not Kind.END:
            self._place += 1
        return token

    def _is(self, *texts: str) -> bool:
        return (
            self._ahead().kind is not Kind.STRING
            and (self._ahead().word or self._ahead().text) in texts
        )

    def _accept(self, *texts: str) -> Token | None:
        return self._take() if self._is(*texts) else None

    def _expect(self, text: str, context: str = "", expected: str = "") -> Token:
        if not self._is(text):
            raise self._unexpected(context, expected)
        return self._take()

    def _unexpected(self, context: str = "", expected: str = "") -> ParseError:
        token = self._ahead()
        if token.fault is not None:
            return token.fault
        message = f"unexpected {token}" + (f" in {context}" if context else "")
        message += f", expected {expected}" if expected else ""
        return ParseError(message, text=self._text, position=token.start)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise ParseError(
                "expression is nested too deeply", text=self._text, position=self._ahead().start
            )

    def _span(self, start: int) -> Span:
        return start, self._last_end

    def _number(self) -> NumberLiteral:
        token = self._take()
        span = token.start, token.end
        if token.kind is Kind.DURATION:
            seconds = duration_ms(token.text, self._text, token.start) / 1000
            return NumberLiteral(seconds, is_duration=True, span=span)
        return NumberLiteral(number(token.text), span=span)

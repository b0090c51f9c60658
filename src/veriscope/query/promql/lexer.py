"""PromQL text to tokens, each with its place; the words of the faults are Prometheus'."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veriscope.query.errors import ParseError
from veriscope.signals.units import UNIT_MS


class Kind(StrEnum):
    """What a token is; errors name it so."""

    END = "end of input"
    IDENTIFIER = "identifier"
    METRIC_IDENTIFIER = "metric identifier"
    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    KEYWORD = "keyword"
    AGGREGATOR = "aggregator"
    OPERATOR = "operator"
    SYMBOL = "symbol"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Token:
    """
    `text` stands at `start`; a keyword, an operator or an aggregator is known by `word`.

    An error has a `fault` instead, to be raised when it is reached.
    """

    kind: Kind
    text: str
    start: int
    word: str = ""
    fault: ParseError | None = None

    @property
    def end(self) -> int:
        """The offset after the last character."""
        return self.start + len(self.text)

    def __str__(self) -> str:  # noqa: PLR0911 - one arm for each kind
        """Name the token as Prometheus does where it did not expect it."""
        match self.kind:
            case Kind.END:
                return str(self.kind)
            case Kind.KEYWORD:
                return f"<{self.text}>"
            case Kind.OPERATOR:
                return f"<op:{self.text}>"
            case Kind.AGGREGATOR:
                return f"<aggr:{self.text}>"
            case Kind.SYMBOL:
                return _quoted(self.text)
            case Kind.IDENTIFIER | Kind.METRIC_IDENTIFIER:
                return f"{self.kind} {_quoted(self.text)}"
        shown = _quoted(self.text[:10]) + "..." if len(self.text) > 10 else _quoted(self.text)  # noqa: PLR2004 - as Prometheus
        return f"{self.kind} {shown}"


AGGREGATORS: Final = frozenset(
    {
        "avg",
        "bottomk",
        "count",
        "count_values",
        "group",
        "limit_ratio",
        "limitk",
        "max",
        "min",
        "quantile",
        "stddev",
        "stdvar",
        "sum",
        "topk",
    }
)
_WORD_OPERATORS: Final = frozenset({"and", "atan2", "or", "unless"})
_KEYWORDS: Final = frozenset(
    {
        "anchored",
        "bool",
        "by",
        "end",
        "fill",
        "fill_left",
        "fill_right",
        "group_left",
        "group_right",
        "ignoring",
        "offset",
        "on",
        "range",
        "smoothed",
        "start",
        "step",
        "without",
    }
)
_CLOSES: Final = {")": "(", "]": "[", "}": "{"}
_CLOSING_NAMES: Final = {")": "right parenthesis", "]": "right bracket"}
_OPENING_NAMES: Final = {"(": "left parenthesis", "[": "left bracket"}
_MAX_DURATION_MS: Final = (2**63 - 1) // 1_000_000
"""What fits into Go's nanoseconds: some 292 years."""

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_WORD: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_WORD: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_INT64_LIMIT: Final = 2.0**63
_NUMERIC: Final = re.compile(
    r"0[xX][0-9a-fA-F_]*|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]*)?"
)
_DURATION: Final = re.compile(r"[0-9]+(?:ms|[smhdwy])(?:[0-9]+(?:ms|[smhdwy]))*")
_ORDERED_DURATION: Final = re.compile(
    "".join(f"(?:([0-9]+){unit})?" for unit in ("y", "w", "d", "h", "m(?!s)", "s", "ms"))
)
_OPERATOR: Final = re.compile(r"==|!=|<=|>=|</|>/|[-+*/%^<>@]")
_MATCH_OPERATOR: Final = re.compile(r"=~|!~|!=|=")
_ALNUM: Final = re.compile(r"[a-zA-Z0-9_:]")
_STRING: Final = re.compile(r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`""", re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))",
    re.DOTALL,
)
_ESCAPED: Final = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


def tokens(text: str) -> list[Token]:
    """
    Return the tokens of *text*; the last is its end, or the error that hides the rest.

    An error is a character that can begin no token, or a bracket that lacks its partner.
    """
    lexer = _Lexer(text)
    try:
        lexer.run()
    except ParseError as error:
        lexer.found.append(Token(Kind.ERROR, "", error.position or 0, fault=error))
    return lexer.found


def duration_ms(text: str, whole: str, position: int) -> int:
    """
    Return the milliseconds of the duration *text*, such as `1h30m`.

    Raises `ParseError`, at *position* of the text *whole*, for units out of order, and for more
    than some 292 years.
    """
    found = _ORDERED_DURATION.fullmatch(text)
    if found is None:
        raise ParseError(
            f"not a valid duration string: {_quoted(text)}", text=whole, position=position
        )
    parts = zip(found.groups(), UNIT_MS.values(), strict=True)
    total = sum(int(count) * unit for count, unit in parts if count)
    if total > _MAX_DURATION_MS:
        raise ParseError("duration out of range", text=whole, position=position)
    return total


def number(text: str) -> float:
    """Return the value of a number, which may be hexadecimal, octal (a leading 0), Inf or NaN."""
    digits = text.replace("_", "").lower()
    if digits.startswith("0x"):
        return float(int(digits, 16))
    if len(digits) > 1 and digits[0] == "0" and digits.isdigit() and max(digits) < "8":
        octal = int(digits, 8)
        if octal < _INT64_LIMIT:
            return float(octal)
    return float(digits)


def unquote(token: Token, whole: str) -> str:
    """Return what a string token spells, with Go's escapes; raises `ParseError` for another."""
    return _spelled(token, whole).decode(errors="replace")


def spells_utf8(token: Token, whole: str) -> bool:
    """Tell whether a string token spells UTF-8, as label names must; escapes can spell others."""
    try:
        _spelled(token, whole).decode()
    except UnicodeDecodeError:
        return False
    return True


def _spelled(token: Token, whole: str) -> bytes:
    body = token.text[1:-1]
    if token.text[0] == "`":
        return body.encode()
    raw = bytearray()
    last = 0
    for found in _ESCAPE.finditer(body):
        raw += body[last : found.start()].encode()
        raw += _unescape(found, token, whole)
        last = found.end()
    return bytes(raw + body[last:].encode())


def _unescape(found: re.Match[str], token: Token, whole: str) -> bytes:
    simple, octal, byte, short, long, wrong = found.groups()
    other_quote = simple in {"'", '"'} and simple != token.text[0]
    if wrong is None and not other_quote:
        if simple:
            return _ESCAPED[simple].encode()
        if octal or byte:
            return bytes([int(octal, 8) & 0xFF if octal else int(byte, 16)])
        code = int(short or long, 16)
        if code <= 0x10FFFF and not 0xD800 <= code < 0xE000:  # noqa: PLR2004 - Unicode's bounds
            return chr(code).encode()
    shown = wrong or simple or found[0][1:2]
    raise ParseError(
        f"unknown escape sequence U+{ord(shown):04X} '{shown}'",
        text=whole,
        position=token.start,
    )


class _Lexer:
    """Walks through a text once; what a character begins depends on the brackets around it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.found: list[Token] = []
        self._open: list[Token] = []

    def run(self) -> None:
        """Fill `found`."""
        while self._skip_space() < len(self._text):
            if self._open and self._open[-1].text == "{":
                self._in_braces(self._text[self._at])
            else:
                self._in_statement(self._text[self._at])
        if self._open:
            opened = self._open[-1].text
            if opened == "{":
                raise self._error("unexpected end of input inside braces")
            raise self._error(f"unclosed {_OPENING_NAMES[opened]}")
        self.found.append(Token(Kind.END, "", self._at))

    def _skip_space(self) -> int:
        found = _SPACE.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return self._at

    def _add(self, kind: Kind, text: str, word: str = "") -> None:
        self.found.append(Token(kind, text, self._at, word))
        self._at += len(text)

    def _error(self, message: str) -> ParseError:
        return ParseError(message, text=self._text, position=self._at)

    def _in_statement(self, char: str) -> None:
        if char in "([{)]}":
            self._bracket(char)
        elif char == ",":
            self._add(Kind.SYMBOL, char)
        elif char in "\"'`":
            self._string()
        elif char == ":" and self._in_range():
            self._add(Kind.SYMBOL, char)
        elif found := _METRIC_WORD.match(self._text, self._at):
            self._word(found[0] if not self._in_range() else found[0].partition(":")[0])
        elif found := _OPERATOR.match(self._text, self._at):
            self._add(Kind.OPERATOR, found[0], found[0])
        elif char.isdigit() or _NUMERIC.match(self._text, self._at):
            self._numeric()
        elif char == "=":
            self._assignment()
        else:
            self._unexpected(char)

    def _in_range(self) -> bool:
        return any(bracket.text == "[" for bracket in self._open)

    def _assignment(self) -> None:
        if self._text[self._at + 1 : self._at + 2] == "~":
            raise self._error(f"unexpected character after '=': {self._following()}")
        self._add(Kind.SYMBOL, "=")

    def _following(self) -> str:
        return _char(self._text[self._at + 1 : self._at + 2])

    def _unexpected(self, char: str) -> None:
        if char == "!":
            raise self._error(f"unexpected character after '!': {self._following()}")
        raise self._error(f"unexpected character: {_char(char)}")

    def _in_braces(self, char: str) -> None:
        if char in "{}":
            self._bracket(char)
        elif char == ",":
            self._add(Kind.SYMBOL, char)
        elif char in "\"'`":
            self._string()
        elif found := _WORD.match(self._text, self._at):
            self._add(Kind.IDENTIFIER, found[0])
        elif found := _MATCH_OPERATOR.match(self._text, self._at):
            self._add(Kind.OPERATOR, found[0], found[0])
        elif char == "!":
            raise self._error(f"unexpected character after '!' inside braces: {self._following()}")
        else:
            raise self._error(f"unexpected character inside braces: {_char(char)}")

    def _bracket(self, char: str) -> None:
        opener = _CLOSES.get(char)
        if opener is None:
            if char == "{" and self._open and self._open[-1].text == "{":
                raise self._error(f"unexpected character inside braces: {_char(char)}")
            if char == "[" and self._in_range() and self._open[-1].text == "[":
                raise self._error("unexpected left bracket '['")
            self._add(Kind.SYMBOL, char)
            self._open.append(self.found[-1])
            return
        if not self._open or self._open[-1].text != opener:
            if char == "}":
                raise self._error(f"unexpected character: {_char(char)}")
            # As in Prometheus, which has taken the parenthesis by then.
            self._at += char == ")"
            raise self._error(f"unexpected {_CLOSING_NAMES[char]} {_char(char)}")
        self._open.pop()
        self._add(Kind.SYMBOL, char)

    def _string(self) -> None:
        found = _STRING.match(self._text, self._at)
        if found is None:
            opened = self._text[self._at]
            raise self._error(
                "unterminated raw string" if opened == "`" else "unterminated quoted string"
            )
        self._add(Kind.STRING, found[0])

    def _word(self, text: str) -> None:
        word = text.lower()
        if ":" in text:
            self._add(Kind.METRIC_IDENTIFIER, text)
        elif word in {"inf", "nan"}:
            self._add(Kind.NUMBER, text)
        elif word in AGGREGATORS:
            self._add(Kind.AGGREGATOR, text, word)
        elif word in _WORD_OPERATORS:
            self._add(Kind.OPERATOR, text, word)
        elif word in _KEYWORDS:
            self._add(Kind.KEYWORD, text, word)
        else:
            self._add(Kind.IDENTIFIER, text)

    def _numeric(self) -> None:
        found, kind = _DURATION.match(self._text, self._at), Kind.DURATION
        if found is None:
            found, kind = _NUMERIC.match(self._text, self._at), Kind.NUMBER
        end = self._at if found is None else found.end()
        rest = _ALNUM.match(self._text, end)
        glued = rest is not None and not (self._in_range() and rest[0] == ":")
        if found is None or glued:
            shown = self._text[self._at : end]
            raise self._error(f"bad number or duration syntax: {_quoted(shown)}")
        if kind is Kind.NUMBER and (fault := _number_fault(found[0])):
            raise self._error(
                f"error parsing number: strconv.ParseFloat: parsing {_quoted(found[0])}: {fault}"
            )
        self._add(kind, found[0])


def _number_fault(text: str) -> str:
    """Return what Go has against *text* as a number, `""` where it is one."""
    # Half a number, such as `0x` and `1e`, or an underscore but between digits.
    if re.search(r"_(?![0-9a-fA-F])|\._", text) is not None:
        return "invalid syntax"
    try:
        value = number(text)
    except (OverflowError, ValueError):
        return "invalid syntax"
    if text[:2].lower() == "0x" and value >= _INT64_LIMIT:
        return "invalid syntax"
    return "value out of range" if math.isinf(value) else ""


def _char(char: str) -> str:
    return f"'{char}'" if char else "end of input"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

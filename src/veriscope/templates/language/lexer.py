"""Template text to tokens: Go's `text/template/parse` lexer."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veriscope.templates.constants import quote
from veriscope.templates.errors import TemplateError


class Kind(StrEnum):
    """What a token is."""

    TEXT = "text"
    LEFT = "{{"
    RIGHT = "}}"
    SPACE = "space"
    KEYWORD = "keyword"
    IDENTIFIER = "identifier"
    FIELD = "field"
    VARIABLE = "variable"
    DOT = "."
    NUMBER = "number"
    RUNE = "character constant"
    STRING = "string"
    RAW_STRING = "raw string"
    PIPE = "|"
    OPEN = "("
    CLOSE = ")"
    DECLARE = ":="
    ASSIGN = "="
    COMMA = ","
    END = "EOF"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` stands at `start`."""

    kind: Kind
    text: str
    start: int


KEYWORDS: Final = frozenset(
    {
        "block",
        "break",
        "continue",
        "define",
        "else",
        "end",
        "if",
        "range",
        "nil",
        "template",
        "with",
    }
)
_SPACES: Final = " \t\r\n"
SPACES: Final = frozenset(_SPACES)
"""What may stand between words, and beside a trim marker."""
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
  | (?P<raw>`[^`]*`)
  | (?P<rune>'(?:[^'\\\n]|\\[^\n])*')
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]+)?|0[oO][0-7_]+
      |0[bB][01_]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)i?)
  | (?P<field>\.\w+)
  | (?P<variable>\$\w*)
  | (?P<word>\w+)
  | (?P<declare>:=)
  | (?P<symbol>[.|()=,])
    """,
    re.VERBOSE,
)
_SYMBOLS: Final = {
    kind.value: kind
    for kind in (Kind.DOT, Kind.PIPE, Kind.OPEN, Kind.CLOSE, Kind.ASSIGN, Kind.COMMA)
}
_GROUPS: Final = {
    "space": Kind.SPACE,
    "string": Kind.STRING,
    "raw": Kind.RAW_STRING,
    "rune": Kind.RUNE,
    "number": Kind.NUMBER,
    "field": Kind.FIELD,
    "variable": Kind.VARIABLE,
    "declare": Kind.DECLARE,
}
_UNFINISHED: Final = {
    '"': "unterminated quoted string",
    "`": "unterminated raw quoted string",
    "'": "unterminated character constant",
}


_NAMES: Final = frozenset({Kind.FIELD, Kind.VARIABLE, Kind.IDENTIFIER, Kind.KEYWORD})
_AFTER_A_NAME: Final = frozenset(".,|:()= \t\r\n")


class Lexer:
    """Tokens of the template *name*; the errors are Go's."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._tokens: list[Token] = []

    def error(self, at: int, message: str) -> TemplateError:
        """Return the error *message* for the line of the offset *at*."""
        return TemplateError(f"template: {self.name}:{self.line(at)}: {message}")

    def line(self, at: int) -> int:
        """Return the number of the line that *at* is in."""
        return 1 + self.text.count("\n", 0, at)

    def tokens(self) -> list[Token]:
        """Return the tokens, `Kind.END` last; raises `TemplateError` at what is none."""
        text, at, trim = self.text, 0, False
        while (start := text.find("{{", at)) >= 0:
            marked = text.startswith("-", start + 2) and text[start + 3 : start + 4] in SPACES
            self._text(at, start, trim_left=trim, trim_right=marked)
            at = start + (4 if marked else 2)
            if text.startswith("/*", at):
                at, trim = self._comment(at)
            else:
                self._tokens.append(Token(Kind.LEFT, "{{", start))
                at, trim = self._action(at)
        self._text(at, len(text), trim_left=trim, trim_right=False)
        self._tokens.append(Token(Kind.END, "", len(text)))
        return self._tokens

    def _text(self, start: int, end: int, *, trim_left: bool, trim_right: bool) -> None:
        found = self.text[start:end]
        if trim_right:
            found = found.rstrip(_SPACES)
        if trim_left:
            found = found.lstrip(_SPACES)
        if found:
            self._tokens.append(Token(Kind.TEXT, found, start))

    def _comment(self, start: int) -> tuple[int, bool]:
        end = self.text.find("*/", start + 2)
        if end < 0:
            raise self.error(start, "unclosed comment")
        close = self._close(end + 2)
        if close is None:
            raise self.error(start, "comment ends before closing delimiter")
        return close

    def _close(self, at: int) -> tuple[int, bool] | None:
        """Return where the text goes on and whether it is trimmed, if the action ends *at*."""
        if self.text.startswith("}}", at):
            return at + 2, False
        if self.text[at : at + 1] in SPACES and self.text.startswith("-}}", at + 1):
            return at + 4, True
        return None

    def _action(self, at: int) -> tuple[int, bool]:
        depth = 0
        while (close := self._close(at)) is None:
            token = self._next(at)
            depth += (token.kind is Kind.OPEN) - (token.kind is Kind.CLOSE)
            if depth < 0:
                raise self.error(at, 'unexpected ")" in command')
            self._tokens.append(token)
            at += len(token.text)
        if depth:
            raise self.error(at, "unclosed left paren")
        self._tokens.append(Token(Kind.RIGHT, "}}", at))
        return close

    def _next(self, at: int) -> Token:
        match = _TOKEN.match(self.text, at)
        if match is None:
            raise self.error(at, self._strange(at))
        group, found = str(match.lastgroup), match[0]
        if group == "space" and self.text.startswith("-}}", match.end()):
            found = found[:-1]  # the last one is part of the trim marker
        if group == "symbol":
            return Token(_SYMBOLS[found], found, at)
        if group == "word":
            kind = Kind.KEYWORD if found in KEYWORDS else Kind.IDENTIFIER
        else:
            kind = _GROUPS[group]
        self._check_end(kind, found, at)
        return Token(kind, found, at)

    def _check_end(self, kind: Kind, found: str, at: int) -> None:
        end = at + len(found)
        following = self.text[end : end + 1]
        if not following or self.text.startswith("}}", end):
            return
        if kind is Kind.NUMBER and (following == "_" or following.isalnum()):
            raise self.error(at, f'bad number syntax: "{found}{following}"')
        if kind in _NAMES and following not in _AFTER_A_NAME:
            raise self.error(at, f"bad character {_character(following)}")

    def _strange(self, at: int) -> str:
        character = self.text[at : at + 1]
        if not character:
            return "unclosed action"
        if character == ":":
            return "expected :="
        if character in _UNFINISHED:
            return _UNFINISHED[character]
        shown = quote(character) if character.isprintable() else _character(character)
        return f"unexpected {shown} in command"


def _character(character: str) -> str:
    """Spell *character* as Go's `%#U`."""
    return f"U+{ord(character):04X} '{character}'"

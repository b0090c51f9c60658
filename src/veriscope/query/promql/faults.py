"""Where and why a text is no PromQL: Prometheus' words and positions for the grammar's errors."""

import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser as grammar

from veriscope.query.errors import ParseError

MAX_NESTING: Final = 128
"""Open brackets, one inside the other: far beyond any real query, and safe for every stack."""
MAX_OPERATORS: Final = 256
"""Operators in one expression: the grammar library takes quadratic time and recursion for them."""

_OPAQUE: Final = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\#[^\n]*""", re.DOTALL)
_OPERATORS: Final = re.compile(
    r"==|!=|<=|>=|(?<![=!])=~|[-+*/%^<>]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE
)
_TOKENS: Final = re.compile(r"[\w:.]+|\s+|.", re.DOTALL)
_WORD: Final = re.compile(r"[\w:.]+|[)\]}]")
_NEGATIVE_AT: Final = re.compile(r"@\s*-")
_QUOTED_FUNCTION: Final = re.compile(r"function (?:with name )?'(\w+)'|call to '(\w+)'")
_TYPE_CLAUSE: Final = re.compile(
    r"(expected type |allowed on |, got(?: type)?:? )(matrix|vector)\b"
)
_TYPE_NAMES: Final = {"matrix": "range vector", "vector": "instant vector"}
_MAX_PREFIXES: Final = 64


def check_nesting(text: str) -> None:
    """Raise `ParseError` where *text* is too deep to parse in bounded time and stack."""
    code = _code(text)
    depth = 0
    for position, char in enumerate(code):
        if char in "([{":
            depth += 1
            if depth > MAX_NESTING:
                raise ParseError("expression is nested too deeply", text=text, position=position)
        elif char in ")]}":
            depth -= 1
    if len(_OPERATORS.findall(code)) > MAX_OPERATORS:
        raise ParseError(f"more than {MAX_OPERATORS} operators in one expression", text=text)


def read_tree(text: str) -> Any:
    """
    Return the grammar library's tree of *text*; raises `ValueError` or `OverflowError`.

    A fault inside of the library is a refusal like any other.
    """
    try:
        return grammar.parse(text)
    except BaseException as error:
        # Its panics are no `Exception`, so that nothing above would catch them.
        if type(error).__name__ == "PanicException":
            raise ValueError(str(error)) from None
        raise


def negative_at(text: str) -> int | None:
    """Return where *text* has an `@` with a negative time, None where it has none."""
    match = _NEGATIVE_AT.search(_code(text))
    return match and match.start()


def locate(text: str, message: str) -> tuple[str, int | None]:
    """Return the grammar's *message* in Prometheus' words, and its offset in *text*."""
    code = _code(text)
    if message == "invalid promql query":
        return _syntax_error(text, code)
    if message == "unclosed left parenthesis" or message.startswith("unexpected end of input"):
        return message, len(text)
    if found := _QUOTED_FUNCTION.search(message):
        name = found[1] or found[2]
        at = re.search(rf"\b{name}\s*\(", code)
        message = message.replace(f"'{name}'", f'"{name}"')
        return _name_types(message), at and at.start()
    return _name_types(message), 0 if message.startswith("no expression") else None


def _code(text: str) -> str:
    """Return *text* with strings and comments blanked, every offset unchanged."""
    return _OPAQUE.sub(lambda found: " " * len(found[0]), text)


def _name_types(message: str) -> str:
    return _TYPE_CLAUSE.sub(lambda found: found[1] + _TYPE_NAMES[found[2]], message)


def _syntax_error(text: str, code: str) -> tuple[str, int | None]:
    """Find the first token that cannot follow: the one after the longest valid beginning."""
    if _OPERATORS.search(code.rstrip()[-2:]) or code.rstrip().endswith(("(", ",")):
        return "unexpected end of input", len(text)
    ends = [0, *_token_ends(code)]
    for end in reversed(ends[:-1][-_MAX_PREFIXES:]):
        if end and _parses(text[:end]):
            following = _WORD.match(code, _skip_space(code, end))
            if following is None:
                break
            return f'unexpected "{following[0]}"', following.start()
    return "syntax error", None


def _token_ends(code: str) -> Iterator[int]:
    return (token.end() for token in _TOKENS.finditer(code) if not token[0].isspace())


def _skip_space(code: str, start: int) -> int:
    while start < len(code) and code[start].isspace():
        start += 1
    return start


def _parses(text: str) -> bool:
    try:
        read_tree(text)
    except (ValueError, OverflowError):
        return False
    return True

"""Words, wildcards and regular expressions of Lucene as texts and RE2 patterns."""

import re
from collections.abc import Iterator
from typing import Final

import re2

MAX_PATTERN: Final = 1_000
"""Characters of a regular expression."""
BETWEEN_WORDS: Final = r"\x00-/:-@\[-`{-\x7f"
"""What is no part of a word, as a class of RE2: ASCII less letters and digits."""

_PIECE: Final = re.compile(r"\\(.)|([*?])|(.)", re.DOTALL)
_IN_WORD: Final = f"[^{BETWEEN_WORDS}]"
_ANY: Final = f"{_IN_WORD}*"
_SOME: Final = f"{_IN_WORD}+"
_WORD: Final = re.compile(_SOME)


def unescape(text: str) -> str:
    r"""Return *text* with each `\x` as `x`."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def has_wildcard(text: str) -> bool:
    """Tell whether *text* has `*` or `?` that no backslash stands before."""
    return any(wildcard for _, wildcard in _pieces(text))


def wildcard_pattern(text: str) -> str:
    """Return the pattern, from beginning to end, that *text* with its wildcards stands for."""
    body = "".join(
        {"*": ".*", "?": "."}[piece] if wildcard else re2.escape(piece)
        for piece, wildcard in _pieces(text)
    )
    return anchored(body)


def anchored(pattern: str) -> str:
    """Return the pattern that matches only where *pattern* matches from beginning to end."""
    return rf"\A(?s:{pattern})\z"


def words(text: str) -> tuple[str, ...]:
    """Return the words in *text*, in lower case, see `HasWords`."""
    return tuple(_WORD.findall(lower(text)))


def word_patterns(text: str) -> tuple[str, ...]:
    """Return, for each word in *text*, the pattern that it and its wildcards stand for."""
    patterns = [""]
    for piece, wildcard in _pieces(lower(text)):
        if wildcard:
            patterns[-1] += _ANY if piece == "*" else _IN_WORD
        elif _WORD.fullmatch(piece):
            patterns[-1] += re2.escape(piece)
        elif patterns[-1]:
            patterns.append("")
    # Of wildcards alone: no word is empty.
    return tuple(_SOME if not p.replace(_ANY, "") else p for p in patterns if p)


def lower(text: str) -> str:
    """Return *text* with ASCII in lower case, and nothing else: as the text index sees it."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def regex_fault(pattern: str) -> str:
    """Return what is wrong with *pattern* as RE2; empty where nothing is."""
    if len(pattern) > MAX_PATTERN:
        return f"it has {len(pattern):,} characters; {MAX_PATTERN:,} are allowed"
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        return str(error.args[0].decode())
    return ""


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each character of *text*, and whether it is a wildcard."""
    for escaped, wildcard, plain in _PIECE.findall(text):
        yield wildcard or escaped or plain, bool(wildcard)

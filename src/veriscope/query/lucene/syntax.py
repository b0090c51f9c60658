"""Text to Lucene's own tree, by luqum; faults become `ParseError` with position and cure."""

import re
import threading
from typing import Final

from luqum.exceptions import IllegalCharacterError, ParseError, ParseSyntaxError
from luqum.thread import parse as _parse
from luqum.tree import Item

from veriscope.query import errors

MAX_CHARACTERS: Final = 10_000

_POSITION: Final = re.compile(r"at position (\d+)!?$")
_UNCLOSED: Final = {
    '"': 'a quotation is not closed; add " at its end, or write \\" for the character itself',
    "/": "a regular expression is not closed; add / at its end, or put a path in quotes",
    "'": 'quotations are in double quotes; write "…"',
    "\\": "a backslash stands at the end; write \\\\ for the character itself",
}
# The parser keeps its stacks in itself, whichever lexer it is given.
_lock = threading.Lock()


def parse_tree(text: str) -> Item:
    """Return the tree of *text*; raises `errors.ParseError`."""
    if len(text) > MAX_CHARACTERS:
        raise errors.ParseError(
            f"a search of {len(text):,} characters; {MAX_CHARACTERS:,} are allowed", text=text
        )
    if not text.strip():
        raise errors.ParseError("nothing is searched for; write * for everything", text=text)
    try:
        with _lock:
            return _parse(text)
    except ParseError as error:
        raise _explain(error, text) from error


def _explain(error: ParseError, text: str) -> errors.ParseError:
    found = _POSITION.search(str(error))
    if found is None:
        return errors.ParseError(
            "the search ends too early; something must follow, or a parenthesis is not closed",
            text=text,
            position=len(text),
        )
    position = int(found[1])
    character = text[position]
    if isinstance(error, IllegalCharacterError):
        fault = _UNCLOSED.get(character)
    else:
        fault = _MISPLACED.get(character) if isinstance(error, ParseSyntaxError) else None
    return errors.ParseError(
        fault or f"{character!r} is not expected here; put it in quotes, or \\ before it",
        text=text,
        position=position,
    )


_MISPLACED: Final = {
    ")": "a parenthesis is closed that was not opened; remove it",
    "~": "nothing stands before ~; put it in quotes",
    "^": "nothing stands before ^; put it in quotes",
}

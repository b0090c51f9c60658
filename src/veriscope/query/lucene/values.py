"""Values behind a field to predicates, as the kind of the field reads them."""

import math
import re
from typing import Final

from luqum.tree import From, Item, OpenRange, Phrase, Prohibit, Range, Word

from veriscope.query.errors import ParseError
from veriscope.query.lucene import patterns
from veriscope.query.lucene.durations import parse_duration_ns
from veriscope.query.lucene.fields import FieldKind, KnownField
from veriscope.query.lucene.levels import LEVELS, has_level, level_between, numbers_of
from veriscope.signals.predicates import (
    Bound,
    Equals,
    Exists,
    HasWords,
    HasWordsLike,
    InRange,
    Matches,
    Predicate,
)

_HIGHEST_LEVEL: Final = 24
_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


class ValueReader:
    """Reads the values in *text*, one search; raises `ParseError` with their position."""

    def __init__(self, text: str) -> None:
        self._text = text

    def exists(self, known: KnownField) -> Predicate:
        """Return whether there is a value at all."""
        return has_level() if known.kind is FieldKind.LEVEL else Exists(known.field)

    def word(self, known: KnownField, raw: str, position: int) -> Predicate:
        """Read *raw*, as it was written without quotes: with wildcards and escapes."""
        if raw == "*":
            return self.exists(known)
        if not patterns.has_wildcard(raw):
            return self.phrase(known, patterns.unescape(raw), position)
        if known.kind is FieldKind.TEXT:
            return Matches(known.field, patterns.wildcard_pattern(raw))
        if known.kind is FieldKind.WORDS and (found := patterns.word_patterns(raw)):
            return HasWordsLike(known.field, found)
        raise self._at(position, f"{raw!r}: a {known.kind} takes no wildcards; write it out")

    def phrase(self, known: KnownField, text: str, position: int) -> Predicate:
        """Read *text*, which stands for itself."""
        match known.kind:
            case FieldKind.TEXT:
                return Equals(known.field, text)
            case FieldKind.WORDS:
                if found := patterns.words(text):
                    return HasWords(known.field, found)
                raise self._at(position, f"{text!r} has no letter or digit; search with /…/ for it")
            case FieldKind.ID:
                return Equals(known.field, self._id(known, text, position))
            case FieldKind.CHOICE:
                return Equals(known.field, self._choice(known, text, position))
            case FieldKind.LEVEL:
                return level_between(*self._level(text, position))
            case _:
                number = self._bound(known, text, position)
                return InRange(known.field, Bound(number, True), Bound(number, True))

    def regex(self, known: KnownField, raw: str, position: int) -> Predicate:
        r"""Read *raw*, as it was written between slashes: `\/` is a slash."""
        pattern = raw.replace(r"\/", "/")
        if known.kind not in {FieldKind.TEXT, FieldKind.WORDS}:
            raise self._at(position, f"a {known.kind} takes no regular expression; write it out")
        if fault := patterns.regex_fault(pattern):
            raise self._at(position, f"not a regular expression: {fault}")
        if known.kind is FieldKind.WORDS:
            return Matches(known.field, f"(?s:{pattern})")
        return Matches(known.field, patterns.anchored(pattern))

    def between(self, known: KnownField, node: Range | OpenRange) -> Predicate:
        """Read `[a TO b]` and its like, or `>=a` and its like."""
        if isinstance(node, Range):
            low = self._end(node.low, inclusive=node.include_low)
            high = self._end(node.high, inclusive=node.include_high)
        else:
            end = self._end(node.a, inclusive=node.include)
            low, high = (end, None) if isinstance(node, From) else (None, end)
        if low is None and high is None:
            return self.exists(known)
        if known.kind is FieldKind.LEVEL:
            return self._levels(low, high, node.pos)
        if known.kind in {FieldKind.NUMBER, FieldKind.DURATION}:
            ends = [
                end and Bound(self._bound(known, str(end.value), node.pos), end.inclusive)
                for end in (low, high)
            ]
            return InRange(known.field, *ends)
        if known.kind is not FieldKind.TEXT:
            raise self._at(node.pos, f"{known.kind} fields have no order; search for a value")
        return InRange(known.field, *_as_numbers(low, high))

    def _end(self, node: Item, *, inclusive: bool) -> Bound | None:
        match node:
            case Word(value="*"):
                return None
            case Word():
                return Bound(patterns.unescape(node.value), inclusive)
            case Phrase():
                return Bound(patterns.unescape(node.value[1:-1]), inclusive)
            case Prohibit():
                end = self._end(node.a, inclusive=inclusive)
                return end and Bound(f"-{end.value}", inclusive)
            case _:
                raise self._at(node.pos, "the end of a range is a word or a quotation")

    def _bound(self, known: KnownField, text: str, position: int) -> float:
        if known.kind is FieldKind.DURATION:
            nanoseconds = parse_duration_ns(text)
            if nanoseconds is None:
                raise self._at(position, f"{text!r} is no duration; write it as 250ms or 1.5s")
            return nanoseconds
        number = to_number(text)
        if number is None:
            raise self._at(position, f"{text!r} is no number; write it as 17 or 0.5")
        return number

    def _levels(self, low: Bound | None, high: Bound | None, position: int) -> Predicate:
        first, last = 1, _HIGHEST_LEVEL
        if low is not None:
            start, end = self._level(str(low.value), position)
            first = start if low.inclusive else end + 1
        if high is not None:
            start, end = self._level(str(high.value), position)
            last = end if high.inclusive else start - 1
        return level_between(first, last)

    def _level(self, text: str, position: int) -> tuple[int, int]:
        found = numbers_of(text)
        if found is None:
            names = ", ".join(LEVELS)
            raise self._at(position, f"{text!r} is no level; write {names}, or a number to 24")
        return found

    def _id(self, known: KnownField, text: str, position: int) -> str:
        if len(text) != known.digits or not re.fullmatch(r"[0-9a-fA-F]+", text):
            raise self._at(position, f"{text!r} is no id of {known.digits} hexadecimal digits")
        return text.lower()

    def _choice(self, known: KnownField, text: str, position: int) -> str:
        if text.lower() not in known.choices:
            raise self._at(position, f"{text!r} is none of {', '.join(known.choices)}")
        return text.lower()

    def _at(self, position: int, message: str) -> ParseError:
        return ParseError(message, text=self._text, position=position)


def to_number(text: str) -> float | None:
    """Return the number that *text* spells, None where it spells none."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _as_numbers(low: Bound | None, high: Bound | None) -> tuple[Bound | None, Bound | None]:
    """Return the ends as numbers where all that there are are numbers."""
    ends: list[Bound | None] = []
    for end in (low, high):
        number = None if end is None else to_number(str(end.value))
        if end is not None and number is None:
            return low, high
        ends.append(None if end is None or number is None else Bound(number, end.inclusive))
    return ends[0], ends[1]

"""Predicates compiled to SQL. Pure: the text is under test, and values are always bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, assert_never

import re2

from veriscope.signals import InvalidInputError
from veriscope.signals.predicates import (
    AllOf,
    AnyOf,
    Bound,
    Equals,
    Exists,
    HasWords,
    HasWordsLike,
    InRange,
    Matches,
    Negation,
    Place,
    Predicate,
)
from veriscope.store.select import Bindings

# What is between words, as the text index cuts them (`splitByNonAlpha`).
_BETWEEN: Final = r"[\x00-/:-@\[-`{-\x7f]"
# Words of one search that the engine takes.
_MOST_WORDS: Final = 32


class Column(Enum):
    """What a column holds."""

    TEXT = auto()
    WORDS = auto()
    """Text with an index of its words."""
    CHOICE = auto()
    """One of a few words; every row has one."""
    NUMBER = auto()
    SEVERITY = auto()
    """A number; 0 where there is none."""
    TRACE_ID = auto()
    SPAN_ID = auto()


_ID_BYTES: Final = {Column.TRACE_ID: 16, Column.SPAN_ID: 8}


@dataclass(frozen=True, slots=True)
class PredicateCompiler:
    """Compiles predicates about one table, whose *columns* they may name, binding to *bind*."""

    columns: Mapping[str, Column]
    bind: Bindings

    def compile(self, predicate: Predicate) -> str:
        """Return a condition that is 1 or 0, never NULL; raises `InvalidInputError`."""
        match predicate:
            case AllOf(parts):
                return self._all(" AND ", parts, "1")
            case AnyOf(parts):
                return self._all(" OR ", parts, "0")
            case Negation(part):
                return f"NOT ({self.compile(part)})"
            case _:
                return self._about_field(predicate)

    def _all(self, operator: str, parts: tuple[Predicate, ...], nothing: str) -> str:
        return operator.join(f"({self.compile(part)})" for part in parts) or nothing

    def _about_field(
        self, predicate: Exists | Equals | Matches | HasWords | HasWordsLike | InRange
    ) -> str:
        field = predicate.field
        if field.place is Place.COLUMN:
            kind = self.columns.get(field.name)
            if kind is None:
                raise InvalidInputError(f"there is no column {field.name!r} to search")
            test = self._test(predicate, field.name, kind)
            return _joined(_present(field.name, kind), test, predicate, kind)
        key = self.bind.put(field.name)
        test = self._test(predicate, f"attributes[{key}]", Column.TEXT)
        condition = _joined(f"mapContains(attributes, {key})", test, predicate, Column.TEXT)
        if field.place is Place.ATTRIBUTE:
            return condition
        return f"resource_id IN (SELECT id FROM resources WHERE {condition})"  # noqa: S608 - values are bound

    def _test(
        self,
        predicate: Exists | Equals | Matches | HasWords | HasWordsLike | InRange,
        value: str,
        kind: Column,
    ) -> str:
        """Return the condition on *value*, which is present."""
        match predicate:
            case Exists():
                return ""
            case Equals(text=text):
                return self._equals(text, value, kind)
            case InRange(low=low, high=high):
                return self._in_range(low, high, value, kind)
        if kind not in {Column.TEXT, Column.WORDS}:
            raise InvalidInputError(f"{value} is no text; compare it with a value")
        match predicate:
            case Matches(pattern=pattern):
                return f"match({value}, {self.bind.put(pattern)})"
            case HasWords(words=words):
                return self._has_words(words, value, kind)
            case HasWordsLike(patterns=patterns):
                return self._has_words_like(patterns, value)
            case _:
                assert_never(predicate)

    def _equals(self, text: str, value: str, kind: Column) -> str:
        if size := _ID_BYTES.get(kind):
            return f"{value} = toFixedString(unhex({self.bind.put(text)}), {size})"
        if kind in {Column.NUMBER, Column.SEVERITY}:
            raise InvalidInputError(f"{value} is a number; search for a range of it")
        return f"{value} = {self.bind.put(text)}"

    def _in_range(self, low: Bound | None, high: Bound | None, value: str, kind: Column) -> str:
        if kind in {Column.CHOICE, *_ID_BYTES}:
            raise InvalidInputError(f"{value} has no order; compare it with a value")
        ends = [(">", low), ("<", high)]
        given = [(op, end) for op, end in ends if end is not None]
        numbers = any(isinstance(end.value, float | int) for _, end in given)
        stored = kind in {Column.NUMBER, Column.SEVERITY}
        if numbers and not stored:
            value = f"toFloat64OrNull(CAST({value}, 'String'))"
        bound_as = "Float64" if numbers else "String"
        test = " AND ".join(
            f"{value} {op}{'=' if end.inclusive else ''} {self.bind.put(end.value, bound_as)}"
            for op, end in given
        )
        # What is no number is outside; NULL would be outside of the negation too.
        return f"ifNull({test}, 0)" if numbers and not stored else test

    def _has_words(self, words: tuple[str, ...], value: str, kind: Column) -> str:
        patterns = tuple(map(re2.escape, words))
        if kind is not Column.WORDS:
            return self._has_words_like(patterns, value)
        # The index knows words in lower case; the list is cut where the engine takes no more.
        found = self.bind.put(list(dict.fromkeys(words))[:_MOST_WORDS], "Array(String)")
        all_found = f"hasAllTokens({value}, {found})"
        if len(words) == 1:
            return all_found
        return f"{all_found} AND {self._has_words_like(patterns, value)}"

    def _has_words_like(self, patterns: tuple[str, ...], value: str) -> str:
        body = f"{_BETWEEN}+".join(f"(?:{pattern})" for pattern in patterns)
        pattern = rf"(?:\A|{_BETWEEN}){body}(?:{_BETWEEN}|\z)"
        return f"match(lower({value}), {self.bind.put(pattern)})"


def _present(value: str, kind: Column) -> str:
    match kind:
        case Column.TEXT | Column.WORDS:
            return f"notEmpty({value})"
        case Column.TRACE_ID | Column.SPAN_ID:
            return f"notEmpty({value})"
        case Column.SEVERITY:
            return f"{value} != 0"
        case Column.CHOICE | Column.NUMBER:
            return ""
        case _:
            assert_never(kind)


def _joined(present: str, test: str, predicate: Predicate, kind: Column) -> str:
    """Return that a value is present and passes the *test*; what implies the first is enough."""
    has_text = isinstance(predicate, Equals) and predicate.text and kind not in _ID_BYTES
    if has_text or isinstance(predicate, HasWords | HasWordsLike):
        return test
    return " AND ".join(filter(None, (present, test))) or "1"

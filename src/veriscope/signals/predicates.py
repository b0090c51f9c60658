"""
Predicates: what a search of spans or log records looks for, as a tree of values.

Whichever language a search is written in, it becomes this tree, and the store compiles the tree.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Place(StrEnum):
    """Where the value of a field stands."""

    COLUMN = "column"
    """In a column that every span or record has, such as `service_name`."""
    ATTRIBUTE = "attribute"
    """Among the attributes of the span or record; it may be absent."""
    RESOURCE = "resource"
    """Among the attributes of its resource; it may be absent."""


@dataclass(frozen=True, slots=True)
class Field:
    """
    What is looked at: a column, or the attribute of this name.

    Attributes are texts, whatever their type: numbers in their shortest spelling, `true`, `false`.
    An empty text in a column is an absent value. Nothing but `Negation` holds for an absent value.
    """

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of *parts* holds; true where there are none."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of *parts* holds at least; false where there are none."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The *part* does not hold."""

    part: "Predicate"


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: Field


@dataclass(frozen=True, slots=True)
class Equals:
    """The field is *text*, letter for letter; an id is its hexadecimal digits."""

    field: Field
    text: str


@dataclass(frozen=True, slots=True)
class Matches:
    """
    *pattern*, RE2, is found in the field; it says itself where it is anchored.

    `.` matches the end of a line too.
    """

    field: Field
    pattern: str


@dataclass(frozen=True, slots=True)
class HasWords:
    """
    The field has these *words*, one behind the other.

    A word is letters and digits, and all that is not ASCII; everything else is between words. Upper
    case is as lower case where it is ASCII; *words* are lower case.
    """

    field: Field
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasWordsLike:
    """
    As `HasWords`, but each word is matched as a whole by its one of *patterns*, RE2.

    Patterns are for lower case, and match nothing that is between words.
    """

    field: Field
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range; *inclusive* where it belongs to it."""

    value: float | str
    inclusive: bool


@dataclass(frozen=True, slots=True)
class InRange:
    """
    The field lies between *low* and *high*; None is no bound on that side.

    Where a bound is a number the field is read as one, and what is none is outside. Texts are
    compared by their bytes.
    """

    field: Field
    low: Bound | None
    high: Bound | None


Predicate: TypeAlias = (
    AllOf | AnyOf | Negation | Exists | Equals | Matches | HasWords | HasWordsLike | InRange
)
"""A condition on one span or record."""

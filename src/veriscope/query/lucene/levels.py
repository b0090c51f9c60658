"""Levels of records: names, and the ranges of OpenTelemetry's numbers that they stand for."""

import re
from typing import Final

from veriscope.signals.predicates import (
    AllOf,
    AnyOf,
    Bound,
    Exists,
    Field,
    InRange,
    Matches,
    Negation,
    Place,
    Predicate,
)

LEVELS: Final = {
    "trace": 1,
    "debug": 5,
    "info": 9,
    "warn": 13,
    "error": 17,
    "fatal": 21,
}
"""The first of the four numbers of each level."""
SPELLINGS: Final = {
    "trace": ("trace", "finest"),
    "debug": ("debug", "fine", "dbg"),
    "info": ("info", "information", "informational", "notice"),
    "warn": ("warn", "warning"),
    "error": ("error", "err"),
    "fatal": ("fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"),
}
"""How senders write each level in `severity_text`."""

_NUMBER: Final = Field(Place.COLUMN, "severity_number")
_TEXT: Final = Field(Place.COLUMN, "severity_text")
_LEVEL_OF: Final = {spelling: level for level, all_ in SPELLINGS.items() for spelling in all_}
_WIDTH: Final = 4
_HIGHEST: Final = 24


def numbers_of(name: str) -> tuple[int, int] | None:
    """Return the first and the last number of *name*, which may be a number; None for others."""
    if re.fullmatch(r"\d{1,2}", name) and 1 <= int(name) <= _HIGHEST:
        return int(name), int(name)
    match = re.fullmatch(r"([a-z]+)([1-4]?)", name.lower())
    level = _LEVEL_OF.get(match[1]) if match else None
    if match is None or level is None:
        return None
    first = LEVELS[level]
    if match[2]:
        return first + int(match[2]) - 1, first + int(match[2]) - 1
    return first, first + _WIDTH - 1


def level_between(first: int, last: int) -> Predicate:
    """
    Return the predicate of the records whose number is from *first* to *last*.

    A record without a number is of the level that its text names, if that is wholly inside.
    """
    spellings = [
        spelling
        for level, start in LEVELS.items()
        if first <= start and start + _WIDTH - 1 <= last
        for spelling in SPELLINGS[level]
    ]
    numbered = InRange(_NUMBER, Bound(max(first, 1), inclusive=True), Bound(last, inclusive=True))
    if not spellings:
        return numbered
    pattern = rf"\A(?i:{'|'.join(spellings)})\z"
    return AnyOf((numbered, AllOf((Negation(Exists(_NUMBER)), Matches(_TEXT, pattern)))))


def has_level() -> Predicate:
    """Return the predicate of the records that say anything of their level."""
    return AnyOf((Exists(_NUMBER), Exists(_TEXT)))

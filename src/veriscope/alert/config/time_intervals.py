"""Time intervals of Alertmanager's configuration file, and what their ranges mean."""

import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

_TIME: Final = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)")
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_LONGEST_MONTH: Final = 31
_SHORTEST_MONTH: Final = 28

Span = tuple[int, int]
"""The first and the last of a range."""


class TimesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the day, such as 09:00 to 17:00; its end is not part of it."""

    start_time: str
    """`HH:MM`, from 00:00."""
    end_time: str
    """`HH:MM`, up to 24:00."""

    def __post_init__(self) -> None:
        begin, end = self.minutes
        if begin >= end:
            raise ValueError("start_time must be before end_time; over midnight, give two")

    @property
    def minutes(self) -> Span:
        """The minutes of the day at which it begins and ends."""
        return _minute(self.start_time), _minute(self.end_time)


class TimeIntervalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Times that fulfil every field that is given.

    In each field, one range is enough; a range is one value or two with `:` between. A field with
    an empty list is never fulfilled.
    """

    times: tuple[TimesConfig, ...] | None = None
    """Parts of the day."""
    weekdays: tuple[str, ...] | None = None
    """Days of the week by name, such as `monday:friday`."""
    days_of_month: tuple[str, ...] | None = None
    """Days of the month, such as `1:5`; negative ones count from its end, -1 is the last."""
    months: tuple[str, ...] | None = None
    """Months by name or number, such as `june:august`."""
    years: tuple[str, ...] | None = None
    """Years, such as `2030:2032`."""
    location: str | None = None
    """Time zone, such as `Europe/Berlin`, or `Local`, the machine's; else UTC."""

    def __post_init__(self) -> None:
        self.spans("weekdays")
        self.spans("days_of_month")
        self.spans("months")
        self.spans("years")
        _ = self.zone

    def spans(self, field: str) -> tuple[Span, ...] | None:
        """Return the ranges of *field* as numbers: Sunday is 0, January is 1."""
        texts = getattr(self, field)
        return None if texts is None else tuple(_READERS[field](text.lower()) for text in texts)

    @property
    def zone(self) -> tzinfo | None:
        """The time zone; None is the machine's own."""
        if self.location is None or self.location in ("", "UTC"):
            return UTC
        if self.location == "Local":
            return None
        try:
            return ZoneInfo(self.location)
        except (OSError, ValueError, LookupError) as error:
            raise ValueError(
                f"there is no time zone {self.location!r}; "
                "give a name of the IANA database, such as Europe/Berlin"
            ) from error


class NamedIntervals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `time_intervals` or `mute_time_intervals`."""

    name: str
    """What routes call it."""
    time_intervals: tuple[TimeIntervalConfig, ...] = ()
    """The times; one of them is enough."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("the name of a time interval is empty; give one")


def _minute(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time of day; write it as 09:00, up to 24:00")
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _span(text: str, member: Callable[[str], int]) -> Span:
    parts = text.split(":")
    if len(parts) > 2:  # noqa: PLR2004 - a range has two ends
        raise ValueError(f"{text!r} is not a range; write it as FIRST:LAST")
    return member(parts[0]), member(parts[-1])


def _ordered(text: str, member: Callable[[str], int]) -> Span:
    begin, end = _span(text, member)
    if begin > end:
        raise ValueError(f"{text!r} ends before it begins; give two ranges")
    return begin, end


def _days(text: str) -> Span:
    begin, end = _span(text, _integer)
    for day in (begin, end):
        if not 0 < abs(day) <= _LONGEST_MONTH:
            raise ValueError(f"{day} is not a day of the month; it is 1 to 31 or -1 to -31")
    if begin < 0 < end:
        raise ValueError(f"{text!r} begins from the month's end; its last day must be negative too")
    # Of both kinds: compared as in the shortest month, since in longer ones it may be right.
    earliest, latest = (day if day > 0 else _SHORTEST_MONTH + day for day in (begin, end))
    if earliest > latest:
        raise ValueError(f"{text!r} ends before it begins; give two ranges")
    return begin, end


def _weekday(text: str) -> int:
    if text not in _WEEKDAYS:
        raise ValueError(f"{text!r} is not a day of the week; write it as monday")
    return _WEEKDAYS.index(text)


def _month(text: str) -> int:
    if text in _MONTHS:
        return _MONTHS.index(text) + 1
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} is not a month; write it as january, or 1 to 12")
    return int(text)  # Alertmanager takes 13 too, which never comes


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


_READERS: Final[dict[str, Callable[[str], Span]]] = {
    "weekdays": lambda text: _ordered(text, _weekday),
    "days_of_month": _days,
    "months": lambda text: _ordered(text, _month),
    "years": lambda text: _ordered(text, _integer),
}

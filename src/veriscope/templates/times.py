"""Go's `time.Time`, `time.Duration`, `time.Month` and `time.Weekday`, with the methods of each."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from veriscope.templates.time_layout import Moment, render

_NS: Final = 1_000_000_000
_LONGEST: Final = (1 << 63) - 1
_DAY_S: Final = 86_400
_ZERO_S: Final = -62_135_596_800
"""The start of the year 1, from which Go counts."""
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


class Named(int):
    """A number that prints as a name: a month or a day of the week."""

    name: str
    type_name: str

    def __new__(cls, number: int, name: str, type_name: str) -> Self:
        """Give *number* its *name*."""
        made = super().__new__(cls, number)
        made.name = name
        made.type_name = type_name
        return made


class GoDuration(int):
    """A length of time in nanoseconds; prints as Go does, `1h2m3.5s`."""

    type_name = "time.Duration"

    def text(self) -> str:
        """Spell it as Go: the largest units first, and a fraction of the last one."""
        if not self:
            return "0s"
        sign, ns = ("-", -int(self)) if self < 0 else ("", int(self))
        if ns < _NS:
            return sign + _fraction_of_a_second(ns)
        minutes, rest = divmod(ns, 60 * _NS)
        hours, minutes = divmod(minutes, 60)
        seconds = f"{_decimal(rest, _NS)}s"
        if hours:
            return f"{sign}{hours}h{minutes}m{seconds}"
        return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds

    @classmethod
    def bounded(cls, ns: int) -> "GoDuration":
        """Return *ns*, or the nearest that 64 bits hold: 292 years, as Go has it."""
        return cls(max(-_LONGEST - 1, min(_LONGEST, ns)))

    def truncate(self, to: int) -> "GoDuration":
        """Return it rounded toward zero to a multiple of *to*, or as it is where that is 0."""
        if to <= 0:
            return self
        size = abs(self) // to * to
        return GoDuration(-size if self < 0 else size)

    def round(self, to: int) -> "GoDuration":
        """Return it rounded to the nearest multiple of *to*, halves away from zero."""
        if to <= 0:
            return self
        whole, rest = divmod(abs(self), to)
        size = (whole + (2 * rest >= to)) * to
        return GoDuration(-size if self < 0 else size)


def _fraction_of_a_second(ns: int) -> str:
    for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
        if ns >= size:
            return f"{_decimal(ns, size)}{unit}"
    return "0s"


def _decimal(count: int, of: int) -> str:
    whole, rest = divmod(count, of)
    digits = str(rest).rjust(len(str(of)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


@dataclass(frozen=True, slots=True)
class GoTime:
    """A moment: nanoseconds since 1970, seen in a zone. Go's zero time is `GoTime.zero()`."""

    unix_ns: int
    zone: tzinfo = UTC
    type_name: ClassVar[str] = "time.Time"

    @classmethod
    def of_ms(cls, time_ms: int) -> "GoTime":
        """Return the moment of Unix milliseconds, in UTC."""
        return cls(time_ms * 1_000_000)

    @classmethod
    def zero(cls) -> "GoTime":
        """Return the moment of a time that was never set: the start of the year 1."""
        return cls(_ZERO_S * _NS)

    @property
    def is_zero(self) -> bool:
        """Whether it is Go's zero time."""
        return self.unix_ns == _ZERO_S * _NS

    def moment(self) -> Moment:
        """Return the fields of calendar and clock in its zone."""
        seconds, ns = divmod(self.unix_ns, _NS)
        offset_s, abbreviation = self._offset(seconds)
        days, second = divmod(seconds + offset_s, _DAY_S)
        year, month, day = _civil(days)
        return Moment(
            *(year, month, day, second, ns, offset_s, abbreviation),
            weekday=(days + 4) % 7,
            year_day=days - _days(year, 1, 1) + 1,
        )

    def _offset(self, seconds: int) -> tuple[int, str]:
        try:
            seen = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
            seen = seen.astimezone(self.zone)
        except OverflowError:  # a year that Python's calendar lacks: as in a year it has
            seen = datetime(9000, 1, 1, tzinfo=UTC).astimezone(self.zone)
        return int((seen.utcoffset() or timedelta()).total_seconds()), seen.tzname() or "UTC"

    def text(self) -> str:
        """Print it as Go's `String`."""
        return render(self.moment(), "2006-01-02 15:04:05.999999999 -0700 MST")

    def format(self, layout: str) -> str:
        """Print it by Go's *layout*, which spells Mon Jan 2 15:04:05 MST 2006."""
        return render(self.moment(), layout)

    def within(self, zone: str) -> "GoTime":
        """Return the same moment seen in the IANA *zone*; raises `KeyError` on an unknown one."""
        if zone in ("", "UTC"):
            return GoTime(self.unix_ns)
        try:
            return GoTime(self.unix_ns, ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise KeyError(f"unknown time zone {zone}") from error

    def plus_date(self, years: int, months: int, days: int) -> "GoTime":
        """Return the moment that many years, months and days on, the clock in its zone the same."""
        seen = self.moment()
        year, month = divmod(seen.year * 12 + years * 12 + seen.month - 1 + months, 12)
        at = (_days(year, month + 1, seen.day) + days) * _DAY_S + seen.second - seen.offset_s
        moved = GoTime(at * _NS + seen.ns, self.zone)
        return GoTime(moved.unix_ns + (seen.offset_s - moved.moment().offset_s) * _NS, self.zone)


def _civil(days: int) -> tuple[int, int, int]:
    """
    Return year, month and day of the day that is *days* after 1970-01-01, in any year.

    By eras of 400 years that start in March, so that the leap day is a year's last.
    """
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    return (
        year + 400 * era + (month >= 10),  # noqa: PLR2004 - January and February
        month + 3 if month < 10 else month - 9,  # noqa: PLR2004
        day - (153 * month + 2) // 5 + 1,
    )


def _days(year: int, month: int, day: int) -> int:
    """Return how many days after 1970-01-01 a date is: the inverse of `_civil`."""
    year -= month <= 2  # noqa: PLR2004 - January and February
    era, year = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1  # noqa: PLR2004
    return era * 146_097 + year * 365 + year // 4 - year // 100 + of_year - 719_468

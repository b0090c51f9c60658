"""Times as Go's layouts spell them: by the way Mon Jan 2 15:04:05 MST 2006 would be written."""

import re
from dataclasses import dataclass
from typing import Final

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_PART: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|002|01|02|03|04|05|06|15|__2|_2(?!006)|PM|pm"
    r"|(?:-07:00:00|-070000|-07:00|-0700|-07)|(?:Z07:00:00|Z070000|Z07:00|Z0700|Z07)"
    r"|[.,](?:0+|9+)(?!\d)|_?2|1|3|4|5"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time's fields in its zone; `second` is of the day, `weekday` counts from Sunday."""

    year: int
    month: int
    day: int
    second: int
    ns: int
    offset_s: int
    zone: str
    weekday: int
    year_day: int


def render(moment: Moment, layout: str) -> str:
    """Spell *moment* by *layout*."""
    return _PART.sub(lambda part: _spell(moment, part[0]), layout)


def _spell(at: Moment, part: str) -> str:
    if part[0] in "-Z":
        return _offset(at, part)
    if part[0] in ".,":
        return _fraction(at, part)
    hour, minute, second = at.second // 3600, at.second // 60 % 60, at.second % 60
    half = hour % 12 or 12
    spelled: dict[str, str] = {
        "January": _MONTHS[at.month - 1], "Jan": _MONTHS[at.month - 1][:3],
        "Monday": _DAYS[at.weekday], "Mon": _DAYS[at.weekday][:3], "MST": at.zone,
        "2006": f"{at.year:04d}", "06": f"{at.year % 100:02d}",
        "01": f"{at.month:02d}", "1": str(at.month),
        "02": f"{at.day:02d}", "_2": f"{at.day:2d}", "2": str(at.day),
        "002": f"{at.year_day:03d}", "__2": f"{at.year_day:3d}",
        "15": f"{hour:02d}", "03": f"{half:02d}", "3": str(half),
        "04": f"{minute:02d}", "4": str(minute), "05": f"{second:02d}", "5": str(second),
        "PM": "PM" if hour >= 12 else "AM", "pm": "pm" if hour >= 12 else "am",  # noqa: PLR2004
    }  # fmt: skip
    return spelled[part]


def _offset(at: Moment, part: str) -> str:
    if part[0] == "Z" and at.offset_s == 0:
        return "Z"
    sign, size = ("-", -at.offset_s) if at.offset_s < 0 else ("+", at.offset_s)
    colon = ":" if ":" in part else ""
    fields = [f"{size // 3600:02d}", f"{size // 60 % 60:02d}", f"{size % 60:02d}"]
    return sign + colon.join(fields[: sum(letter.isdigit() for letter in part) // 2])


def _fraction(at: Moment, part: str) -> str:
    digits = f"{at.ns:09d}"[: len(part) - 1]
    if part[1] == "9":
        digits = digits.rstrip("0")
    return part[0] + digits if digits else ""

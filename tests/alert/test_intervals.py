import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.alert.config import NamedIntervals, TimeIntervalConfig
from veriscope.alert.intervals import TimeIntervals

_DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
_MONTHS = [name.lower() for name in calendar.month_name[1:]]
_ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu"]


def _contains(moment: datetime, *intervals: dict[str, object]) -> bool:
    configs = tuple(msgspec.convert(each, TimeIntervalConfig) for each in intervals)
    named = TimeIntervals([NamedIntervals(name="x", time_intervals=configs)])
    return named.contains("x", round(moment.timestamp() * 1000))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ({"times": [{"start_time": "09:00", "end_time": "17:00"}]}, "16:59:59", "17:00:00"),
        ({"times": [{"start_time": "09:00", "end_time": "17:00"}]}, "09:00:00", "08:59:59"),
        ({"times": [{"start_time": "23:00", "end_time": "24:00"}]}, "23:59:59", "00:00:00"),
    ],
)
def test_parts_of_the_day(interval: dict[str, object], inside: str, outside: str) -> None:
    """The end is not part of it; 24:00 is midnight."""
    assert _contains(_at(f"2030-05-06 {inside}"), interval)
    assert not _contains(_at(f"2030-05-06 {outside}"), interval)


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ({"weekdays": ["Monday:friday", "sunday"]}, "2030-05-05", "2030-05-04"),
        ({"days_of_month": ["-1"]}, "2028-02-29", "2028-02-28"),
        ({"days_of_month": ["-3:-1"]}, "2030-02-26", "2030-02-25"),
        ({"days_of_month": ["29:31"]}, "2030-01-30", "2030-02-28"),
        ({"days_of_month": ["25:-1"]}, "2030-04-30", "2030-04-24"),
        ({"days_of_month": ["-31:-1"]}, "2030-02-01", ""),
        ({"months": ["may:august", "12"]}, "2030-12-01", "2030-09-01"),
        ({"years": ["2030:2031"]}, "2031-12-31", "2032-01-01"),
        ({"weekdays": []}, "", "2030-05-05"),
        ({}, "2030-05-05", ""),
    ],
)
def test_days_months_and_years(interval: dict[str, object], inside: str, outside: str) -> None:
    """Names in any case, numbers, ranges with both ends, days from the month's end."""
    assert not inside or _contains(_at(inside), interval)
    assert not outside or not _contains(_at(outside), interval)


def test_one_of_several_is_enough_and_every_field_counts() -> None:
    """Entries are alternatives, the fields of one are not."""
    workday = {"weekdays": ["monday"], "months": ["may"]}
    assert _contains(_at("2030-05-06"), {"years": ["1999"]}, workday)
    assert not _contains(_at("2030-05-07"), {"years": ["1999"]}, workday)
    assert not _contains(_at("2030-05-06"))


def test_a_zone_is_that_of_all_fields() -> None:
    """Late on Sunday in UTC it is Monday in Berlin; summer time is known."""
    interval = {"weekdays": ["monday"], "location": "Europe/Berlin"}
    assert _contains(_at("2030-06-02 22:30"), interval)
    assert not _contains(_at("2030-12-01 22:30"), interval)


_SPAN_OF_DAYS = st.tuples(st.integers(1, 31), st.integers(1, 31)).map(sorted)
_INTERVAL = st.fixed_dictionaries(
    {},
    optional={
        "times": st.lists(
            st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda x: x[0] < x[1]),
            max_size=2,
        ),
        "weekdays": st.lists(
            st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted), max_size=2
        ),
        "days": st.lists(_SPAN_OF_DAYS, max_size=2),
        "last_days": st.integers(1, 31),
        "months": st.lists(
            st.tuples(st.integers(1, 12), st.integers(1, 12)).map(sorted), max_size=2
        ),
        "years": st.lists(st.integers(2027, 2032), max_size=2),
    },
)


@given(
    _INTERVAL,
    st.sampled_from(_ZONES),
    st.datetimes(datetime(2027, 1, 1), datetime(2032, 12, 31)),  # noqa: DTZ001 - hypothesis wants it so
)
def test_intervals_as_a_plain_reference_has_them(
    drawn: dict[str, list[list[int]]], zone: str, naive: datetime
) -> None:
    """The same answer as from sets of everything that each field lists."""
    moment = naive.replace(tzinfo=UTC)
    config: dict[str, object] = {"location": zone}
    there = moment.astimezone(ZoneInfo(zone))
    expected = True
    if "times" in drawn:
        config["times"] = [
            {"start_time": _clock(begin), "end_time": _clock(end)} for begin, end in drawn["times"]
        ]
        minutes = {minute for begin, end in drawn["times"] for minute in range(begin, end)}
        expected &= there.hour * 60 + there.minute in minutes
    if "weekdays" in drawn:
        config["weekdays"] = [f"{_DAYS[a]}:{_DAYS[b]}" for a, b in drawn["weekdays"]]
        days = {day for a, b in drawn["weekdays"] for day in _DAYS[a : b + 1]}
        expected &= there.strftime("%A").lower() in days
    if "days" in drawn or "last_days" in drawn:
        last = drawn.get("last_days")
        config["days_of_month"] = [f"{a}:{b}" for a, b in drawn.get("days", [])]
        config["days_of_month"] += [f"-{last}:-1"] if last else []
        month = _days_of(there)
        wanted = {day for a, b in drawn.get("days", []) for day in range(a, b + 1)}
        expected &= there.day in wanted or (last is not None and there.day in month[-last:])
    if "months" in drawn:
        config["months"] = [f"{_MONTHS[a - 1]}:{b}" for a, b in drawn["months"]]
        expected &= there.month in {m for a, b in drawn["months"] for m in range(a, b + 1)}
    if "years" in drawn:
        config["years"] = [str(year) for year in drawn["years"]]
        expected &= there.year in drawn["years"]
    assert _contains(moment, config) is expected


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _days_of(moment: datetime) -> list[int]:
    first = moment.replace(day=1, hour=12)
    every = [first + timedelta(days=offset) for offset in range(31)]
    return [day.day for day in every if day.month == moment.month]


@pytest.mark.parametrize(
    "interval",
    [
        {"times": [{"start_time": "9:00", "end_time": "17:00"}]},
        {"times": [{"start_time": "09:00"}]},
        {"times": [{"start_time": "09:00", "end_time": "09:00"}]},
        {"times": [{"start_time": "09:00", "end_time": "24:01"}]},
        {"weekdays": ["mon"]},
        {"weekdays": ["friday:monday"]},
        {"weekdays": ["monday:tuesday:friday"]},
        {"days_of_month": ["0"]},
        {"days_of_month": ["32"]},
        {"days_of_month": ["-1:5"]},
        {"days_of_month": ["10:5"]},
        {"days_of_month": ["10:-25"]},
        {"months": ["soon"]},
        {"months": ["june:may"]},
        {"years": ["2031:2030"]},
        {"years": ["soon"]},
        {"location": "Atlantis/Capital"},
        {"location": "../../etc/passwd"},
    ],
    ids=str,
)
def test_ranges_that_cannot_be_are_refused(interval: dict[str, object]) -> None:
    """At once, not when the time has come."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(interval, TimeIntervalConfig)

"""Time intervals: when a route is muted, or active at all."""

import calendar
from collections.abc import Iterable
from datetime import UTC, datetime

from veriscope.alert.config.time_intervals import NamedIntervals, Span, TimeIntervalConfig


class TimeIntervals:
    """The time intervals of a configuration, by name."""

    def __init__(self, named: Iterable[NamedIntervals]) -> None:
        self._named = {
            each.name: tuple(_Interval(config) for config in each.time_intervals) for each in named
        }

    def contains(self, name: str, now_ms: int) -> bool:
        """Tell whether *now_ms* is in the interval called *name*, which must exist."""
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        return any(interval.contains(now) for interval in self._named[name])


class _Interval:
    """One entry, with its ranges read."""

    def __init__(self, config: TimeIntervalConfig) -> None:
        self._zone = config.zone
        self._times = None if config.times is None else [each.minutes for each in config.times]
        self._weekdays = config.spans("weekdays")
        self._days = config.spans("days_of_month")
        self._months = config.spans("months")
        self._years = config.spans("years")

    def contains(self, now: datetime) -> bool:
        there = now.astimezone(self._zone)
        minute = there.hour * 60 + there.minute
        if self._times is not None and not any(begin <= minute < end for begin, end in self._times):
            return False
        if self._days is not None and not any(_has_day(span, there) for span in self._days):
            return False
        return (
            _has(self._weekdays, there.isoweekday() % 7)
            and _has(self._months, there.month)
            and _has(self._years, there.year)
        )


def _has(spans: tuple[Span, ...] | None, value: int) -> bool:
    return spans is None or any(begin <= value <= end for begin, end in spans)


def _has_day(span: Span, there: datetime) -> bool:
    """Tell whether the day is in *span*, of which negative days count from the month's end."""
    length = calendar.monthrange(there.year, there.month)[1]
    begin, end = (day if day > 0 else length + day + 1 for day in span)
    return begin <= there.day <= end

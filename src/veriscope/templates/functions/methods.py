"""What `.Name` calls on a value: methods of times and durations, and those a value declares."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from veriscope.templates.functions.calls import CallError, Function, Kind
from veriscope.templates.times import MONTHS, WEEKDAYS, GoDuration, GoTime, Named
from veriscope.templates.values import KeyValues, Listing, Record, Value

_NS: Final = 1_000_000_000


def method_of(value: Value, name: str) -> Function | None:
    """Return the method *name* of *value*, if its type has one."""
    if isinstance(value, Record | Listing):
        method = value.methods.get(name)
        return None if method is None else Function(method)
    for type_, methods in _METHODS:
        if isinstance(value, type_):
            return methods[name](value) if name in methods else None
    return None


def _month(number: int) -> Named:
    return Named(number, MONTHS[number - 1], "time.Month")


def _weekday(number: int) -> Named:
    return Named(number, WEEKDAYS[number], "time.Weekday")


def _of_time(*parameters: Kind) -> Callable[[Callable[..., Value]], Callable[[GoTime], Function]]:
    def bind(method: Callable[..., Value]) -> Callable[[GoTime], Function]:
        return lambda time: Function(lambda *rest: method(time, *rest), parameters)

    return bind


_plain = _of_time()
_with_time = _of_time(Kind.TIME)
_with_duration = _of_time(Kind.DURATION)
_with_string = _of_time(Kind.STRING)


def _rounded(time: GoTime, to: GoDuration, *, half: bool) -> GoTime:
    """Return *time* at a multiple of *to* since the year 1."""
    if to <= 0:
        return time
    since = time.unix_ns - GoTime.zero().unix_ns
    rest = since % to
    return GoTime(time.unix_ns - rest + (to if half and 2 * rest >= to else 0), time.zone)


_FARTHEST: Final = 1_000_000


def _moved(time: GoTime, years: int, months: int, days: int) -> GoTime:
    if max(abs(years), abs(months), abs(days)) > _FARTHEST:
        raise CallError(f"more than {_FARTHEST} years, months or days")
    return time.plus_date(years, months, days)


_TIME: Final[Mapping[str, Callable[[GoTime], Function]]] = {
    "Format": _with_string(lambda time, layout: time.format(layout)),
    "String": _plain(lambda time: time.text()),
    "Unix": _plain(lambda time: time.unix_ns // _NS),
    "UnixMilli": _plain(lambda time: time.unix_ns // 1_000_000),
    "UnixMicro": _plain(lambda time: time.unix_ns // 1_000),
    "UnixNano": _plain(lambda time: time.unix_ns),
    "Year": _plain(lambda time: time.moment().year),
    "Month": _plain(lambda time: _month(time.moment().month)),
    "Day": _plain(lambda time: time.moment().day),
    "Hour": _plain(lambda time: time.moment().second // 3600),
    "Minute": _plain(lambda time: time.moment().second // 60 % 60),
    "Second": _plain(lambda time: time.moment().second % 60),
    "Nanosecond": _plain(lambda time: time.moment().ns),
    "Weekday": _plain(lambda time: _weekday(time.moment().weekday)),
    "YearDay": _plain(lambda time: time.moment().year_day),
    "IsZero": _plain(lambda time: time.is_zero),
    "UTC": _plain(lambda time: GoTime(time.unix_ns)),
    "Local": _plain(lambda time: GoTime(time.unix_ns)),
    "Before": _with_time(lambda time, other: time.unix_ns < other.unix_ns),
    "After": _with_time(lambda time, other: time.unix_ns > other.unix_ns),
    "Equal": _with_time(lambda time, other: time.unix_ns == other.unix_ns),
    "Sub": _with_time(lambda time, other: GoDuration.bounded(time.unix_ns - other.unix_ns)),
    "Add": _with_duration(lambda time, more: GoTime(time.unix_ns + more, time.zone)),
    "AddDate": _of_time(Kind.INT, Kind.INT, Kind.INT)(_moved),
    "Truncate": _with_duration(lambda time, to: _rounded(time, to, half=False)),
    "Round": _with_duration(lambda time, to: _rounded(time, to, half=True)),
}


def _of_duration(method: Callable[..., Value], *kinds: Kind) -> Callable[[GoDuration], Function]:
    return lambda duration: Function(lambda *rest: method(duration, *rest), kinds)


_DURATION: Final[Mapping[str, Callable[[GoDuration], Function]]] = {
    "String": _of_duration(lambda duration: duration.text()),
    "Hours": _of_duration(lambda duration: duration / (3600 * _NS)),
    "Minutes": _of_duration(lambda duration: duration / (60 * _NS)),
    "Seconds": _of_duration(lambda duration: duration / _NS),
    "Milliseconds": _of_duration(lambda duration: int(duration / 1_000_000)),
    "Microseconds": _of_duration(lambda duration: int(duration / 1_000)),
    "Nanoseconds": _of_duration(int),
    "Abs": _of_duration(lambda duration: GoDuration(abs(duration))),
    "Round": _of_duration(lambda duration, to: duration.round(to), Kind.DURATION),
    "Truncate": _of_duration(lambda duration, to: duration.truncate(to), Kind.DURATION),
}
_NAMED: Final[Mapping[str, Callable[[Named], Function]]] = {
    "String": lambda named: Function(lambda: named.name),
}
_KEY_VALUES: Final[Mapping[str, Callable[[KeyValues], Function]]] = {
    "SortedPairs": lambda pairs: Function(pairs.sorted_pairs),
    "Names": lambda pairs: Function(pairs.names),
    "Values": lambda pairs: Function(pairs.values_of),
    "Remove": lambda pairs: Function(pairs.remove, (Kind.STRINGS,)),
}
_METHODS: Final[Sequence[tuple[type, Mapping[str, Callable[[Any], Function]]]]] = (
    (GoTime, _TIME),
    (GoDuration, _DURATION),
    (Named, _NAMED),
    (KeyValues, _KEY_VALUES),
)

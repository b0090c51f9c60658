"""The functions of Prometheus' templates that need nothing but their arguments."""

import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from veriscope.signals import Duration, InvalidInputError
from veriscope.templates.constants import quote
from veriscope.templates.functions.builtins import BUILTINS, escape_query
from veriscope.templates.functions.calls import CallError, Function, Kind
from veriscope.templates.functions.floats import spell
from veriscope.templates.functions.regular_expressions import matches, replace_all
from veriscope.templates.times import GoDuration, GoTime
from veriscope.templates.values import Listing, Record, SafeHtml, Value, type_name

_NS: Final = 1_000_000_000
_INT64: Final = 1 << 63
_LARGE: Final = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL: Final = ("m", "u", "n", "p", "f", "a", "z", "y")
_BINARY: Final = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_WORD_START: Final = re.compile(r"(?<!\w)\w")
_FLOAT: Final = re.compile(
    r"[+-]?(?:(?:\d(?:_?\d)*)?\.?(?:\d(?:_?\d)*)?(?:e[+-]?\d+)?|inf|infinity|nan"
    r"|0x[0-9a-f]*\.?[0-9a-f]*p[+-]?\d+)",
    re.IGNORECASE | re.ASCII,
)


def to_float(value: Value) -> float:
    """Return the number that *value* is or spells."""
    if isinstance(value, GoDuration):
        return value / _NS
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return float(value)
    if isinstance(value, str):
        return _parsed(value)
    raise CallError(f"can't convert {type_name(value)} to float")


def _parsed(text: str) -> float:
    refused = CallError(f'strconv.ParseFloat: parsing "{text}": invalid syntax')
    if _FLOAT.fullmatch(text) is None:
        raise refused
    try:
        found = float.fromhex(text) if "x" in text.lower() else float(text)
    except OverflowError:
        found = math.inf
    except ValueError:
        raise refused from None
    if math.isinf(found) and "inf" not in text.lower():
        raise CallError(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return found


def _short(value: float, unit: str = "") -> str:
    return spell(value, "g", 4) + unit


def humanize(value: Value) -> str:
    """Return a number with a metric prefix: 1234567 is 1.235M."""
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return _short(number)
    if abs(number) >= 1:
        return _scaled(number, _LARGE, 1000)
    return _tiny(number)


def _scaled(number: float, prefixes: Sequence[str], base: float) -> str:
    prefix = ""
    for larger in prefixes:
        if abs(number) < base:
            break
        prefix, number = larger, number / base
    return _short(number, prefix)


def _tiny(number: float, unit: str = "") -> str:
    prefix = ""
    for smaller in _SMALL:
        if abs(number) >= 1:
            break
        prefix, number = smaller, number * 1000
    return _short(number, prefix + unit)


def humanize1024(value: Value) -> str:
    """Return a number with a binary prefix: 1048576 is 1Mi."""
    number = to_float(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _short(number)
    return _scaled(number, _BINARY, 1024)


def humanize_duration(value: Value) -> str:
    """Return seconds as days, hours, minutes and seconds."""
    number = to_float(value)
    if not math.isfinite(number):
        return _short(number)
    if number == 0:
        return _short(number, "s")
    if abs(number) < 1:
        return _tiny(number, "s")
    sign, number = ("-", -number) if number < 0 else ("", number)
    if number < 60:  # noqa: PLR2004 - a minute: below, four digits of seconds
        return sign + _short(number, "s")
    whole = int(number) if number < _INT64 else -_INT64  # what Go's conversion comes to
    return sign + _clock(whole)


def _clock(whole: int) -> str:
    sign, size = (-1, -whole) if whole < 0 else (1, whole)
    minutes, seconds = divmod(size, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    fields = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    while not fields[0][0]:
        fields.pop(0)
    return " ".join(f"{sign * count}{unit}" for count, unit in fields)


def humanize_percentage(value: Value) -> str:
    """Return a ratio in percent."""
    return _short(to_float(value) * 100, "%")


def _moment(number: float) -> GoTime:
    if not -_INT64 <= number * 1e9 < _INT64:
        shown = spell(number, "g", None)
        message = "cannot be represented as a nanoseconds timestamp since it overflows int64"
        raise CallError(f"{shown} {message}")
    return GoTime(int(number * 1e9) // 1_000_000 * 1_000_000)


def humanize_timestamp(value: Value) -> str:
    """Return Unix seconds as a time in UTC."""
    number = to_float(value)
    return _moment(number).text() if math.isfinite(number) else _short(number)


def to_time(value: Value) -> GoTime:
    """Return the time of Unix seconds."""
    number = to_float(value)
    if not math.isfinite(number):
        raise CallError("value is NaN or Inf")
    return _moment(number)


def to_duration(value: Value) -> GoDuration:
    """Return the length of *value* seconds."""
    number = to_float(value)
    if not math.isfinite(number):
        raise CallError("value is NaN or Inf")
    if not -_INT64 <= number * 1e9 < _INT64:
        raise CallError(f"{spell(number, 'g', None)} seconds are more than a duration holds")
    return GoDuration(int(number * 1e9))


def title(text: str) -> str:
    """Return *text* with the first letter of each word in upper case."""
    return _WORD_START.sub(lambda letter: to_upper(letter[0]), text)


def to_upper(text: str) -> str:
    """Return *text* in upper case, letter by letter: `ß` stays, as in Go."""
    return "".join(big if len(big := letter.upper()) == 1 else letter for letter in text)


def to_lower(text: str) -> str:
    """Return *text* in lower case, letter by letter."""
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


def _split_port(address: str) -> tuple[str, str] | None:
    """Split host and port; None where Go's `net.SplitHostPort` sees none."""
    match = re.fullmatch(r"\[([^\[\]]*)\]:([^:\[\]]*)|([^:\[\]]*):([^:\[\]]*)", address, re.DOTALL)
    if match is None:
        return None
    return (match[1], match[2]) if match[1] is not None else (match[3], match[4])


def strip_port(address: str) -> str:
    """Return the host of *address*."""
    split = _split_port(address)
    return address if split is None else split[0]


def strip_domain(address: str) -> str:
    """Return *address* with the first part of its host only; an IP address stays."""
    host, port = _split_port(address) or (address, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = host.split(".")[0]
        if not port:
            return host
        return f"[{host}]:{port}" if ":" in host or "%" in host else f"{host}:{port}"
    return address


def _link(tab: int) -> Function:
    return Function(
        lambda expr: f"/graph?g0.expr={escape_query(expr)}&g0.tab={tab}", (Kind.STRING,)
    )


def _first(samples: Listing) -> Record:
    if not samples:
        raise CallError("first() called on vector with no elements")
    found: Record = samples[0]
    return found


def _sorted(label: str, samples: Listing) -> Listing:
    ordered = sorted(samples, key=lambda one: one.fields["Labels"].get(label, ""))
    return Listing(ordered, type_name=Kind.VECTOR)


def _parse_duration(text: str) -> float:
    try:
        return Duration.parse(text).seconds
    except InvalidInputError as error:
        fault = f"not a valid duration string: {quote(text)}" if text else "empty duration string"
        raise CallError(fault) from error


def _args(*values: Value) -> dict[str, Value]:
    return {f"arg{at}": value for at, value in enumerate(values)}


_TEXT: Final = (Kind.STRING,)
FUNCTIONS: Final[Mapping[str, Function]] = {
    **BUILTINS,
    "first": Function(_first, (Kind.VECTOR,)),
    "label": Function(
        lambda label, sample: sample.fields["Labels"].get(label, ""), (Kind.STRING, Kind.SAMPLE)
    ),
    "value": Function(lambda sample: sample.fields["Value"], (Kind.SAMPLE,)),
    "strvalue": Function(
        lambda sample: sample.fields["Labels"].get("__value__", ""), (Kind.SAMPLE,)
    ),
    "sortByLabel": Function(_sorted, (Kind.STRING, Kind.VECTOR)),
    "args": Function(_args, (), Kind.ANY),
    "safeHtml": Function(SafeHtml, _TEXT),
    "humanize": Function(humanize, (Kind.ANY,)),
    "humanize1024": Function(humanize1024, (Kind.ANY,)),
    "humanizeDuration": Function(humanize_duration, (Kind.ANY,)),
    "humanizePercentage": Function(humanize_percentage, (Kind.ANY,)),
    "humanizeTimestamp": Function(humanize_timestamp, (Kind.ANY,)),
    "toTime": Function(to_time, (Kind.ANY,)),
    "toDuration": Function(to_duration, (Kind.ANY,)),
    "parseDuration": Function(_parse_duration, _TEXT),
    "parseDurationTime": Function(
        lambda text: GoDuration(round(_parse_duration(text) * _NS)), _TEXT
    ),
    "title": Function(title, _TEXT),
    "toUpper": Function(to_upper, _TEXT),
    "toLower": Function(to_lower, _TEXT),
    "graphLink": _link(0),
    "tableLink": _link(1),
    "match": Function(matches, (Kind.STRING, Kind.STRING)),
    "reReplaceAll": Function(replace_all, (Kind.STRING, Kind.STRING, Kind.STRING)),
    "stripPort": Function(strip_port, _TEXT),
    "stripDomain": Function(strip_domain, _TEXT),
    "urlQueryEscape": Function(escape_query, _TEXT),
}

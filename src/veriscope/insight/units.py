"""Units: what a value measures, and how it is spelled; as the page does (`ui/src/format`)."""

import math
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

_IEC: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SI: Final = ("", "k", "M", "G", "T", "P", "E")
_SPANS: Final = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_MOST_FIGURES: Final = 15  # a double holds no more that mean something
_MINUTE_S: Final = 60
_SI_FROM: Final = 999.5


class Unit(StrEnum):
    """What a value measures; a `RATIO` is 0 to 1 and shown as a percentage."""

    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes/s"
    CELSIUS = "celsius"
    NUMBER = "number"
    PERCENT = "percent"
    PER_SECOND = "per second"
    RATIO = "ratio"
    SECONDS = "seconds"
    WATTS = "watts"


_BY_SUFFIX: Final = (
    ("_timestamp_seconds", Unit.NUMBER),
    ("_time_seconds", Unit.NUMBER),
    ("_seconds", Unit.SECONDS),
    ("_bytes", Unit.BYTES),
    ("_ratio", Unit.RATIO),
    ("_celsius", Unit.CELSIUS),
    ("_watts", Unit.WATTS),
    ("_percent", Unit.PERCENT),
)


def unit_of_name(name: str) -> Unit:
    """Return the unit that a metric's name carries in Prometheus' convention."""
    for suffix in ("_total", "_sum", "_bucket"):
        name = name.removesuffix(suffix)
    return next((unit for suffix, unit in _BY_SUFFIX if name.endswith(suffix)), Unit.NUMBER)


def one_unit(units: Iterable[Unit]) -> Unit:
    """Return the unit that all of *units* are, a plain number where they differ."""
    found = set(units)
    return found.pop() if len(found) == 1 else Unit.NUMBER


def format_value(value: float, unit: Unit, figures: int = 3) -> str:
    """Spell *value* with its unit, in ASCII and `°`; `-` where there is none."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return _SPELLINGS[unit](value, figures)


def format_ticks(values: Sequence[float], unit: Unit) -> list[str]:
    """Spell the ticks of an axis, with as many digits as their distance asks for."""
    step = abs(values[1] - values[0]) if len(values) > 1 else 0.0
    most = max(map(abs, values), default=0.0)
    # Two digits for the step itself, and as many as the greatest is longer than the step.
    figures = math.ceil(math.log10(most / step)) + 2 if step and most else 3
    return [format_value(value, unit, min(_MOST_FIGURES, max(3, figures))) for value in values]


def _digits(value: float, figures: int, most: int = 100) -> str:
    """Keep *figures* digits that mean something, and at most *most* right of the point."""
    size = abs(value)
    if not size:
        return "0"
    whole = math.floor(math.log10(size * (1 + 0.5 * 10**-figures))) + 1 if size >= 1 else 0
    text = f"{value:.{min(most, max(0, figures - whole))}f}"
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short == "-0" else short


def _scaled(value: float, base: int, names: Sequence[str], gap: str, figures: int) -> str:
    power, size = 0, abs(value)
    while size >= base - base / 2000 and power < len(names) - 1:
        size /= base
        power += 1
    return f"{_digits(value / base**power, figures)}{gap}{names[power]}".strip()


def _number(value: float, figures: int) -> str:
    if abs(value) >= _SI_FROM:
        return _scaled(value, 1000, _SI, "", figures)
    if 0 < abs(value) < 0.001:  # noqa: PLR2004 - a thousandth
        return f"{value:.2e}"
    return _digits(value, figures)


def _seconds(value: float, figures: int) -> str:
    size = abs(value)
    if size >= _MINUTE_S:
        return _long(value)
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us"), (1e9, "ns")):
        if size * factor >= 1 or not size:
            return f"{_digits(value * factor, figures)} {name}"
    return f"{value:.2e} s"


def _long(value: float) -> str:
    size = abs(value)
    at = next(at for at, (_, seconds) in enumerate(_SPANS) if size >= seconds)
    name, seconds = _SPANS[at]
    next_name, next_seconds = _SPANS[at + 1]
    rest = int(size % seconds // next_seconds)
    whole = f"{'-' if value < 0 else ''}{int(size // seconds)} {name}"
    return f"{whole} {rest} {next_name}" if rest else whole


_SPELLINGS: Final[dict[Unit, Callable[[float, int], str]]] = {
    Unit.BYTES: lambda value, figures: _scaled(value, 1024, _IEC, " ", figures),
    Unit.BYTES_PER_SECOND: lambda value, figures: f"{_scaled(value, 1024, _IEC, ' ', figures)}/s",
    Unit.CELSIUS: lambda value, figures: f"{_digits(value, figures)} °C",
    Unit.NUMBER: _number,
    Unit.PERCENT: lambda value, figures: f"{_digits(value, figures, figures - 1)} %",
    Unit.PER_SECOND: lambda value, figures: f"{_number(value, figures)}/s",
    Unit.RATIO: lambda value, figures: f"{_digits(value * 100, figures, figures - 1)} %",
    Unit.SECONDS: _seconds,
    Unit.WATTS: lambda value, figures: f"{_digits(value, figures)} W",
}

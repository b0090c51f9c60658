"""
Names of metrics, units and labels as Prometheus makes them of OpenTelemetry's.

The rules are those of Prometheus' otlptranslator (with its older unit mappings, which are its
default), and of OpenTelemetry's "Prometheus and OpenMetrics compatibility".
"""

import re
from enum import IntEnum
from typing import Final

from veriscope.signals import InvalidInputError
from veriscope.wire.otlp.metrics.options import OtlpOptions

_UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS: Final = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
# These patterns are ours and meet names of 1,024 bytes at most; a user's would be RE2's.
_NOT_OF_NAME: Final = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_OF_PLAIN_NAME: Final = re.compile(r"[^a-zA-Z0-9:_]+")
_NOT_OF_UNIT: Final = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_OF_LABEL: Final = re.compile(r"[^a-zA-Z0-9]")
_NOT_OF_LABEL_RUN: Final = re.compile(r"[^a-zA-Z0-9]+")
_RESERVED: Final = re.compile(r"__(.*)__", re.DOTALL)


class Kind(IntEnum):
    """The kinds of metrics of OTLP, as the kernels number them."""

    GAUGE = 0
    SUM = 1
    HISTOGRAM = 2
    EXPONENTIAL_HISTOGRAM = 3
    SUMMARY = 4


class Namer:
    """Names metrics and labels as the options want it."""

    def __init__(self, options: OtlpOptions) -> None:
        self._options = options
        self._strategy = options.translation_strategy

    def metric(self, name: str, unit: str, kind: Kind, *, is_monotonic: bool) -> str:
        """
        Return the name of a metric's series.

        Raises `InvalidInputError` where none is left of it.
        """
        is_counter = kind is Kind.SUM and is_monotonic
        is_ratio = kind is Kind.GAUGE and unit == "1"
        if not self._strategy.escapes:
            made = self._suffixed(name, unit, is_counter=is_counter, is_ratio=is_ratio)
        elif self._strategy.adds_suffixes:
            made = _escaped(name, unit, is_counter=is_counter, is_ratio=is_ratio)
        else:
            made = _not_a_digit("_".join(filter(None, _NOT_OF_PLAIN_NAME.split(name))))
        if not made or (self._strategy.escapes and made != name and not made.strip("_")):
            raise InvalidInputError(
                f"the name {name[:80]!r} of a metric leaves no name for a series"
            )
        return made

    def label(self, name: str) -> str:
        """Return the label of an attribute; raises `InvalidInputError` where none is left."""
        if not name:
            raise InvalidInputError("an attribute has an empty key")
        if not self._strategy.escapes:
            return name
        if self._options.label_name_preserve_multiple_underscores:
            made = _NOT_OF_LABEL.sub("_", name)
        elif reserved := _RESERVED.fullmatch(name):
            made = f"__{_NOT_OF_LABEL_RUN.sub('_', reserved[1])}__"
        else:
            made = _NOT_OF_LABEL_RUN.sub("_", name)
        sanitizes = self._options.label_name_underscore_sanitization
        if made[0].isdigit():
            made = f"key_{made}"
        elif sanitizes and made[0] == "_" and not made.startswith("__"):
            made = f"key{made}"
        if made != name and not made.strip("_"):
            raise InvalidInputError(f"the attribute {name[:80]!r} leaves no name for a label")
        return made

    def unit(self, unit: str) -> str:
        """Return the unit of a metric as metadata has it, such as `bytes_per_second`."""
        return "_".join(filter(None, map(_clean, _suffixes(unit)))).strip("_")

    def _suffixed(self, name: str, unit: str, *, is_counter: bool, is_ratio: bool) -> str:
        if not self._strategy.adds_suffixes:
            return name
        main, per = _suffixes(unit)
        last = "ratio" if is_ratio else "total" if is_counter else ""
        for suffix in filter(None, (last, per)):
            if name.endswith(suffix) and len(name) > len(suffix) + 1:
                name = name[: -len(suffix) - 1]
        if main and not name.endswith(main):
            name = f"{name}_{main}"
        return "_".join(filter(None, (name, per, last)))


def _escaped(name: str, unit: str, *, is_counter: bool, is_ratio: bool) -> str:
    tokens = list(filter(None, _NOT_OF_NAME.split(name)))
    main, per = map(_clean, _suffixes(unit))
    if main in tokens:
        main = ""
    per = "" if per == "per_" else per.removesuffix("_")
    if per in tokens:
        per = ""
    if per:
        main = main.removesuffix("_")
    tokens += filter(None, (main, per))
    for applies, suffix in ((is_counter, "total"), (is_ratio, "ratio")):
        if applies:
            tokens = [*(token for token in tokens if token != suffix), suffix]
    return _not_a_digit("_".join(tokens))


def _not_a_digit(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name


def _suffixes(unit: str) -> tuple[str, str]:
    """Return what *unit* adds to a name: the unit, and `per_…`; `""` where there is none."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if "{" in main or "}" in main else _UNITS.get(main, main)
    per = "" if "{" in per or "}" in per else _PER_UNITS.get(per, per)
    return main, f"per_{per}" if per else ""


def _clean(unit: str) -> str:
    return _NOT_OF_UNIT.sub("_", unit).removeprefix("_")

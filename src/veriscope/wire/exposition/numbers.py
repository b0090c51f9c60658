"""Numbers as Go reads and writes them, which is what exposition formats mean by a number."""

import math
from decimal import Decimal

from veriscope.wire.exposition.columns import ExpositionError

_SPECIAL = {math.inf: "+Inf", -math.inf: "-Inf"}
_PLAIN_EXPONENTS = range(-4, 6)
_MAX_TIMESTAMP_MS = 1 << 62


def to_float(text: bytes) -> float:
    """Read a sample value; raises `ExpositionError` for what Prometheus would not read."""
    if b"_" in text:
        raise ExpositionError(f"{_shown(text)} is not a number")
    try:
        return float(text)
    except ValueError as error:
        raise ExpositionError(f"{_shown(text)} is not a number") from error


def to_timestamp_ms(text: bytes) -> int:
    """Read a timestamp in whole milliseconds, as the Prometheus text format has it."""
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not digits.isdigit() or abs(int(text)) > _MAX_TIMESTAMP_MS:
        raise ExpositionError(f"{_shown(text)} is not a timestamp in milliseconds")
    return int(text)


def seconds_to_timestamp_ms(text: bytes) -> int:
    """Read a timestamp in seconds with a fraction, as OpenMetrics has it."""
    seconds = to_float(text)
    if not abs(seconds) * 1000 < _MAX_TIMESTAMP_MS:
        raise ExpositionError(f"{_shown(text)} is not a timestamp in seconds")
    return int(seconds * 1000)


def canonical_bound(number: float) -> str:
    """
    Spell a bucket bound or quantile as Prometheus 3 stores it: `1.0`, `0.5`, `1e+06`, `+Inf`.

    Go's `strconv.FormatFloat(number, 'g', -1, 64)` with `.0` after whole numbers.
    """
    if math.isnan(number):
        return "NaN"
    if number in _SPECIAL:
        return _SPECIAL[number]
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    point = len(digits) + int(exponent)
    minus = "-" if sign else ""
    if number and point - 1 not in _PLAIN_EXPONENTS:
        return minus + _scientific("".join(map(str, digits)), point - 1)
    text = format(Decimal(repr(abs(number))).normalize(), "f")
    return minus + (text if "." in text else f"{text}.0")


def _scientific(digits: str, exponent: int) -> str:
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _shown(text: bytes) -> str:
    return repr(text[:60].decode(errors="replace").strip())

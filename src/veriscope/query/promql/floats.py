"""Numbers as Prometheus prints them: the shortest digits that round-trip."""

import math
from decimal import Decimal
from typing import Final

_GENERAL_BELOW: Final = 1e6
_GENERAL_FROM: Final = 1e-4
"""The sizes between which Go's `%g` writes no exponent."""


def format_float(value: float) -> str:
    """Return *value* as Go's `strconv.FormatFloat(value, 'f', -1, 64)` does."""
    if value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return "NaN"
    if value in {math.inf, -math.inf}:
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def format_general(value: float) -> str:
    """Return *value* as Go's verb `%g` prints it: shortest digits, large and small ones `e`."""
    text = format_float(value)
    if not math.isfinite(value) or value == 0 or _GENERAL_FROM <= abs(value) < _GENERAL_BELOW:
        return text
    return format_exponent(value)


def format_exponent(value: float) -> str:
    """Return *value* as Go's verb `%e` prints its shortest digits, such as `1.25e+01`."""
    if not math.isfinite(value):
        return format_float(value)
    digits = Decimal(repr(value)).normalize().as_tuple().digits
    mantissa, exponent = f"{value:.{len(digits) - 1}e}".split("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].zfill(2)}"


def format_fixed(value: float) -> str:
    """Return *value* as Go's verb `%f` prints it: six digits after the point."""
    return f"{value:f}" if math.isfinite(value) else format_float(value)

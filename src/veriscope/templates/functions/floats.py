"""Floats as Go's `strconv.FormatFloat` spells them."""

import math
from typing import Final

_SHORTEST_LIMIT: Final = 6
"""From this exponent on the shortest spelling has an exponent: 1e+06."""


def special(value: float) -> str | None:
    """Return the name of a value that is no number or infinite."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None


def spell(value: float, verb: str, precision: int | None) -> str:
    """
    Return *value* by *verb*, one of e E f F g G.

    Without a *precision* it has the fewest digits that tell it from its neighbours.
    """
    if (name := special(value)) is not None:
        return name
    verb = verb.replace("F", "f")
    if precision is not None:
        return format(value, f".{precision}{verb}")
    sign, digits, exponent = parts(value)
    if verb == "f" or (verb in "gG" and -4 <= exponent < _SHORTEST_LIMIT):  # noqa: PLR2004 - as C
        return sign + _fixed(digits, exponent)
    return sign + _scientific(digits, exponent, "e" if verb in "eg" else "E")


def parts(value: float) -> tuple[str, str, int]:
    """Return sign, shortest digits and decimal exponent of a finite *value*."""
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = len(whole) - 1 + int(power or 0)
    if whole == "0":
        exponent -= len(fraction) - len(fraction.lstrip("0")) + 1
    digits = (whole + fraction).strip("0")
    return (sign, digits, exponent) if digits else (sign, "0", 0)


def _fixed(digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    if exponent + 1 >= len(digits):
        return digits.ljust(exponent + 1, "0")
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def _scientific(digits: str, exponent: int, letter: str) -> str:
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{point}{letter}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def hexadecimal(value: float, verb: str) -> str:
    """Return *value* by the verbs x and X: 0x1.8p+00."""
    if (name := special(value)) is not None:
        return name
    mantissa, _, power = value.hex().partition("p")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    exponent = int(power)
    if whole.endswith("0x0") and fraction:  # subnormal: Go has a leading 1
        sign = "-" if value < 0 else ""
        number, bits = int(fraction, 16), 4 * len(fraction)
        shift = bits - number.bit_length() + 1
        exponent -= shift
        rest = (number << shift) - (1 << bits)
        whole, fraction = f"{sign}0x1", f"{rest:0{len(fraction)}x}".rstrip("0")
    point = f".{fraction}" if fraction else ""
    spelled = f"{whole}{point}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return spelled.upper() if verb == "X" else spelled

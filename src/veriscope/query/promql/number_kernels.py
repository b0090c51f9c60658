"""
Compiled writers of numbers as text: the shortest digits that read back as the same float.

The digits are found as in "The Schubfach way to render doubles" (Raffaello Giulietti, 2022):
two candidates of the float's own precision, or of one digit less, and exact bounds of what
rounds to it, by products with 128-bit powers of ten.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled

LONGEST_FLOAT: Final = 26
"""Bytes that no float's text exceeds: `-0.0000012345678901234567`."""
LONGEST_TIME: Final = 24
"""Bytes that no time's text exceeds."""

_FIRST_POWER: Final = -292
_LAST_POWER: Final = 324
_MASK: Final = 2**64 - 1


def _powers_of_ten() -> NDArray[np.uint64]:
    """Return the upper 128 bits of each power, rounded up, as high and low halves."""
    rows = []
    for power in range(_FIRST_POWER, _LAST_POWER + 1):
        if power >= 0:
            excess = (10**power).bit_length() - 128
            bits = -(-(10**power) >> excess) if excess > 0 else 10**power << -excess
        else:
            divisor = 10**-power
            shift = 127 + divisor.bit_length()
            bits = -(-(1 << shift) // divisor)
        rows.append((bits >> 64, bits & _MASK))
    return np.array(rows, dtype=np.uint64)


_POWERS: Final = _powers_of_ten()
_DECADES: Final = np.array([10**power for power in range(20)], dtype=np.uint64)
_PAIRS: Final = np.frombuffer(b"".join(b"%02d" % pair for pair in range(100)), np.uint8)
"""The digits of the numbers below a hundred."""

# A literal is a signed number, and with an unsigned one it makes a float.
_0: Final = np.uint64(0)
_1: Final = np.uint64(1)
_2: Final = np.uint64(2)
_4: Final = np.uint64(4)
_10: Final = np.uint64(10)
_100: Final = np.uint64(100)
_32: Final = np.uint64(32)
_40: Final = np.uint64(40)
_LOW: Final = np.uint64(2**32 - 1)
_FRACTION: Final = np.uint64(2**52 - 1)
_HIDDEN: Final = np.uint64(2**52)
_EXACT: Final = 2.0**53
_FEW_DIGITS: Final = 1e15
"""Decimal numbers of no more digits than this one's are all different as floats."""

_MINUS, _POINT, _ZERO, _E, _PLUS = b"-.0e+"


@compiled
def write_float(out: NDArray[np.uint8], at: int, value: float) -> int:
    """
    Write *value* at `out[at:]` as Prometheus' API does; return the place after it.

    As Go's `strconv` does with the shortest digits: without an exponent from 1e-6 to below 1e21,
    with one outside; `NaN`, `+Inf` and `-Inf`.
    """
    if not np.isfinite(value):
        return _write_odd(out, at, value)
    if np.signbit(value):
        out[at] = _MINUS
        at += 1
        value = -value
    if value < _EXACT and value == np.floor(value):
        return write_whole(out, at, np.uint64(value))
    digits, exponent = _few_digits(value)
    if digits == _0:
        digits, exponent = _shortest(value)
    while digits % _10 == _0:
        digits //= _10
        exponent += 1
    count = _count_digits(digits)
    point = count + exponent
    if value < 1e-6 or value >= 1e21:
        return _write_scientific(out, at, digits, count, point - 1)
    if point <= 0:
        out[at], out[at + 1] = _ZERO, _POINT
        for _ in range(-point):
            out[at + 2] = _ZERO
            at += 1
        _write_digits(out, at + 2, digits, count)
        return at + 2 + count
    if exponent >= 0:
        _write_digits(out, at, digits, count)
        for place in range(at + count, at + point):
            out[place] = _ZERO
        return at + point
    # The digits behind the point, one place further than where they belong, then those before.
    scale = _DECADES[-exponent]
    whole = digits // scale
    _write_digits(out, at + point + 1, digits - whole * scale, -exponent)
    out[at + point] = _POINT
    _write_digits(out, at, whole, point)
    return at + count + 1


@compiled
def write_whole(out: NDArray[np.uint8], at: int, number: np.uint64) -> int:
    """Write a whole number at `out[at:]`; return the place after it."""
    count = _count_digits(number)
    _write_digits(out, at, number, count)
    return at + count


@compiled
def write_time(out: NDArray[np.uint8], at: int, time_ms: int) -> int:
    """Write *time_ms* in seconds, with three decimals where they are not zero."""
    if time_ms < 0:
        out[at] = _MINUS
        at += 1
        time_ms = -time_ms
    at = write_whole(out, at, np.uint64(time_ms // 1000))
    if time_ms % 1000:
        out[at] = _POINT
        _write_digits(out, at + 1, np.uint64(time_ms % 1000), 3)
        at += 4
    return at


@compiled
def _write_odd(out: NDArray[np.uint8], at: int, value: float) -> int:
    text = b"NaN"
    if not np.isnan(value):
        text = b"Inf"
        out[at] = _PLUS if value > 0 else _MINUS
        at += 1
    for letter in text:
        out[at] = letter
        at += 1
    return at


@compiled
def _write_scientific(
    out: NDArray[np.uint8], at: int, digits: np.uint64, count: int, power: int
) -> int:
    _write_digits(out, at + 1, digits, count)
    out[at] = out[at + 1]
    at += 1
    if count > 1:
        out[at] = _POINT
        at += count
    out[at] = _E
    out[at + 1] = _MINUS if power < 0 else _PLUS
    size = abs(power)
    width = 3 if size >= 100 else 2
    _write_digits(out, at + 2, np.uint64(size), width)
    return at + 2 + width


@compiled
def _write_digits(out: NDArray[np.uint8], at: int, number: np.uint64, count: int) -> None:
    """Write the last *count* digits of *number*, two at a time."""
    place = at + count
    while place >= at + 2:
        rest = number // _100
        pair = np.int64(number - rest * _100)
        place -= 2
        out[place], out[place + 1] = _PAIRS[2 * pair], _PAIRS[2 * pair + 1]
        number = rest
    if place > at:
        out[at] = _ZERO + np.int64(number % _10)


@compiled
def _count_digits(number: np.uint64) -> int:
    count = 16 if number >= _DECADES[15] else 1
    while count < 20 and number >= _DECADES[count]:
        count += 1
    return count


@compiled
def _few_digits(value: float) -> tuple[np.uint64, int]:
    """Return *value* as digits and a power of ten where three decimals are enough, else 0."""
    scaled = np.rint(value * 1000)
    if 0 < scaled < _FEW_DIGITS and scaled / 1000 == value:
        return np.uint64(scaled), -3
    return _0, 0


@compiled
def _shortest(value: float) -> tuple[np.uint64, int]:
    """Return the digits and the power of ten of the shortest decimal that rounds to *value*."""
    bits = np.float64(value).view(np.uint64)
    fraction = bits & _FRACTION
    biased = np.int64(bits >> np.uint64(52))
    mantissa = fraction | _HIDDEN if biased else fraction
    binary = max(np.int64(1), biased) - 1075
    # Below a power of two, floats lie closer.
    uneven = fraction == _0 and biased > 1
    power = int((binary * 1262611 - (524031 if uneven else 0)) >> 22)
    shift = np.uint64(binary + ((-power * 1741647) >> 19) + 1)
    high = _POWERS[-power - _FIRST_POWER, 0]
    low = _POWERS[-power - _FIRST_POWER, 1]
    middle = _4 * mantissa
    lower = _product(high, low, (middle - (_1 if uneven else _2)) << shift)
    scaled = _product(high, low, middle << shift)
    upper = _product(high, low, (middle + _2) << shift)
    # Bounds themselves round to an even mantissa only.
    odd = mantissa & _1
    lower += odd
    upper -= odd
    digits = scaled // _4
    if digits >= _10:
        fewer = digits // _10
        below = lower <= _40 * fewer
        above = _40 * fewer + _40 <= upper
        if below != above:
            return fewer + (_1 if above else _0), power + 1
    below = lower <= _4 * digits
    above = _4 * digits + _4 <= upper
    if below != above:
        return digits + (_1 if above else _0), power
    half = _4 * digits + _2
    up = scaled > half or (scaled == half and digits & _1 == _1)
    return digits + (_1 if up else _0), power


@compiled
def _product(high: np.uint64, low: np.uint64, factor: np.uint64) -> np.uint64:
    """Return the upper part of a 128-bit number times *factor*; its last bit: whether inexact."""
    rest = high * factor + _upper(low, factor)
    result = _upper(high, factor) + (_1 if rest < _upper(low, factor) else _0)
    return result | (_1 if rest > _1 else _0)


@compiled
def _upper(left: np.uint64, right: np.uint64) -> np.uint64:
    """Return the upper 64 bits of a product."""
    left_low, left_high = left & _LOW, left >> _32
    right_low, right_high = right & _LOW, right >> _32
    first, second = left_low * right_high, left_high * right_low
    carry = ((left_low * right_low) >> _32) + (first & _LOW) + (second & _LOW)
    return left_high * right_high + (first >> _32) + (second >> _32) + (carry >> _32)

"""Numbers as Prometheus prints them: the shortest digits that round-trip, never an exponent."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_EXACT_INTEGERS: Final = 2.0**53
_ARROW_FROM: Final = 1e-5
_ARROW_BELOW: Final = 1e9
"""The sizes between which Arrow writes a float without an exponent."""


def format_float(value: float) -> str:
    """Return *value* as Go's `strconv.FormatFloat(value, 'f', -1, 64)` does."""
    if value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return "NaN"
    if value in {np.inf, -np.inf}:
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def format_floats(values: NDArray[np.float64]) -> pa.Array:
    """Return `format_float` of each of *values*, in one Arrow string column."""
    size = np.abs(values)
    whole = (np.trunc(values) == values) & (size < _EXACT_INTEGERS)
    whole &= ~((values == 0) & np.signbit(values))
    if whole.all():
        return _integers(values)
    text = pc.cast(pa.array(values), pa.string())
    # Beyond these bounds Arrow writes an exponent, and Python somewhat later.
    small = (size < _ARROW_BELOW) & (size >= _ARROW_FROM) | (size == 0)
    medium = ~small & (size >= _ARROW_BELOW) & (size < _EXACT_INTEGERS)
    text = _replace(text, medium & whole, values, _integers)
    text = _replace(text, medium & ~whole, values, lambda found: list(map(repr, found.tolist())))
    other = ~small & ~medium
    return _replace(text, other, values, lambda found: list(map(format_float, found.tolist())))


def _replace(
    text: pa.Array,
    where: NDArray[np.bool_],
    values: NDArray[np.float64],
    spell: Callable[[NDArray[np.float64]], Sequence[str] | pa.Array],
) -> pa.Array:
    if not where.any():
        return text
    return pc.replace_with_mask(text, pa.array(where), pa.array(spell(values[where]), pa.string()))


def _integers(values: NDArray[np.float64]) -> pa.Array:
    return pc.cast(pa.array(values.astype(np.int64)), pa.string())

"""Functions of each value by itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.functions.invocation import Invocation, Scalar
from veriscope.query.promql.vectors import drop_names, merged
from veriscope.signals import Matrix

Elementwise = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def sgn(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -1, 0 or 1; NaN for NaN."""
    return np.sign(values)


UNARY: Final[dict[str, Elementwise]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * np.pi / 180,
    "sgn": sgn,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def elementwise(function: Elementwise) -> Callable[[Invocation], Matrix]:
    """Return the PromQL function that applies *function* to each value."""

    def apply(call: Invocation) -> Matrix:
        vector = call.floats(0)
        return merged(drop_names(replace(vector, values=function(vector.values))))

    return apply


def round_(call: Invocation) -> Matrix:
    """Round to the nearest multiple of the second argument (default 1), halves up."""
    vector = call.floats(0)
    nearest = call.scalar(1) if len(call.args) > 1 else np.ones(len(call.grid))
    # Prometheus multiplies by the inverse, which rounds differently from a division.
    inverse = 1.0 / nearest
    values = np.floor(vector.values * inverse + 0.5) / inverse
    return merged(drop_names(replace(vector, values=values)))


def clamp(call: Invocation) -> Matrix:
    """Limit values to `[low, high]`; no points on steps where low is above high."""
    vector, low, high = call.floats(0), call.scalar(1), call.scalar(2)
    values = _greater(low, _lesser(high, vector.values))
    present = vector.present & ~(low > high)
    return merged(drop_names(replace(vector, values=values, present=present)))


def clamp_min(call: Invocation) -> Matrix:
    """Limit values from below."""
    vector = call.floats(0)
    return merged(drop_names(replace(vector, values=_greater(call.scalar(1), vector.values))))


def clamp_max(call: Invocation) -> Matrix:
    """Limit values from above."""
    vector = call.floats(0)
    return merged(drop_names(replace(vector, values=_lesser(call.scalar(1), vector.values))))


def max_of(call: Invocation) -> Scalar:
    """Return the greater of two scalars at each step."""
    return _greater(call.scalar(0), call.scalar(1))


def min_of(call: Invocation) -> Scalar:
    """Return the lesser of two scalars at each step."""
    return _lesser(call.scalar(0), call.scalar(1))


def _greater(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the greater one as Go's `math.Max`: +Inf even beside NaN, 0 rather than -0."""
    greater = np.where(np.isposinf(left) | np.isposinf(right), np.inf, np.maximum(left, right))
    return np.where((left == 0) & (right == 0), left + right, greater)


def _lesser(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lesser one as Go's `math.Min`: -Inf even beside NaN, -0 rather than 0."""
    return -_greater(-left, -right)

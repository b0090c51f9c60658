"""The binary operators on numbers, whatever their sides are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ast import COMPARISONS
from veriscope.query.promql.vectors import drop_names, merged
from veriscope.signals import Matrix

OPERATIONS: Final[dict[str, Callable[..., NDArray[np.generic]]]] = {
    "!=": np.not_equal,
    "%": np.fmod,
    "*": np.multiply,
    "+": np.add,
    "-": np.subtract,
    "/": np.divide,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "^": np.power,
    "atan2": np.arctan2,
}


def on_scalars(
    op: str, left: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `left op right`; comparisons give 1 and 0."""
    return OPERATIONS[op](left, right).astype(np.float64)


def on_vector_and_scalar(
    op: str,
    vector: Matrix,
    scalar: NDArray[np.float64],
    *,
    return_bool: bool,
    swapped: bool,
) -> Matrix:
    """
    Return `vector op scalar`, or `scalar op vector` where *swapped*.

    A comparison keeps the vector's points for which it holds, unless *return_bool*.
    """
    left, right = (scalar, vector.values) if swapped else (vector.values, scalar)
    result = OPERATIONS[op](left, right)
    if op in COMPARISONS and not return_bool:
        return merged(replace(vector, present=vector.present & result.astype(np.bool_)))
    return merged(drop_names(replace(vector, values=result.astype(np.float64))))

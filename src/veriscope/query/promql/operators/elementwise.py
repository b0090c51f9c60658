"""The binary operators on numbers, whatever their sides are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ast import COMPARISONS
from veriscope.query.promql.histograms.annotations import Remarks
from veriscope.query.promql.histograms.operators import TRIMS, on_scalar
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
    remarks: Remarks,
) -> Matrix:
    """
    Return `vector op scalar`, or `scalar op vector` where *swapped*.

    A comparison keeps the vector's points for which it holds, unless *return_bool*. What there
    is to say of histograms goes to *remarks*.
    """
    left, right = (scalar, vector.values) if swapped else (vector.values, scalar)
    filters = op in COMPARISONS and not return_bool
    if op in TRIMS:
        answer = vector
    else:
        result = OPERATIONS[op](left, right)
        if filters:
            answer = replace(vector, present=vector.present & result.astype(np.bool_))
        else:
            answer = replace(vector, values=result.astype(np.float64))
    if vector.histograms is not None or op in TRIMS:
        answer = on_scalar(
            op,
            vector,
            scalar,
            answer,
            return_bool=return_bool,
            swapped=swapped,
            remarks=remarks,
        )
    return merged(answer if filters or op in TRIMS else drop_names(answer))

"""Sums that do not lose digits, as Prometheus' Kahan-Neumaier summation does not."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_CANCELLING: Final = 128.0
"""
How much larger than the sum the summands may be before plain summation is not good enough.

Pairwise summation errs by less than about 32 ulp of the summands' total size, which is less
than 1e-12 of the sum below this ratio.
"""


def cancels(total: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where *total* may have lost digits, *size* being the sum of absolute values."""
    return np.isfinite(size) & (size > _CANCELLING * np.abs(total))


def compensated_sum(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Sum *terms* along the last axis, adding back what each addition rounds away.

    Terms are added pairwise with Knuth's TwoSum, which yields each addition's exact error.
    """
    errors = np.zeros(terms.shape[:-1])
    while (count := terms.shape[-1]) > 1:
        if count % 2:
            terms = np.concatenate((terms, np.zeros((*terms.shape[:-1], 1))), axis=-1)
        left, right = terms[..., 0::2], terms[..., 1::2]
        total = left + right
        shifted = total - left
        errors += ((left - (total - shifted)) + (right - shifted)).sum(axis=-1)
        terms = total
    if not terms.shape[-1]:
        return errors
    result: NDArray[np.float64] = terms[..., 0] + errors
    return result

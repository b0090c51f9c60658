"""Columns of numbers as Prometheus prints them."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.query.promql.answer_kernels import write_texts
from veriscope.query.promql.number_kernels import LONGEST_FLOAT
from veriscope.query.promql.threads import frozen


def format_floats(values: NDArray[np.float64]) -> pa.Array:
    """
    Return each of *values* as Prometheus' API writes it, in one Arrow string column.

    The shortest digits that round-trip; without an exponent from 1e-6 to below 1e21.
    """
    out = np.empty(len(values) * LONGEST_FLOAT, dtype=np.uint8)
    bounds = np.zeros(len(values) + 1, dtype=np.int32)
    size = write_texts(frozen(np.asarray(values, dtype=np.float64)), out, bounds)
    return pa.StringArray.from_buffers(
        len(values), pa.py_buffer(bounds), pa.py_buffer(out[:size].tobytes())
    )

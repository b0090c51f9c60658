"""Binary operators, by the types of their sides."""

from functools import partial

import numpy as np

from veriscope.query.promql.ast import SET_OPERATORS, Binary
from veriscope.query.promql.functions.invocation import Notes, Value, as_scalar
from veriscope.query.promql.histograms.annotations import At
from veriscope.query.promql.operators.elementwise import on_scalars, on_vector_and_scalar
from veriscope.query.promql.operators.matching import on_sets, on_vectors
from veriscope.signals import Matrix


def combined(expr: Binary, left: Value, right: Value, max_samples: int, notes: Notes) -> Value:
    """Return `left op right`; see `matching` for what two vectors may not do."""
    remarks = At(notes, expr.span)
    if isinstance(left, Matrix) and isinstance(right, Matrix):
        if expr.op in SET_OPERATORS:
            return on_sets(expr, left, right)
        return on_vectors(expr, left, right, max_samples, remarks)
    with_scalar = partial(on_vector_and_scalar, return_bool=expr.return_bool, remarks=remarks)
    if isinstance(left, Matrix) and isinstance(right, np.ndarray):
        return with_scalar(expr.op, left, right, swapped=False)
    if isinstance(left, np.ndarray) and isinstance(right, Matrix):
        return with_scalar(expr.op, right, left, swapped=True)
    return on_scalars(expr.op, as_scalar(left), as_scalar(right))

"""
Functions of histograms: of native ones, see `histograms.estimates`, and of classic ones.

Classic histograms are series with an upper bound in label `le`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.floats import format_float, format_general
from veriscope.query.promql.functions import bucket_kernels as kernels
from veriscope.query.promql.functions.invocation import Invocation, Scalar
from veriscope.query.promql.histograms import estimates
from veriscope.query.promql.histograms.points import floats_only
from veriscope.query.promql.operators.groups import Projection, group_rows
from veriscope.query.promql.threads import frozen
from veriscope.query.promql.vectors import drop_names, merged, without_empty, without_metadata
from veriscope.signals import METRIC_NAME, Labels, LabelSets, Matrix, label_value, to_labels

_BOUND: Final = "le"


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Which rows of a vector are the buckets of which histogram."""

    labels: LabelSets
    """Those of the histograms."""
    order: NDArray[np.int64]
    """Rows by histogram and rising upper bound."""
    bounds: NDArray[np.float64]
    """Their upper bounds."""
    starts: NDArray[np.int64]
    """Where each histogram begins in `order`, and the end of the last."""
    malformed: tuple[Labels, ...]
    """The label sets that are no bucket's."""


def histogram_quantile(call: Invocation) -> Matrix:
    """
    Return the quantile of each histogram, assuming even spread inside each bucket.

    NaN without observations or without a `+Inf` bucket; -Inf where the quantile asked for is
    below 0, +Inf where it is above 1.
    """
    return merged(_quantiles(call, call.scalar(0), asked=0, of=1))


def histogram_quantiles(call: Invocation) -> Matrix:
    """Return several quantiles of each histogram, told apart by a label of that name."""
    name = call.text(1)
    if not name:
        raise ExecutionError('invalid label name ""')
    found = []
    for position in range(2, len(call.args)):
        q = call.scalar(position)
        measured = merged(_quantiles(call, q, asked=position, of=0))
        found += [_marked(measured, name, q, value) for value in np.unique(q).tolist()]
    return merged(estimates.stacked(found))


def of_native_histograms(function: str) -> Callable[[Invocation], Matrix]:
    """Return a function that takes native histograms alone, such as `histogram_count`."""
    return lambda call: merged(drop_names(estimates.of_histograms(function, call.vector(0))))


def _marked(vector: Matrix, name: str, q: Scalar, value: float) -> Matrix:
    """Return *vector* on the steps where *q* is *value*, which becomes the label *name*."""
    spelled = format_float(value)
    spelled = f"{spelled}.0" if spelled.lstrip("-").isdigit() else spelled
    labels = LabelSets([to_labels({**dict(row), name: spelled}) for row in vector.labels])
    same = np.isnan(q) if np.isnan(value) else q == value
    return replace(vector, labels=labels, present=vector.present & same)


def _quantiles(call: Invocation, q: Scalar, *, asked: int, of: int) -> Matrix:
    for value in np.unique(q[~((q >= 0) & (q <= 1))]).tolist():
        call.warn(f"quantile value should be between 0 and 1, got {format_general(value)}", asked)
    vector = estimates.without_conflicts(call.vector(of), call.remarks(of))
    native = estimates.quantile(vector, q, call.remarks(asked))
    classic = _of_each_histogram(call, of, floats_only(vector), kernels.QUANTILE, q)
    return estimates.stacked((drop_names(native), classic))


def histogram_fraction(call: Invocation) -> Matrix:
    """Return the share of observations in `(lower, upper]`, assuming even spread in buckets."""
    lower, upper = call.scalar(0), call.scalar(1)
    vector = estimates.without_conflicts(call.vector(2), call.remarks(2))
    native = estimates.fraction(vector, lower, upper, call.remarks(0))
    classic = _of_each_histogram(call, 2, floats_only(vector), kernels.FRACTION, lower, upper)
    return merged(estimates.stacked((drop_names(native), classic)))


def _of_each_histogram(
    call: Invocation, position: int, vector: Matrix, op: int, *numbers: Scalar
) -> Matrix:
    """Return what *op* of `bucket_kernels` gives for each classic histogram of an argument."""
    vector = without_empty(vector)
    layout = vector.labels.derived(_layout, _layout)
    for labels in layout.malformed:
        name, bad = label_value(labels, METRIC_NAME), label_value(labels, _BOUND)
        call.warn(
            f'bucket label "le" is missing or has a malformed value of "{bad}"'
            + (f' for metric name "{name}"' if name else ""),
            position,
        )
    shape = (len(layout.labels), len(call.grid))
    values, present = np.empty(shape), np.empty(shape, dtype=np.bool_)
    forced = kernels.measure_groups(
        op,
        frozen(vector.values),
        frozen(vector.present),
        frozen(layout.order),
        frozen(layout.bounds),
        frozen(layout.starts),
        frozen(numbers[0]),
        frozen(numbers[-1]),
        values,
        present,
    )
    if forced:
        call.inform(
            "input to histogram_quantile needed to be fixed for monotonicity (see "
            "https://prometheus.io/docs/prometheus/latest/querying/functions/"
            "#histogram_quantile)",
            position,
        )
    return merged(Matrix(layout.labels, call.grid, values, present))


def _layout(labels: LabelSets) -> _Layout:
    parsed = [_upper_bound(row) for row in labels]
    usable = np.array([row for row, bound in enumerate(parsed) if bound is not None], dtype=int)
    bounds = np.array([bound for bound in parsed if bound is not None], dtype=np.float64)
    # Two metrics are two histograms, though without their names they may have the same labels.
    groups = group_rows([labels[row] for row in usable], Projection(frozenset({_BOUND}), drop=True))
    order = np.lexsort((bounds, groups.ids))
    return _Layout(
        labels=LabelSets([without_metadata(row) for row in groups.labels]),
        order=usable[order],
        bounds=bounds[order],
        starts=np.searchsorted(groups.ids[order], np.arange(len(groups) + 1)),
        malformed=tuple([labels[row] for row, bound in enumerate(parsed) if bound is None]),
    )


def _upper_bound(labels: Labels) -> float | None:
    """Return the number in `le`; None where there is none."""
    text = label_value(labels, _BOUND)
    if text != text.strip() or "_" in text:  # which Python reads, and Go does not
        return None
    try:
        return float(text)
    except ValueError:
        return None

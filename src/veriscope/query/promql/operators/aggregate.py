"""Aggregations over series, by their operator."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from veriscope.query.promql.ast import Aggregate
from veriscope.query.promql.doubts import doubt_quantile, doubt_ratio
from veriscope.query.promql.functions.invocation import Notes, Value, as_scalar
from veriscope.query.promql.histograms import aggregations as native
from veriscope.query.promql.histograms.annotations import At
from veriscope.query.promql.histograms.estimates import stacked
from veriscope.query.promql.histograms.points import floats_only, present_in
from veriscope.query.promql.operators import aggregations, selections
from veriscope.query.promql.operators.groups import Groups, group_rows, projection
from veriscope.query.promql.vectors import order_by_labels, rows, without_empty
from veriscope.signals import METRIC_NAME, Matrix

_RANKING: Final = frozenset({"bottomk", "topk"})
_CHOOSING: Final = _RANKING | {"limitk"}
_PARAMETRIC: Final[dict[str, Callable[..., Matrix]]] = {
    "bottomk": lambda vector, groups, k: selections.top(vector, groups, k, largest=False),
    "limit_ratio": selections.limit_ratio,
    "limitk": selections.limit,
    "quantile": aggregations.quantile,
    "topk": lambda vector, groups, k: selections.top(vector, groups, k, largest=True),
}


def aggregated(expr: Aggregate, vector: Matrix, param: Value | None, notes: Notes) -> Matrix:
    """Return *expr* of *vector*; *param* is the value of its parameter, where it has one."""
    remarks = At(notes, expr.span if expr.op in _RANKING else expr.expr.span)
    vector = without_empty(native.without_ignored(expr.op, vector, remarks))
    if expr.op in _CHOOSING:
        # Of equals the first is chosen: it must be the same one every time.
        vector = rows(vector, order_by_labels(vector.labels))
    grouping = expr.grouping
    groups = group_rows(vector.labels, projection(grouping.names, drop=grouping.without))
    if expr.op in aggregations.FOLDS:
        return native.folded(expr.op, vector, groups, remarks)
    if isinstance(param, str):
        return _count_values(expr, vector, groups, param)
    number, span = as_scalar(param), expr.span if expr.param is None else expr.param.span
    # As in Prometheus, the least and the greatest stand for all; NaN where one is NaN.
    extremes = np.array([number.min(), number.max()])
    if expr.op == "quantile":
        doubt_quantile(notes, extremes, span)
    if expr.op == "limit_ratio":
        doubt_ratio(notes, extremes, span)
    found = _PARAMETRIC[expr.op](vector, groups, number)
    return replace(found, histograms=present_in(found.histograms, found.present))


def _count_values(expr: Aggregate, vector: Matrix, groups: Groups, label: str) -> Matrix:
    dropped = expr.grouping.without and label in {METRIC_NAME, *expr.grouping.names}
    floats = selections.count_values(floats_only(vector), groups, label, dropped=dropped)
    if vector.histograms is None:
        return floats
    counted = native.counted_values(vector, groups, label, dropped=dropped)
    both = stacked([floats, counted])
    return aggregations.fold("sum", both, group_rows(both.labels, lambda labels: labels))

"""Compile what queries run, before the first of them asks for it."""

import numpy as np

from veriscope.query.promql import rolled
from veriscope.query.promql.answer import encode
from veriscope.query.promql.ast import Edges
from veriscope.query.promql.functions.invocation import Invocation, Notes
from veriscope.query.promql.functions.table import INSTANT_FUNCTIONS
from veriscope.query.promql.histograms import warm_up as native_histograms
from veriscope.query.promql.operators import aggregations, selections
from veriscope.query.promql.operators.groups import group_rows, projection
from veriscope.query.promql.ranges.newest import newest
from veriscope.query.promql.ranges.table import RANGE_FUNCTIONS
from veriscope.query.promql.ranges.windows import Windows
from veriscope.query.promql.result import QueryResult, QueryStats, ResultKind
from veriscope.signals import Grid, LabelSets, Matrix, RaggedSamples


def warm_up() -> None:
    """
    Run every compiled loop of PromQL once, on next to nothing.

    The first time on a machine this compiles them all, some thirty seconds of one processor;
    what was compiled stays on disk, from where it takes a third of a second.
    """
    grid = Grid(0, 10, 10)
    samples = RaggedSamples.of([()], np.array([0, 2]), np.array([0, 10]), np.array([1.0, 2.0]))
    windows = Windows(samples, grid, 20, grid, Edges.PLAIN, 20)
    half = np.full(len(grid), 0.5)
    for function, arguments in _ONE_OF_EACH_KERNEL.items():
        RANGE_FUNCTIONS[function](windows, *[half] * arguments)
    vector = Matrix(samples.labels, grid, *newest(windows))
    groups = group_rows(vector.labels, projection((), drop=False))
    aggregations.fold("sum", vector, groups)
    aggregations.quantile(vector, groups, half)
    selections.limit(vector, groups, half + 1)
    classic = Matrix(LabelSets([(("le", "+Inf"),)]), grid, vector.values, vector.present)
    INSTANT_FUNCTIONS["histogram_quantile"](Invocation(grid, (half, classic), Notes()))
    rolled.warm_up()
    nothing = QueryStats(0.0, 0)
    list(encode(QueryResult(ResultKind.MATRIX, grid, vector, (), (), nothing)))
    native_histograms.warm_up()


_ONE_OF_EACH_KERNEL = {"deriv": 0, "quantile_over_time": 1, "rate": 0, "sum_over_time": 0}
"""Functions with how many arguments they take beside the windows."""

"""Functions between vectors, scalars and time: `scalar`, `vector`, `time`, `timestamp`, `pi`."""

from dataclasses import replace

import numpy as np

from veriscope.query.promql.functions.invocation import Invocation, Scalar
from veriscope.query.promql.vectors import drop_names, merged, single
from veriscope.signals import Grid, Matrix


def seconds(grid: Grid) -> Scalar:
    """Return the evaluation times in Unix seconds."""
    return grid.times_ms() / 1000


def scalar(call: Invocation) -> Scalar:
    """Return the value of the only series of a step; NaN where there is none, or several."""
    vector = call.floats(0)
    only = vector.present.sum(axis=0) == 1
    values = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return np.where(only, values, np.nan)


def vector(call: Invocation) -> Matrix:
    """Return a scalar as the series without labels."""
    return single((), call.grid, call.scalar(0))


def time(call: Invocation) -> Scalar:
    """Return the evaluation time in Unix seconds."""
    return seconds(call.grid)


def timestamp(call: Invocation) -> Matrix:
    """Return the evaluation time wherever there is a point (of a selector: see `Newest`)."""
    given = call.vector(0)
    values = np.broadcast_to(seconds(call.grid), given.values.shape)
    return merged(drop_names(replace(given, values=values, histograms=None)))


def pi(call: Invocation) -> Scalar:
    """Return π."""
    return np.full(len(call.grid), np.pi)

"""Instant vectors: the newest sample of each series at every step."""

from veriscope.query.promql.ast import Edges
from veriscope.query.promql.ranges import window_kernels
from veriscope.query.promql.ranges.windows import Points, Windows


def newest(windows: Windows) -> Points:
    """
    Return the newest value of each window, whose length is the lookback.

    There is none where the newest sample is a stale marker. Smoothed windows give the value on
    the line between the samples around the step instead.
    """
    smoothed = windows.edges is Edges.SMOOTHED
    op = window_kernels.SMOOTHED if smoothed else window_kernels.VALUE
    return windows.fill(window_kernels.newest_rows, op)


def newest_seconds(windows: Windows) -> Points:
    """Return when the newest sample of each window was taken, in Unix seconds."""
    return windows.fill(window_kernels.newest_rows, window_kernels.SECONDS)

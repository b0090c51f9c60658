"""Compile the loops of native histograms, before a query asks for them."""

import numpy as np

from veriscope.query.promql.histograms import arithmetic, measure_kernels
from veriscope.signals.histograms import Buckets, Histograms, Runs


def warm_up() -> None:
    """
    Run every compiled loop of native histograms once, on next to nothing.

    The first time on a machine this takes some ten seconds of one processor; what was compiled
    stays on disk.
    """
    one = Buckets(np.array([0, 1]), np.ones(1, dtype=np.int32), np.ones(1))
    small, wide = np.zeros(1, dtype=np.int8), np.ones(1)
    found = Histograms(small, small, wide, wide, 0 * wide, 0 * wide, one, one, Runs.none(1))
    place = np.zeros(1, dtype=np.int64)
    arithmetic.fold(found, np.array([0, 1]), place)
    arithmetic.resets(found, place, place)
    arithmetic.equal(found, place, place)
    measure_kernels.measure(arithmetic.columns(found), measure_kernels.QUANTILE, wide, wide)

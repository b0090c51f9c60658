"""The kernels of this room, compiled before they are needed."""

import numpy as np

from veriscope.store.head import kernels
from veriscope.store.head.columns import Arrivals, Filling
from veriscope.store.head.snapshot import SeriesTable


def warm_up() -> None:
    """
    Compile every kernel for the types that it meets, or load it from disk.

    The first time on a machine that takes some seconds, later about a tenth of one.
    """
    # Read from bytes, as what the engine answers: such arrays cannot be written to.
    read = np.frombuffer(np.arange(2, dtype=np.uint64).tobytes(), dtype=np.uint64)
    ids, stops = np.empty(2, dtype=np.uint64), np.empty(2, dtype=np.int64)
    kernels.runs(read, ids, stops)
    table = SeriesTable.of(ids)
    filling = Filling(2, 2)
    filling.add(read, read.view(np.int64), read.view(np.float64), 2)
    _, columns = filling.filled()
    again = Arrivals(table.rows(ids), np.array([2, 0]), np.ones(2))
    columns = columns.rebuilt(-1, columns.room_for(again))
    columns.with_samples(again, -1)
    columns.cut(np.arange(2), 0, 1)

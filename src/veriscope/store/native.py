"""Native histograms, from the engine's columns."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.signals.histograms import Buckets, Histograms, Runs


def read_histograms(rows: pa.Table) -> Histograms:
    """Return the histograms of *rows*, whose columns are named as those of table `histograms`."""
    return Histograms(
        schema=_column(rows, "schema", np.int8),
        reset_hint=_column(rows, "reset_hint", np.int8),
        count=_column(rows, "count", np.float64),
        sum=_column(rows, "sum", np.float64),
        zero_threshold=_column(rows, "zero_threshold", np.float64),
        zero_count=_column(rows, "zero_count", np.float64),
        positive=_buckets(rows, "positive"),
        negative=_buckets(rows, "negative"),
        bounds=Runs(*_runs(rows, "custom_bounds", np.float64)),
    )


def _column(rows: pa.Table, name: str, kind: type) -> NDArray[Any]:
    return np.asarray(rows[name].to_numpy(), dtype=kind)


def _buckets(rows: pa.Table, side: str) -> Buckets:
    offsets, index = _runs(rows, f"{side}_index", np.int32)
    _, count = _runs(rows, f"{side}_count", np.float64)
    return Buckets(offsets, index, count)


def _runs(rows: pa.Table, name: str, kind: type) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the offsets and the values of a column of arrays."""
    column = rows[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays([pa.array([], type=column.type), *column.chunks])
    offsets = column.offsets.to_numpy().astype(np.int64)
    values = column.values.to_numpy()[offsets[0] : offsets[-1]]
    return offsets - offsets[0], np.asarray(values, dtype=kind)

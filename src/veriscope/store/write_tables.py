"""Columns as Arrow tables, whose columns are named as those of the engine's tables."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.signals import Labels, MetricMetadata
from veriscope.signals.histograms import Buckets
from veriscope.store.commits import HistogramColumns
from veriscope.store.identity import Identified
from veriscope.store.weeks import mondays


def samples_table(
    metrics: tuple[str, ...],
    metric: NDArray[np.int32],
    ids: NDArray[np.uint64],
    times_ms: NDArray[np.int64],
    values: NDArray[np.float64],
) -> pa.Table:
    """Return rows of table `samples`."""
    return pa.table(
        {
            "metric": _metric_column(metrics, metric),
            "id": ids,
            "ts": _times(times_ms),
            "value": values,
        }
    )


def histograms_table(metrics: tuple[str, ...], columns: HistogramColumns) -> pa.Table:
    """Return rows of table `histograms`."""
    found = columns.values
    return pa.table(
        {
            "metric": _metric_column(metrics, columns.metric),
            "id": columns.ids,
            "ts": _times(columns.timestamps_ms),
            "reset_hint": found.reset_hint.astype(np.uint8),
            "schema": found.schema,
            "count": found.count,
            "sum": found.sum,
            "zero_threshold": found.zero_threshold,
            "zero_count": found.zero_count,
            **_bucket_columns("positive", found.positive),
            **_bucket_columns("negative", found.negative),
            "custom_bounds": _lists(found.bounds.offsets, found.bounds.values),
        }
    )


def exemplars_table(
    metrics: tuple[str, ...],
    metric: NDArray[np.int32],
    ids: NDArray[np.uint64],
    times_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    labels: Sequence[Labels],
) -> pa.Table:
    """Return rows of table `exemplars`."""
    samples = samples_table(metrics, metric, ids, times_ms, values)
    return samples.append_column("labels", _label_column(labels))


def series_table(
    metrics: tuple[str, ...],
    metric: NDArray[np.int32],
    series: Identified,
    *,
    weeks: NDArray[np.int64],
    first_ms: NDArray[np.int64],
    last_ms: NDArray[np.int64],
) -> pa.Table:
    """Return rows of table `series`: of *series* *i* in `weeks[i]`, as `week_of` numbers them."""
    return pa.table(
        {
            "week": pa.array(mondays(weeks)).cast(pa.date32()),
            "metric": _metric_column(metrics, metric),
            "id": series.ids,
            "labels": series.labels,
            "first_ts": _times(first_ms),
            "last_ts": _times(last_ms),
        }
    )


def metadata_table(metadata: Iterable[MetricMetadata]) -> pa.Table:
    """Return rows of table `metric_metadata`."""
    rows = [(known.name, str(known.type), known.help, known.unit) for known in metadata]
    names = ("metric", "type", "help", "unit")
    return pa.table(
        {
            name: pa.array(column, pa.string())
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }
    )


def _metric_column(metrics: tuple[str, ...], metric: NDArray[np.int32]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(metric), pa.array(metrics, pa.string()))


def _times(times_ms: NDArray[np.int64]) -> pa.Array:
    return pa.array(times_ms.view("datetime64[ms]")).cast(pa.timestamp("ms", "UTC"))


def _bucket_columns(side: str, buckets: Buckets) -> dict[str, pa.Array]:
    return {
        f"{side}_index": _lists(buckets.offsets, buckets.index),
        f"{side}_count": _lists(buckets.offsets, buckets.count),
    }


def _lists(offsets: NDArray[np.int64], values: NDArray[np.int32] | NDArray[np.float64]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))


def _label_column(label_sets: Sequence[Labels]) -> pa.Array:
    offsets = np.cumsum([0, *map(len, label_sets)], dtype=np.int32)
    names = pa.array([name for labels in label_sets for name, _ in labels], pa.string())
    values = pa.array([value for labels in label_sets for _, value in labels], pa.string())
    return pa.MapArray.from_arrays(pa.array(offsets), names, values)

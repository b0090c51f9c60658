"""Metrics, read whole from the engine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import METRIC_NAME, FetchLimits, Labels, LabelSets, label_value
from veriscope.store.engine import Engine
from veriscope.store.head import kernels
from veriscope.store.head.catalog import Catalog
from veriscope.store.head.columns import Filling, Ids, Times, Values
from veriscope.store.head.histograms import HistogramRows
from veriscope.store.head.snapshot import SeriesTable, Snapshot
from veriscope.store.labels import LabelCache
from veriscope.store.native import read_histograms
from veriscope.store.select import (
    select_metric_histograms,
    select_metrics,
    select_series_ids,
    settings,
)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The series of the metrics that are read, and the metric of each, by its place."""

    series: SeriesTable
    labels: Mapping[int, Labels]
    metric: NDArray[np.int64]
    """One more than there are series: the last, -1, is of what has no series."""


def load(
    engine: Engine,
    labels: LabelCache,
    sizes: Mapping[str, int],
    limits: FetchLimits,
    *,
    version: int,
    after_ms: int,
) -> dict[str, Snapshot]:
    """
    Read all samples of metrics after *after_ms*; *version* is that of before.

    *sizes* tell how many samples of each metric to expect.
    """
    metrics = sorted(sizes)
    known = _known(engine, labels, metrics, after_ms, limits)
    rows = np.bincount(known.metric[:-1], minlength=len(metrics)).tolist()
    filling = [Filling(n, sizes[metric]) for n, metric in zip(rows, metrics, strict=True)]
    orphans: set[int] = set()
    statement = select_metrics(metrics, after_ms)
    blocks = engine.stream(statement.sql, statement.parameters, settings(limits), limits.cancel)
    with closing(blocks):
        for block in blocks:
            orphans.update(_add(known, filling, *block))
    return {
        metric: _snapshot(filled, known, version, after_ms, frozenset(orphans))
        for metric, filled in zip(metrics, filling, strict=True)
    }


def with_histograms(
    engine: Engine,
    labels: LabelCache,
    snapshots: Mapping[str, Snapshot],
    metrics: Sequence[str],
    limits: FetchLimits,
) -> dict[str, Snapshot]:
    """Return the *snapshots* of *metrics* with their native histograms."""
    after_ms = snapshots[metrics[0]].after_ms
    statement = select_metric_histograms(metrics, after_ms)
    rows = engine.ask(statement, limits)
    metric, ids = rows["metric"].to_numpy(zero_copy_only=False), rows["id"].to_numpy()
    times, values = rows["time_ms"].to_numpy(), read_histograms(rows)
    made = {}
    for name in metrics:
        mine = np.flatnonzero(metric == name)
        snapshot = snapshots[name]
        snapshot = snapshot.with_unknown(ids[mine], lambda new: labels.of(new, limits))
        places = snapshot.series.rows(ids[mine]).astype(np.int64)
        mine, places = mine[places >= 0], places[places >= 0]
        native = HistogramRows.of(places, times[mine], values.take(mine))
        made[name] = snapshot.with_histograms(native, after_ms)
    return made


def _known(
    engine: Engine, labels: LabelCache, metrics: list[str], after_ms: int, limits: FetchLimits
) -> _Known:
    statement = select_series_ids(metrics, after_ms)
    rows = engine.ask(statement, limits)
    ids = rows["id"].to_numpy()
    found = labels.of_metrics(ids.tolist(), metrics, after_ms, limits)
    places = {metric: place for place, metric in enumerate(metrics)}
    metric = [places[label_value(row, METRIC_NAME)] for row in found]
    return _Known(
        SeriesTable.of(ids.copy()),
        dict(zip(ids.tolist(), found, strict=True)),
        np.array([*metric, -1], dtype=np.int64),
    )


def _add(
    known: _Known, filling: list[Filling], ids: Ids, times: Times, values: Values
) -> list[int]:
    """Add samples to the metrics that they are of; return the ids of those without a series."""
    series = np.empty(len(ids), dtype=np.uint64)
    stops = np.empty(len(ids), dtype=np.int64)
    count = kernels.runs(ids, series, stops)
    series, stops = series[:count], stops[:count]
    metric = known.metric[known.series.rows(series)]
    for first, last in _runs_of(metric):
        if metric[first] >= 0:
            part = slice(stops[first - 1] if first else 0, stops[last - 1])
            filling[metric[first]].add(ids[part], times[part], values[part], last - first)
    orphans: list[int] = series[metric < 0].tolist()
    return orphans


def _runs_of(values: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield where each run of equal *values* begins and ends."""
    ends = [*(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return zip([0, *ends], ends, strict=False)


def _snapshot(
    filling: Filling, known: _Known, version: int, after_ms: int, orphans: frozenset[int]
) -> Snapshot:
    ids, columns = filling.filled()
    catalog = Catalog(LabelSets([known.labels[series] for series in ids.tolist()]))
    return Snapshot(version, after_ms, catalog, SeriesTable.of(ids), columns, orphans)

"""Samples as the engine has them."""

from contextlib import closing

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veriscope.signals import (
    FetchLimits,
    HistogramSamples,
    LabelSets,
    RaggedSamples,
    RawFetch,
    Segment,
)
from veriscope.store.engine import Engine
from veriscope.store.errors import FetchTooLargeError
from veriscope.store.growing import GrowingColumn
from veriscope.store.labels import LabelCache
from veriscope.store.native import read_histograms
from veriscope.store.select import Statement, select_histograms, select_raw, settings


def scan(
    engine: Engine,
    labels: LabelCache,
    fetch: RawFetch,
    limits: FetchLimits,
    *,
    histograms: bool = True,
) -> RaggedSamples:
    """
    Return every sample of *fetch*; series without a sample are left out.

    Where it is known that there are no *histograms*, they need not be asked for.
    """
    series, starts, times, values = _samples(engine, select_raw(fetch), limits)
    check_samples(len(times), limits)
    native = engine.ask(select_histograms(fetch), limits) if histograms else None
    stops = np.append(starts[1:], len(times)) if len(starts) else starts
    if native is not None and native.num_rows:
        only = np.setdiff1d(native["id"].to_numpy(), series)
        nothing = np.full(len(only), len(times))
        series = np.concatenate([series, only])
        starts, stops = np.concatenate([starts, nothing]), np.concatenate([stops, nothing])
    check_series(len(series), limits)
    found = labels.of(series.tolist(), limits)
    known = np.array([bool(row) for row in found], dtype=np.bool_)
    segment = Segment(
        starts[known],
        stops[known],
        times,
        values,
        _histograms(native, series[known]) if native is not None else None,
    )
    check_samples(segment.samples, limits)
    return RaggedSamples(LabelSets(filter(None, found)), (segment,))


def _samples(
    engine: Engine, statement: Statement, limits: FetchLimits
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the series, where the samples of each begin, and all times and values."""
    times, values = GrowingColumn(np.int64), GrowingColumn(np.float64)
    series, starts = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    before = np.empty(0, dtype=np.uint64)
    blocks = engine.stream(statement.sql, statement.parameters, settings(limits), limits.cancel)
    with closing(blocks):
        for block_ids, block_times, block_values in blocks:
            # The id itself is kept once a series: it would be a third of the memory.
            first = before if len(before) else ~block_ids[:1]
            new = np.flatnonzero(np.diff(block_ids, prepend=first))
            series.append(block_ids[new])
            starts.append(new + len(times))
            before = block_ids[-1:]
            times.extend(block_times)
            values.extend(block_values)
    return np.concatenate(series), np.concatenate(starts), times.whole(), values.whole()


def _histograms(native: pa.Table, series: NDArray[np.uint64]) -> HistogramSamples | None:
    """Return the histograms of the rows *series*, in the order of these; orphans are left out."""
    ids = native["id"].to_numpy()
    order = np.argsort(series)
    places = np.searchsorted(series, ids, sorter=order)
    rows = order[np.minimum(places, len(series) - 1)] if len(series) else places
    kept = np.flatnonzero(series[rows] == ids) if len(series) else places[:0]
    # They come in the order of their ids, which is that of the rows but for those without floats.
    kept = kept[np.argsort(rows[kept], kind="stable")]
    if not len(kept):
        return None
    values = read_histograms(native).take(kept)
    return HistogramSamples(rows[kept], native["time_ms"].to_numpy()[kept], values)


def check_series(selected: int, limits: FetchLimits) -> None:
    """Raise `FetchTooLargeError` where *selected* series are more than are allowed."""
    if selected > limits.max_series:
        raise FetchTooLargeError(
            f"{selected:,} series selected, {limits.max_series:,} allowed; narrow the selector"
        )


def check_samples(wanted: int, limits: FetchLimits) -> None:
    """Raise `FetchTooLargeError` where *wanted* samples are more than are allowed."""
    if wanted > limits.max_samples:
        raise FetchTooLargeError(
            f"{wanted:,} samples wanted, {limits.max_samples:,} allowed (query.max_samples);"
            " narrow the time range or the selector"
        )

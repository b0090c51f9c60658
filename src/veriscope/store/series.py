"""Answers fetches: grids, raw samples and series, as columns."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veriscope.signals import (
    FetchLimits,
    GridFetch,
    GridFunction,
    Labels,
    Matrix,
    MetricMetadata,
    MetricType,
    RaggedSamples,
    RawFetch,
    Reduction,
    SeriesFetch,
    is_stale,
    to_labels,
)
from veriscope.store.engine import Engine
from veriscope.store.errors import FetchTooLargeError
from veriscope.store.select import Statement, select_grid, select_raw, select_series

# The engine counts whole granules (8,192 rows) of every part it opens; a fetch of few samples
# may touch many. This much is read beyond `max_samples` before the engine itself stops.
_GRANULE_SLACK: Final = 20_000_000
# A ClickHouse server takes no parameter longer than 128 KiB (`http_max_field_value_size`), and an
# id with its comma has at most 22 characters.
_IDS_AT_ONCE: Final = 5_000
_COUNTS: Final = frozenset({Reduction.COUNT, Reduction.GROUP})


class SeriesReader:
    """
    Reads metrics. Safe to use from many threads; calls block.

    Raises `FetchTooLargeError` and `FetchTimeoutError` past a limit, `RefusedError` for a
    regular expression that RE2 does not take, `EngineError` when the engine fails.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._labels = _LabelCache(engine)

    def fetch_grid(self, fetch: GridFetch, limits: FetchLimits) -> Matrix:
        """Return *fetch* as a matrix; series (or groups) without any point are left out."""
        rows = self._run(select_grid(fetch), limits)
        _check_samples(int(pc.sum(rows["samples"]).as_py() or 0), limits)
        if fetch.aggregation is None:
            labels = self._labels.of(rows["id"].to_numpy(), limits)
        else:
            labels = tuple(
                to_labels(zip(names, values, strict=True))
                for names, values in zip(
                    rows["names"].to_pylist(), rows["label_values"].to_pylist(), strict=True
                )
            )
        values, present = _grid_columns(rows["grid"], len(labels), len(fetch.grid))
        if fetch.function is GridFunction.LATEST:
            present &= ~is_stale(values)
        if fetch.aggregation is None and () in labels:
            present[[row for row, found in enumerate(labels) if not found]] = False
        if fetch.aggregation is not None and fetch.aggregation.reduction in _COUNTS:
            present &= values > 0
            if fetch.aggregation.reduction is Reduction.GROUP:
                values = np.ones_like(values)
        return _without_empty_rows(Matrix(labels, fetch.grid, values, present))

    def fetch_raw(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """Return every sample of *fetch*; series without a sample are left out."""
        rows = self._run(select_raw(fetch), limits)
        _check_samples(rows.num_rows, limits)
        ids = rows["id"].to_numpy()
        starts = np.flatnonzero(np.diff(ids, prepend=~ids[:1]))
        found = RaggedSamples(
            labels=self._labels.of(ids[starts], limits),
            offsets=np.append(starts, len(ids)).astype(np.int64),
            timestamps_ms=rows["time_ms"].to_numpy(),
            values=rows["value"].to_numpy(),
        )
        return _without_orphans(found) if () in found.labels else found

    def series(self, fetches: Sequence[SeriesFetch], limits: FetchLimits) -> tuple[Labels, ...]:
        """Return the label sets that any of *fetches* selects, each once, sorted."""
        rows = self._run(select_series(fetches, "DISTINCT id"), limits)
        return tuple(sorted(self._labels.of(rows["id"].to_numpy(), limits)))

    def label_names(self, fetches: Sequence[SeriesFetch], limits: FetchLimits) -> list[str]:
        """Return the label names of the series that *fetches* select, sorted."""
        statement = select_series(
            fetches, "DISTINCT arrayJoin(mapKeys(labels)) AS name", "ORDER BY name"
        )
        return list(self._run(statement, limits)["name"].to_pylist())

    def label_values(
        self, name: str, fetches: Sequence[SeriesFetch], limits: FetchLimits
    ) -> list[str]:
        """Return the values that label *name* has in the series that *fetches* select, sorted."""
        statement = select_series(
            fetches,
            "DISTINCT labels[{name:String}] AS value",
            "HAVING value != '' ORDER BY value",
        )
        bound = Statement(statement.sql, {**statement.parameters, "name": name})
        return list(self._run(bound, limits)["value"].to_pylist())

    def metadata(self, metric: str, limits: FetchLimits) -> tuple[MetricMetadata, ...]:
        """Return what is known of *metric*, or of every metric where it is `""`, by name."""
        rows = self._run(
            Statement(
                "SELECT metric, type, help, unit FROM metric_metadata FINAL"
                " WHERE {metric:String} IN ('', metric) ORDER BY metric",
                {"metric": metric},
            ),
            limits,
        )
        return tuple(
            MetricMetadata(row["metric"], MetricType(row["type"]), row["help"], row["unit"])
            for row in rows.to_pylist()
        )

    def _run(self, statement: Statement, limits: FetchLimits) -> pa.Table:
        return self._engine.query(statement.sql, statement.parameters, _settings(limits))


class _LabelCache:
    """Label sets by series id. They never change, so what is known is never asked again."""

    _MAX_SERIES: Final = 1_000_000

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[int, Labels] = {}

    def of(self, ids: NDArray[np.uint64], limits: FetchLimits) -> tuple[Labels, ...]:
        """
        Return the label set of each of *ids*, in their order.

        It is empty for an orphan: samples whose insert was cut off (`kill -9`) before it had
        written their series. They were never acknowledged.
        """
        if len(ids) > limits.max_series:
            raise FetchTooLargeError(
                f"{len(ids):,} series selected, {limits.max_series:,} allowed; narrow the selector"
            )
        wanted: list[int] = ids.tolist()
        known = self._known
        if missing := [series for series in wanted if series not in known]:
            if len(known) + len(missing) > self._MAX_SERIES:
                # Readers hold on to the old dictionary; this one starts afresh.
                known = {series: known[series] for series in wanted if series in known}
            for start in range(0, len(missing), _IDS_AT_ONCE):
                self._load(missing[start : start + _IDS_AT_ONCE], known, limits)
            self._known = known
        return tuple([known.get(series, ()) for series in wanted])

    def _load(self, missing: list[int], known: dict[int, Labels], limits: FetchLimits) -> None:
        rows = self._engine.query(
            "SELECT id, CAST(any(labels), 'Map(String, String)') AS labels FROM series"
            " WHERE id IN {ids:Array(UInt64)} GROUP BY id",
            {"ids": missing},
            _settings(limits),
        )
        maps = rows["labels"].combine_chunks()
        names, values = _shared_strings(maps.keys), _shared_strings(maps.items)
        offsets = maps.offsets.to_pylist()
        pairs = list(zip(names, values, strict=True))
        for row, series in enumerate(rows["id"].to_pylist()):
            known[series] = tuple(pairs[offsets[row] : offsets[row + 1]])


def _shared_strings(column: pa.Array) -> list[str]:
    """Return *column* as Python strings, equal ones being one object."""
    encoded = pc.dictionary_encode(column)
    distinct = encoded.dictionary.to_pylist()
    return [distinct[index] for index in encoded.indices.to_pylist()]


def _grid_columns(
    column: pa.ChunkedArray, rows: int, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    if rows == 0:
        return np.empty((0, steps)), np.empty((0, steps), dtype=np.bool_)
    flat = column.combine_chunks().flatten().cast(pa.float64())
    present = flat.is_valid().to_numpy(zero_copy_only=False)
    values = flat.fill_null(0.0).to_numpy(zero_copy_only=False)
    return values.reshape(rows, steps), present.reshape(rows, steps)


def _without_empty_rows(matrix: Matrix) -> Matrix:
    kept: NDArray[np.bool_] = np.any(matrix.present, axis=1)
    if np.all(kept):
        return matrix
    labels = tuple(labels for labels, keep in zip(matrix.labels, kept, strict=True) if keep)
    return Matrix(labels, matrix.grid, matrix.values[kept], matrix.present[kept])


def _without_orphans(samples: RaggedSamples) -> RaggedSamples:
    known = np.array([bool(labels) for labels in samples.labels])
    counts = np.diff(samples.offsets)
    kept = np.repeat(known, counts)
    return RaggedSamples(
        labels=tuple(labels for labels in samples.labels if labels),
        offsets=np.concatenate(([0], np.cumsum(counts[known]))),
        timestamps_ms=samples.timestamps_ms[kept],
        values=samples.values[kept],
    )


def _check_samples(wanted: int, limits: FetchLimits) -> None:
    if wanted > limits.max_samples:
        raise FetchTooLargeError(
            f"{wanted:,} samples wanted, {limits.max_samples:,} allowed (query.max_samples);"
            " narrow the time range or the selector"
        )


def _settings(limits: FetchLimits) -> Mapping[str, int]:
    return {
        "max_rows_to_read": limits.max_samples + _GRANULE_SLACK,
        "max_memory_usage": limits.max_memory_bytes,
        "max_execution_time": max(1, limits.timeout_ms // 1000),
    }

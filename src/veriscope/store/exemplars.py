"""Reads exemplars."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from veriscope.signals import FetchLimits, SeriesFetch, to_labels
from veriscope.signals.exemplars import Exemplar, ExemplarSeries
from veriscope.store.engine import Engine
from veriscope.store.resources import settings_of
from veriscope.store.select import IDS_AT_ONCE, LAST_MS, select_series

_SERIES: Final = "metric, id, CAST(any(labels), 'Map(String, String)') AS pairs"


class ExemplarReader:
    """Reads what `MetricWriter` stored beside the samples. Calls block."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def exemplars(
        self, fetches: Sequence[SeriesFetch], limits: FetchLimits
    ) -> tuple[ExemplarSeries, ...]:
        """Return the exemplars that any of *fetches* selects, by series and time."""
        found = {
            series.labels: series for fetch in fetches for series in self._select(fetch, limits)
        }
        return tuple(found[labels] for labels in sorted(found))

    def _select(self, fetch: SeriesFetch, limits: FetchLimits) -> list[ExemplarSeries]:
        statement = select_series([fetch], _SERIES, "GROUP BY metric, id")
        rows = self._engine.query(
            statement.sql, statement.parameters, settings_of(limits), limits.cancel
        ).to_pylist()
        found: list[ExemplarSeries] = []
        for begin in range(0, len(rows), IDS_AT_ONCE):
            some = rows[begin : begin + IDS_AT_ONCE]
            labels = {row["id"]: to_labels(row["pairs"]) for row in some}
            metrics = sorted({row["metric"] for row in some})
            for series, exemplars in self._read(metrics, list(labels), fetch, limits):
                found.append(ExemplarSeries(labels[series], exemplars))
        return found

    def _read(
        self, metrics: list[str], ids: list[int], fetch: SeriesFetch, limits: FetchLimits
    ) -> list[tuple[int, tuple[Exemplar, ...]]]:
        rows = self._engine.query(
            "SELECT id, toUnixTimestamp64Milli(ts) AS time_ms, value,"
            " CAST(labels, 'Map(String, String)') AS pairs"
            " FROM exemplars FINAL"
            " WHERE metric IN {metrics:Array(String)} AND id IN {ids:Array(UInt64)}"
            " AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')"
            " AND ts <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
            " ORDER BY id, ts, value",
            {
                "metrics": metrics,
                "ids": ids,
                "start": max(fetch.start_ms, 0),
                "end": min(fetch.end_ms, LAST_MS),
            },
            settings_of(limits),
            limits.cancel,
        )
        return [
            (
                series,
                tuple(
                    Exemplar(to_labels(row["pairs"]), row["value"], row["time_ms"]) for row in some
                ),
            )
            for series, some in groupby(rows.to_pylist(), itemgetter("id"))
        ]

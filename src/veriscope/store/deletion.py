"""Deletes series, or some of their samples: gone from the next query on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Final

from veriscope.signals import SeriesFetch
from veriscope.store.engine import Engine
from veriscope.store.select import IDS_AT_ONCE, LAST_MS, select_series
from veriscope.store.weeks import HOUR_MS

_SAMPLES: Final = ("samples", "histograms", "exemplars")
# Made of samples, and of each other in this order: what is made meanwhile is deleted after it.
_ROLLUPS: Final = ("rollups_5m", "rollups_1h")
_TABLES: Final = (*_SAMPLES, *_ROLLUPS, "series")


class SeriesDeletion:
    """
    Deletes what fetches select, and gives its space back.

    *paused* keeps writers away for as long as it is held, and makes them write the labels of
    every series again afterwards. *changed* is called once readers must forget what they keep.
    """

    def __init__(
        self,
        engine: Engine,
        paused: Callable[[], AbstractContextManager[object]],
        changed: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._paused = paused
        self._changed = changed

    def delete_series(self, fetches: Sequence[SeriesFetch]) -> None:
        """
        Delete the samples of each fetch, first and last moment included.

        A series without any sample left is no longer known. Raises `RefusedError` for a regular
        expression that RE2 does not take.
        """
        with self._paused():
            try:
                for fetch in fetches:
                    for metrics, ids in self._selected(fetch):
                        self._delete_samples(metrics, ids, fetch)
                        self._delete_empty(metrics, ids)
            finally:
                self._changed()

    def clean_tombstones(self) -> None:
        """Rewrite the parts that hold deleted rows; long where there are many."""
        for table in self._tables(_TABLES):
            self._engine.command(
                f"ALTER TABLE {table} APPLY DELETED MASK SETTINGS mutations_sync = 2"
            )

    def _selected(self, fetch: SeriesFetch) -> Iterator[tuple[list[str], list[int]]]:
        statement = select_series([fetch], "DISTINCT metric, id", "ORDER BY metric, id")
        rows = self._engine.query(statement.sql, statement.parameters)
        pairs = zip(rows["metric"].to_pylist(), rows["id"].to_pylist(), strict=True)
        while batch := list(islice(pairs, IDS_AT_ONCE)):
            yield sorted({metric for metric, _ in batch}), [series for _, series in batch]

    def _delete_samples(self, metrics: list[str], ids: list[int], fetch: SeriesFetch) -> None:
        start_ms, end_ms = max(fetch.start_ms, 0), min(fetch.end_ms, LAST_MS)
        # Roll-ups go by the hour, as they are made: whoever makes them sees by their counts that
        # an hour lacks what is left of it. An hour is named by its end, which belongs to it.
        hours = (start_ms - 1) // HOUR_MS * HOUR_MS + 1, -(-end_ms // HOUR_MS) * HOUR_MS
        for tables, span in ((_SAMPLES, (start_ms, end_ms)), (_ROLLUPS, hours)):
            for table in self._tables(tables):
                self._engine.command(
                    f"DELETE FROM {table}"  # noqa: S608 - one of the names above
                    " WHERE metric IN {metrics:Array(String)} AND id IN {ids:Array(UInt64)}"
                    " AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')"
                    " AND ts <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')",
                    {"metrics": metrics, "ids": ids, "start": max(span[0], 0), "end": span[1]},
                )

    def _delete_empty(self, metrics: list[str], ids: list[int]) -> None:
        """Forget the series, week by week, that have no sample left."""
        left = " UNION DISTINCT ".join(
            f"SELECT id, toMonday(ts) AS week FROM {table}"  # noqa: S608 - names from above
            " WHERE metric IN {metrics:Array(String)} AND id IN {ids:Array(UInt64)}"
            for table in self._tables(("samples", "histograms"))
        )
        empty = self._engine.query(
            "SELECT week, groupArray(id) AS ids FROM"  # noqa: S608 - no value in it
            " (SELECT DISTINCT week, id FROM series"
            " WHERE metric IN {metrics:Array(String)} AND id IN {ids:Array(UInt64)}"
            f" AND (id, week) NOT IN ({left})) GROUP BY week",
            {"metrics": metrics, "ids": ids},
        )
        for row in empty.to_pylist():
            self._engine.command(
                "DELETE FROM series WHERE week = {week:Date}"
                " AND metric IN {metrics:Array(String)} AND id IN {ids:Array(UInt64)}",
                {"week": row["week"], "metrics": metrics, "ids": row["ids"]},
            )

    def _tables(self, names: Sequence[str]) -> list[str]:
        rows = self._engine.query(
            "SELECT name FROM system.tables"
            " WHERE database = {database:String} AND name IN {names:Array(String)}",
            {"database": self._engine.database, "names": list(names)},
        )
        found = set(rows["name"].to_pylist())
        return [name for name in names if name in found]

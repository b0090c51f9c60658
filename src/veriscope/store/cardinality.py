"""Counts what the series are made of: who has most of them, and what the samples rest in."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from veriscope.signals import FetchLimits
from veriscope.signals.statistics import Block, Ranking, SeriesStatistics
from veriscope.store.engine import Engine
from veriscope.store.resources import settings_of

_WEEK: Final = timedelta(days=7)

# Series count that had a sample within the three hours before the newest sample of all, as in a
# Prometheus head. The newest is not looked for in the future, where a broken clock may
# have put some.
_RECENT: Final = """
WITH (SELECT max(last_ts) FROM series WHERE first_ts <= now64(3)) AS newest,
recent AS
(
    SELECT metric, id, any(labels) AS pairs_of, min(first_ts) AS first, max(last_ts) AS last
    FROM series
    WHERE week >= toMonday(newest - INTERVAL 3 HOUR) AND last_ts > newest - INTERVAL 3 HOUR
    GROUP BY metric, id
),
pairs AS
(
    SELECT pair.1 AS name, pair.2 AS value, count() AS series
    FROM (SELECT arrayJoin(CAST(pairs_of, 'Array(Tuple(String, String))')) AS pair FROM recent)
    GROUP BY name, value
)
"""
_TOTALS: Final = """
SELECT
    (SELECT count() FROM recent) AS series,
    (SELECT count() FROM pairs) AS label_pairs,
    (SELECT toUnixTimestamp64Milli(min(first)) FROM recent) AS first_ms,
    (SELECT toUnixTimestamp64Milli(max(last)) FROM recent) AS last_ms,
    (SELECT sum(rows) FROM system.parts
     WHERE active AND database = {database:String} AND table = 'samples') AS samples
"""
_BY: Final = {
    "series_by_metric": "SELECT metric AS name, count() AS value FROM recent GROUP BY metric",
    "values_by_label": "SELECT name, count() AS value FROM pairs GROUP BY name",
    "bytes_by_label": (
        "SELECT name, sum(series * length(pairs.value)) AS value FROM pairs GROUP BY name"
    ),
    "series_by_pair": "SELECT concat(name, '=', pairs.value) AS name, series AS value FROM pairs",
}


class Cardinality:
    """Statistics of an engine's series. Calls block, and read every series of late."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def series(self, top: int, limits: FetchLimits) -> SeriesStatistics:
        """Return the counts, with *top* names in each ranking."""
        [totals] = self._ask(_TOTALS, {"database": self._engine.database}, limits).to_pylist()
        counts = {name: value or 0 for name, value in totals.items()}
        rankings = {name: self._ranking(sql, top, limits) for name, sql in _BY.items()}
        return SeriesStatistics(
            series=counts["series"],
            label_pairs=counts["label_pairs"],
            samples=counts["samples"],
            first_ms=counts["first_ms"],
            last_ms=counts["last_ms"],
            series_by_metric=rankings["series_by_metric"],
            values_by_label=rankings["values_by_label"],
            bytes_by_label=rankings["bytes_by_label"],
            series_by_pair=rankings["series_by_pair"],
        )

    def blocks(self, limits: FetchLimits) -> tuple[Block, ...]:
        """Return the parts that samples rest in, oldest first; each holds samples of one week."""
        rows = self._engine.query(
            "SELECT name, toDate(partition) AS week, rows, bytes_on_disk, level"
            " FROM system.parts"
            " WHERE active AND database = {database:String} AND table = 'samples'"
            " ORDER BY week, name",
            {"database": self._engine.database},
            settings_of(limits),
        )
        return tuple(map(_block, rows.to_pylist()))

    def _ranking(self, sql: str, top: int, limits: FetchLimits) -> Ranking:
        ordered = f"SELECT name, value FROM ({sql}) ORDER BY value DESC, name LIMIT {{top:UInt32}}"  # noqa: S608 - *sql* is one of `_BY`
        rows = self._ask(ordered, {"top": top}, limits)
        return tuple(zip(rows["name"].to_pylist(), rows["value"].to_pylist(), strict=True))

    def _ask(self, sql: str, parameters: Mapping[str, Any], limits: FetchLimits) -> pa.Table:
        return self._engine.query(_RECENT + sql, parameters, settings_of(limits), limits.cancel)


def _block(row: Mapping[str, Any]) -> Block:
    begin = datetime.combine(row["week"], datetime.min.time(), UTC)
    return Block(
        name=row["name"],
        first_ms=int(begin.timestamp() * 1000),
        last_ms=int((begin + _WEEK).timestamp() * 1000),
        samples=row["rows"],
        bytes_on_disk=row["bytes_on_disk"],
        level=row["level"] + 1,
    )

"""Fetches compiled to SQL. Pure: the text is under test, and values are always bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from veriscope.signals import (
    METRIC_NAME,
    FetchLimits,
    Matcher,
    MatchOp,
    RawFetch,
    RollupFetch,
    SeriesFetch,
)

LAST_MS: Final = 4_102_444_800_000
"""The first millisecond of 2100: what is stored is before it."""
IDS_AT_ONCE: Final = 5_000
"""
Series ids that one parameter may hold. A ClickHouse server takes none longer than 128 KiB
(`http_max_field_value_size`), and an id with its comma has at most 22 characters.
"""
# The engine counts whole granules (8,192 rows) of every part it opens; a fetch of few samples
# may touch many. This much is read beyond `max_samples` before the engine itself stops.
_GRANULE_SLACK: Final = 20_000_000

_HISTOGRAM: Final = (
    "id, toUnixTimestamp64Milli(ts) AS time_ms, reset_hint, schema, count, sum, zero_threshold,"
    " zero_count, positive_index, positive_count, negative_index, negative_count, custom_bounds"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `{name:Type}` parameters, and their values."""

    sql: str
    parameters: Mapping[str, Any]


class Bindings(dict[str, Any]):
    """Values that a statement binds; each gets a parameter name of its own."""

    def put(self, value: object, kind: str = "String") -> str:
        """Bind *value*, of the engine's type *kind*, and return what stands for it in SQL."""
        name = f"p{len(self)}"
        self[name] = value
        return f"{{{name}:{kind}}}"


def select_raw(fetch: RawFetch) -> Statement:
    """Compile *fetch* to rows of `id`, `time_ms`, `value`: series by series, in time order."""
    bind = Bindings()
    where = _samples_where(Selection(fetch.matchers, fetch.start_ms, fetch.end_ms), bind)
    return Statement(
        "SELECT id, toUnixTimestamp64Milli(ts) AS time_ms, CAST(value, 'Float64') AS value\n"
        # Before duplicates are merged: all of it is about the sorting key, which they share.
        f"FROM samples FINAL\nPREWHERE {where}\nORDER BY metric, id, ts",
        bind,
    )


def select_rollups(fetch: RollupFetch, table: str) -> Statement:
    """Compile *fetch* to the rows of *table*: series by series, in time order."""
    bind = Bindings()
    where = _samples_where(Selection(fetch.matchers, fetch.start_ms, fetch.end_ms), bind)
    return Statement(
        "SELECT id, toUnixTimestamp64Milli(ts) AS end, toUnixTimestamp64Milli(first_ts) AS firsts,"
        " toUnixTimestamp64Milli(last_ts) AS lasts, toFloat64(count) AS counts,"
        " toFloat64(changes) AS changes, toFloat64(resets) AS resets,"
        " first, last, lost, sum, min, max\n"
        f"FROM {table} FINAL\nWHERE {where}\n  AND count > 0\nORDER BY metric, id, ts",
        bind,
    )


def find_histograms(fetch: RollupFetch) -> Statement:
    """Compile to one row where a series of *fetch* has native histograms, else to none."""
    bind = Bindings()
    where = _samples_where(Selection(fetch.matchers, fetch.start_ms, fetch.end_ms), bind)
    return Statement(f"SELECT 1\nFROM histograms\nWHERE {where}\nLIMIT 1", bind)


def select_histograms(fetch: RawFetch) -> Statement:
    """Compile *fetch* to rows of native histograms, ordered as those of `select_raw`."""
    bind = Bindings()
    where = _samples_where(Selection(fetch.matchers, fetch.start_ms, fetch.end_ms), bind)
    return Statement(
        f"SELECT {_HISTOGRAM}\nFROM histograms FINAL\nPREWHERE {where}\nORDER BY metric, id, ts",
        bind,
    )


def select_metric_histograms(metrics: Sequence[str], after_ms: int) -> Statement:
    """Compile a read of the native histograms of whole *metrics* after *after_ms*."""
    return Statement(
        f"SELECT metric, {_HISTOGRAM}\nFROM histograms FINAL\n"
        f"WHERE metric IN {{metrics:Array(String)}} AND ts > {_time(after_ms)}",
        {"metrics": list(metrics)},
    )


def select_series(fetches: Sequence[SeriesFetch], columns: str, tail: str = "") -> Statement:
    """
    Compile the union of *fetches* to rows of *columns* of the series table.

    *columns* and *tail* (`GROUP BY …`, `ORDER BY …`) are SQL of the caller's own.
    """
    bind = Bindings()
    clauses = [
        # A fetch includes the sample at its very start; a selection begins after it.
        _series_where(Selection(fetch.matchers, fetch.start_ms - 1, fetch.end_ms), bind)
        for fetch in fetches
    ]
    where = "\n   OR ".join(f"({clause})" for clause in clauses) or "0"
    return Statement(f"SELECT {columns}\nFROM series\nWHERE {where}\n{tail}".rstrip(), bind)


def select_metrics(metrics: Sequence[str], after_ms: int) -> Statement:
    """
    Compile a read of whole *metrics*, after *after_ms*, to rows of `id`, `time_ms`, `value`.

    They are ordered by metric, id and time. Two samples of a series may have one time still.
    """
    return Statement(
        "SELECT id, toUnixTimestamp64Milli(ts) AS time_ms, CAST(value, 'Float64') AS value\n"
        "FROM samples\n"
        f"WHERE metric IN {{metrics:Array(String)}} AND ts > {_time(after_ms)}\n"
        "ORDER BY metric, id, ts",
        {"metrics": list(metrics)},
    )


def select_series_ids(metrics: Sequence[str], after_ms: int) -> Statement:
    """Compile a read of the `id` of each series of *metrics* after *after_ms*, each once."""
    return Statement(
        "SELECT DISTINCT id\nFROM series\n"
        f"WHERE metric IN {{metrics:Array(String)}} AND week >= toMonday({_time(after_ms)})",
        {"metrics": list(metrics)},
    )


def select_labels(metrics: Sequence[str], after_ms: int) -> Statement:
    """Compile a read of `id` and `labels` of the series of *metrics* after *after_ms*."""
    return Statement(
        "SELECT id, CAST(labels, 'Map(String, String)') AS labels\nFROM series\n"
        f"WHERE metric IN {{metrics:Array(String)}} AND week >= toMonday({_time(after_ms)})\n"
        "LIMIT 1 BY id",
        {"metrics": list(metrics)},
    )


def count_metrics(metrics: Sequence[str]) -> Statement:
    """Compile a count of the samples of each of *metrics*: rows of `metric`, `samples`."""
    return Statement(
        "SELECT metric, count() AS samples\nFROM samples\n"
        "WHERE metric IN {metrics:Array(String)}\nGROUP BY metric",
        {"metrics": list(metrics)},
    )


def count_span(metric: str, after_ms: int, until_ms: int) -> Statement:
    """Compile a count of *metric*'s samples after two times: one row of `samples`, `later`."""
    return Statement(
        f"SELECT count() AS samples, countIf(ts > {_time(until_ms)}) AS later\nFROM samples\n"
        f"WHERE metric = {{metric:String}} AND ts > {_time(after_ms)}",
        {"metric": metric},
    )


def settings(limits: FetchLimits) -> Mapping[str, int]:
    """Return the engine settings that hold a query to *limits*."""
    return {
        "max_rows_to_read": limits.max_samples + _GRANULE_SLACK,
        "max_memory_usage": limits.max_memory_bytes,
        "max_execution_time": max(1, limits.timeout_ms // 1000),
    }


@dataclass(frozen=True, slots=True)
class Selection:
    """Series that satisfy every matcher, and time `after_ms < t <= until_ms`."""

    matchers: tuple[Matcher, ...]
    after_ms: int
    until_ms: int


def _samples_where(selection: Selection, bind: Bindings) -> str:
    span = f"ts > {_time(selection.after_ms)} AND ts <= {_time(selection.until_ms)}"
    metric = _equal_metric(selection.matchers)
    if metric is None:
        chosen = f"SELECT metric, id FROM series WHERE {_series_where(selection, bind)}"
        return f"(metric, id) IN ({chosen})\n  AND {span}"
    where = f"metric = {bind.put(metric)}\n  AND {span}"
    if len(selection.matchers) > 1:
        where += f"\n  AND id IN (SELECT id FROM series WHERE {_series_where(selection, bind)})"
    return where


def _series_where(selection: Selection, bind: Bindings) -> str:
    after, until = _time(selection.after_ms), _time(selection.until_ms)
    return " AND ".join(
        [
            f"week >= toMonday({after}) AND week <= toMonday({until})",
            f"last_ts > {after} AND first_ts <= {until}",
            *(_predicate(matcher, bind) for matcher in selection.matchers),
        ]
    )


def _time(ms: int) -> str:
    """Return a bound of a selection; there are no samples before 1970 or after 2100."""
    return f"fromUnixTimestamp64Milli({min(max(ms, -1), LAST_MS)}, 'UTC')"


def _predicate(matcher: Matcher, bind: Bindings) -> str:
    column = "metric" if matcher.name == METRIC_NAME else f"labels[{bind.put(matcher.name)}]"
    match matcher.op:
        case MatchOp.EQUAL | MatchOp.NOT_EQUAL:
            return f"{column} {matcher.op} {bind.put(matcher.value)}"
        case MatchOp.REGEX | MatchOp.NOT_REGEX:
            negation = "NOT " if matcher.op is MatchOp.NOT_REGEX else ""
            # Prometheus anchors both ends and lets a dot match a newline.
            return f"{negation}match({column}, {bind.put(f'^(?s:{matcher.value})$')})"


def _equal_metric(matchers: Sequence[Matcher]) -> str | None:
    for matcher in matchers:
        if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL and matcher.value:
            return matcher.value
    return None

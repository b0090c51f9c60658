"""Fetches compiled to SQL. Pure: the text is under test, and values are always bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from veriscope.signals import (
    METRIC_NAME,
    STALE_BITS,
    Aggregation,
    GridFetch,
    GridFunction,
    Matcher,
    MatchOp,
    RawFetch,
    Reduction,
    SeriesFetch,
)

_GRID_FUNCTION: Final[Mapping[GridFunction, str]] = {
    GridFunction.LATEST: "Last",
    GridFunction.RATE: "Rate",
    GridFunction.INCREASE: "Increase",
    GridFunction.DELTA: "Delta",
    GridFunction.IRATE: "InstantRate",
    GridFunction.IDELTA: "InstantDelta",
    GridFunction.SUM: "Sum",
    GridFunction.AVG: "Avg",
    GridFunction.MIN: "Min",
    GridFunction.MAX: "Max",
    GridFunction.COUNT: "Count",
    GridFunction.LAST: "Last",
    GridFunction.PRESENT: "Count",
    GridFunction.CHANGES: "Changes",
    GridFunction.RESETS: "Resets",
}
_REDUCTION: Final[Mapping[Reduction, str]] = {
    # Compensated as in Prometheus; but an infinity makes the compensation, and so the sum, NaN.
    Reduction.SUM: "arrayMap((kahan, plain) -> if(isNaN(kahan), plain, kahan),"
    " sumKahanForEach({0}), sumForEach({0}))",
    Reduction.AVG: "avgForEach({0})",
    Reduction.MIN: "minForEach({0})",
    Reduction.MAX: "maxForEach({0})",
    Reduction.COUNT: "countForEach({0})",
    Reduction.GROUP: "countForEach({0})",
}


_LAST_MS: Final = 4_102_444_800_000
_STALE: Final = f"reinterpretAsUInt64({{}}) = {STALE_BITS}"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `{name:Type}` parameters, and their values."""

    sql: str
    parameters: Mapping[str, Any]


class _Bindings(dict[str, Any]):
    """Values that a statement binds; each gets a parameter name of its own."""

    def put(self, value: object, kind: str = "String") -> str:
        name = f"p{len(self)}"
        self[name] = value
        return f"{{{name}:{kind}}}"


def select_grid(fetch: GridFetch) -> Statement:
    """
    Compile *fetch* to rows of `id`, `grid` (one nullable value a step) and `samples` (a count).

    With an aggregation the rows are groups: `names` and `label_values` instead of `id`.
    """
    bind = _Bindings()
    grid_ms = (fetch.grid.start_ms, fetch.grid.last_ms)
    selection = Selection(fetch.matchers, grid_ms[0] - fetch.window_ms, grid_ms[1])
    where = _samples_where(selection, bind)
    if fetch.function is not GridFunction.LATEST:
        where += f"\n  AND NOT ({_STALE.format('value')})"
    times = [f"fromUnixTimestamp64Milli({ms}, 'UTC')" for ms in grid_ms]
    spans = [f"toDecimal64('{ms / 1000:.3f}', 3)" for ms in (fetch.grid.step_ms, fetch.window_ms)]
    function = f"timeSeries{_GRID_FUNCTION[fetch.function]}ToGrid"
    grid = f"{function}({', '.join(times + spans)})(ts, value)"
    if fetch.function is GridFunction.PRESENT:
        grid = f"arrayMap(count -> count / count, {grid})"
    if fetch.aggregation is not None and fetch.function is GridFunction.LATEST:
        # A stale marker ends a series; folded into a sum it would be a NaN.
        grid = f"arrayMap(x -> if({_STALE.format('assumeNotNull(x)')}, NULL, x), {grid})"
    by_series = (
        f"SELECT id, {grid} AS grid, count() AS samples\nFROM samples\nWHERE {where}\nGROUP BY id"
    )
    if fetch.aggregation is None:
        return Statement(by_series, bind)
    return Statement(_fold(fetch.aggregation, selection, by_series, bind), bind)


def select_raw(fetch: RawFetch) -> Statement:
    """Compile *fetch* to rows of `id`, `time_ms`, `value`: series by series, in time order."""
    bind = _Bindings()
    where = _samples_where(Selection(fetch.matchers, fetch.start_ms, fetch.end_ms), bind)
    return Statement(
        "SELECT id, toUnixTimestamp64Milli(ts) AS time_ms, value\n"
        f"FROM samples FINAL\nWHERE {where}\nORDER BY metric, id, ts",
        bind,
    )


def select_series(fetches: Sequence[SeriesFetch], columns: str, tail: str = "") -> Statement:
    """
    Compile the union of *fetches* to rows of *columns* of the series table.

    *columns* and *tail* (`GROUP BY …`, `ORDER BY …`) are SQL of the caller's own.
    """
    bind = _Bindings()
    clauses = [
        # A fetch includes the sample at its very start; a selection begins after it.
        _series_where(Selection(fetch.matchers, fetch.start_ms - 1, fetch.end_ms), bind)
        for fetch in fetches
    ]
    where = "\n   OR ".join(f"({clause})" for clause in clauses) or "0"
    return Statement(f"SELECT {columns}\nFROM series\nWHERE {where}\n{tail}".rstrip(), bind)


@dataclass(frozen=True, slots=True)
class Selection:
    """Series that satisfy every matcher, and time `after_ms < t <= until_ms`."""

    matchers: tuple[Matcher, ...]
    after_ms: int
    until_ms: int


def _fold(aggregation: Aggregation, selection: Selection, by_series: str, bind: _Bindings) -> str:
    if aggregation.without:
        dropped = bind.put([*aggregation.names, METRIC_NAME], "Array(String)")
        kept = f"mapFilter((name, _) -> NOT has({dropped}, name), any(labels))"
        keys = f"mapKeys({kept}) AS names, mapValues({kept}) AS label_values"
    else:
        names = bind.put(list(aggregation.names), "Array(String)")
        keys = f"{names} AS names, arrayMap(name -> any(labels)[name], {names}) AS label_values"
    reduced = _REDUCTION[aggregation.reduction].format("grids.grid")
    return (
        f"SELECT names, label_values, {reduced} AS grid,"
        " sum(samples) AS samples\n"
        f"FROM (\n{by_series}\n) AS grids\n"
        f"INNER JOIN (\nSELECT id, {keys}\n"
        f"FROM series\nWHERE {_series_where(selection, bind)}\nGROUP BY id\n) AS keys USING (id)\n"
        "GROUP BY names, label_values"
    )


def _samples_where(selection: Selection, bind: _Bindings) -> str:
    span = f"ts > {_time(selection.after_ms)} AND ts <= {_time(selection.until_ms)}"
    metric = _equal_metric(selection.matchers)
    if metric is None:
        chosen = f"SELECT metric, id FROM series WHERE {_series_where(selection, bind)}"
        return f"(metric, id) IN ({chosen})\n  AND {span}"
    where = f"metric = {bind.put(metric)}\n  AND {span}"
    if len(selection.matchers) > 1:
        where += f"\n  AND id IN (SELECT id FROM series WHERE {_series_where(selection, bind)})"
    return where


def _series_where(selection: Selection, bind: _Bindings) -> str:
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
    return f"fromUnixTimestamp64Milli({min(max(ms, -1), _LAST_MS)}, 'UTC')"


def _predicate(matcher: Matcher, bind: _Bindings) -> str:
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

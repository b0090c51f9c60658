"""Searches of spans and log records compiled to SQL. Pure: the text is under test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from veriscope.signals import InvalidInputError
from veriscope.signals.predicates import Field, Place
from veriscope.signals.searches import Figure, Search, Tally
from veriscope.store.predicates import Column, PredicateCompiler
from veriscope.store.select import LAST_MS, Bindings, Statement

LONGEST_SPAN_MS: Final = 86_400_000
"""A span that lasted longer is not found by its end."""

SEARCH_SETTINGS: Final[Mapping[str, int]] = {
    # Words are compared in lower case by the index alone, so it must be used.
    "use_skip_indexes": 1,
    "use_skip_indexes_if_final": 1,
    # Rows of one key are alike, so none of them is needed to see that another is out of date.
    "use_skip_indexes_if_final_exact_mode": 0,
}
"""Settings that every search is run with."""


@dataclass(frozen=True, slots=True)
class _Table:
    """What is searched."""

    name: str
    columns: Mapping[str, Column]
    within: Callable[[Search, Bindings], str]
    """Compiles that a row is of the search's time."""
    figures: Mapping[Figure, str]
    group_texts: Mapping[str, str]
    """Texts to group by of columns that have another, and of names that are no column."""


def _time(ms: int, bind: Bindings) -> str:
    return f"fromUnixTimestamp64Milli({bind.put(min(max(ms, 0), LAST_MS), 'Int64')}, 'UTC')"


def _of_time(search: Search, bind: Bindings) -> str:
    return f"time > {_time(search.start_ms, bind)} AND time <= {_time(search.end_ms, bind)}"


def _ended(search: Search, bind: Bindings) -> str:
    start, end = _time(search.start_ms, bind), _time(search.end_ms, bind)
    # As the index `by_end` spells it.
    ended = "addNanoseconds(start_time, greatest(duration_ns, 0))"
    earliest = _time(search.start_ms - LONGEST_SPAN_MS, bind)
    return (
        f"start_time > {earliest} AND start_time <= {end}\n"
        f"    AND {ended} > {start} AND {ended} <= {end}"
    )


LOGS: Final = _Table(
    name="logs",
    columns={
        "service_name": Column.TEXT,
        "severity_number": Column.SEVERITY,
        "severity_text": Column.TEXT,
        "event_name": Column.TEXT,
        "body": Column.WORDS,
        "trace_id": Column.TRACE_ID,
        "span_id": Column.SPAN_ID,
        "scope_name": Column.TEXT,
    },
    within=_of_time,
    figures={Figure.COUNT: "toFloat64(count())"},
    group_texts={
        "level": "if(severity_number = 0, lower(severity_text), ['trace', 'debug', 'info', 'warn',"
        " 'error', 'fatal'][intDiv(severity_number + 3, 4)])",
        "severity_number": "if(severity_number = 0, '', toString(severity_number))",
    },
)
SPANS: Final = _Table(
    name="spans",
    columns={
        "service_name": Column.TEXT,
        "name": Column.TEXT,
        "kind": Column.CHOICE,
        "status_code": Column.CHOICE,
        "status_message": Column.TEXT,
        "duration_ns": Column.NUMBER,
        "trace_id": Column.TRACE_ID,
        "span_id": Column.SPAN_ID,
        "parent_span_id": Column.SPAN_ID,
        "scope_name": Column.TEXT,
    },
    within=_ended,
    figures={
        Figure.COUNT: "toFloat64(count())",
        Figure.ERROR_RATE: "avg(status_code = 'error')",
        Figure.MEAN: "avg(duration_ns) / 1e9",
        Figure.P50: "quantileExactInclusive(0.5)(duration_ns) / 1e9",
        Figure.P90: "quantileExactInclusive(0.9)(duration_ns) / 1e9",
        Figure.P95: "quantileExactInclusive(0.95)(duration_ns) / 1e9",
        Figure.P99: "quantileExactInclusive(0.99)(duration_ns) / 1e9",
    },
    group_texts={"kind": "toString(kind)", "status_code": "toString(status_code)"},
)

# A quotation, or what has a digit in it: numbers, times, addresses, ids.
_VARYING: Final = r'"[^"]*"|[\w.:-]*\d(?:[\w.:-]*\w)?'
# Of each record; what makes two of them alike stands at the beginning.
_PATTERN_CHARACTERS: Final = 300


def tally_statement(tally: Tally, table: _Table, most: int) -> Statement:
    """
    Compile *tally* to rows of `key0`, `key1`, … and `value`, ordered by the keys.

    At most one row more than *most*, which tells that there are too many.
    """
    bind = Bindings()
    if (figure := table.figures.get(tally.figure)) is None:
        raise InvalidInputError(f"{table.name} have no {tally.figure}")
    source, texts = _grouped(tally.by, table, bind)
    keys = [f"key{place}" for place in range(len(texts))]
    columns = [f"CAST({text}, 'String') AS {key}" for key, text in zip(keys, texts, strict=True)]
    where = _where(tally.search, table, bind)
    sql = f"SELECT {', '.join([*columns, f'{figure} AS value'])}\nFROM {source}\nWHERE {where}"
    if keys:
        names = ", ".join(keys)
        sql += f"\nGROUP BY {names}\nORDER BY {names}\nLIMIT {bind.put(most + 1, 'UInt64')}"
    elif tally.figure is not Figure.COUNT:
        sql += "\nHAVING count() > 0"
    return Statement(sql, bind)


def last_statement(search: Search, columns: str, limit: int) -> Statement:
    """Compile *search* to *columns* of the last *limit* records, newest first."""
    bind = Bindings()
    where = _where(search, LOGS, bind)
    return Statement(
        f"SELECT {columns}\nFROM logs FINAL\nWHERE {where}\n"
        f"ORDER BY time DESC, delivery, position DESC\nLIMIT {bind.put(limit, 'UInt32')}",
        bind,
    )


def patterns_statement(search: Search, onset_ms: int, limit: int) -> Statement:
    """Compile to rows of `PatternCount`, those first that come more often since *onset_ms*."""
    bind = Bindings()
    where = _where(search, LOGS, bind)
    onset = _time(onset_ms, bind)
    lasted = [
        bind.put(max(1, span), "Int64")
        for span in (onset_ms - search.start_ms, search.end_ms - onset_ms)
    ]
    size = bind.put(_PATTERN_CHARACTERS, "UInt32")
    varying = bind.put(_VARYING)
    return Statement(
        "SELECT service, pattern, countIf(NOT is_since) AS before, countIf(is_since) AS since,"  # noqa: S608 - values are bound
        " argMax(text, is_since) AS example\n"
        "FROM\n(\n"
        f"    SELECT CAST(service_name, 'String') AS service, time > {onset} AS is_since,\n"
        f"        substringUTF8(body, 1, {size}) AS text,\n"
        f"        replaceRegexpAll(text, {varying}, '<*>') AS pattern\n"
        f"    FROM logs FINAL\n    WHERE {where}\n)\n"
        "GROUP BY service, pattern\n"
        f"ORDER BY since / {lasted[1]} - before / {lasted[0]} DESC, since DESC, service, pattern\n"
        f"LIMIT {bind.put(limit, 'UInt32')}",
        bind,
    )


def examples_statement(search: Search, limit: int) -> Statement:
    """Compile *search* to the slowest span of each trace, the slowest trace first."""
    bind = Bindings()
    where = _where(search, SPANS, bind)
    return Statement(
        "SELECT trace_id, CAST(service_name, 'String') AS service, CAST(name, 'String') AS name,"
        " toUnixTimestamp64Milli(start_time) AS start_ms, duration_ns / 1e6 AS duration_ms,"
        " status_code = 'error' AS is_error\n"
        f"FROM spans FINAL\nWHERE {where}\n"
        "ORDER BY duration_ns DESC, start_time, span_id\nLIMIT 1 BY trace_id\n"
        f"LIMIT {bind.put(limit, 'UInt32')}",
        bind,
    )


def _where(search: Search, table: _Table, bind: Bindings) -> str:
    within = table.within(search, bind)
    condition = PredicateCompiler(table.columns, bind).compile(search.predicate)
    return f"{within}\n    AND ({condition})"


def _grouped(by: Sequence[Field], table: _Table, bind: Bindings) -> tuple[str, list[str]]:
    """Return what is read, and the text of each field of it."""
    texts: list[str] = []
    of_resources: list[str] = []
    for field in by:
        if field.place is Place.COLUMN:
            if field.name not in table.columns and field.name not in table.group_texts:
                raise InvalidInputError(f"{table.name} have no column {field.name!r}")
            texts.append(table.group_texts.get(field.name, field.name))
            continue
        value = f"attributes[{bind.put(field.name)}]"
        if field.place is Place.RESOURCE:
            name = f"resource{len(of_resources)}"
            of_resources.append(f"any({value}) AS {name}")
            value = name
        texts.append(value)
    source = f"{table.name} FINAL"
    if of_resources:
        source += (
            f"\nLEFT ANY JOIN (SELECT id, {', '.join(of_resources)} FROM resources GROUP BY id)"  # noqa: S608 - values are bound
            " AS resource ON resource.id = resource_id"
        )
    return source, texts

"""The SQL that searches become."""

from collections.abc import Callable

import pytest

from veriscope.query import logs, traces
from veriscope.signals import InvalidInputError
from veriscope.signals.predicates import (
    AllOf,
    AnyOf,
    Bound,
    Equals,
    Exists,
    Field,
    HasWords,
    InRange,
    Matches,
    Place,
    Predicate,
)
from veriscope.signals.searches import Figure, Search, Tally
from veriscope.store.search_statements import (
    LOGS,
    SPANS,
    examples_statement,
    last_statement,
    patterns_statement,
    tally_statement,
)
from veriscope.store.select import Statement

HOUR = (1_700_000_000_000, 1_700_003_600_000)
SERVICE = Field(Place.COLUMN, "service_name")


def _logs(text: str) -> Search:
    return Search(logs.parse(text), *HOUR)


def _spans(text: str) -> Search:
    return Search(traces.parse(text), *HOUR)


STATEMENTS = {
    "level": tally_statement(
        Tally(_logs("level:error AND service:chat"), Figure.COUNT, (SERVICE,)), LOGS, 10
    ),
    "everything": tally_statement(Tally(_logs("*"), Figure.COUNT), LOGS, 10),
    "words": tally_statement(
        Tally(_logs('timeout OR "connection refused" OR conn* OR body:/re[fF]used/'), Figure.COUNT),
        LOGS,
        10,
    ),
    "attributes": tally_statement(
        Tally(_logs("tokens:>=100 AND NOT route:\\/v1* AND resource.pod:a"), Figure.COUNT), LOGS, 10
    ),
    "groups": tally_statement(
        Tally(
            _logs("_exists_:trace_id"),
            Figure.COUNT,
            tuple(logs.group_field(name)[0] for name in ("level", "route", "resource.pod")),
        ),
        LOGS,
        10,
    ),
    "latency": tally_statement(
        Tally(_spans("name:generate AND kind:server"), Figure.P95, (SERVICE,)), SPANS, 10
    ),
    "error_rate": tally_statement(Tally(_spans("duration:>1.5s"), Figure.ERROR_RATE), SPANS, 10),
    "last": last_statement(_logs("level:error"), "time, body", 5),
    "patterns": patterns_statement(_logs("level:>=error"), HOUR[1] - 600_000, 5),
    "examples": examples_statement(_spans("status:error"), 5),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_sql_of_searches_is_known(name: str, golden: Callable[[str, str], None]) -> None:
    """A change of any statement is seen in review."""
    golden(f"search/{name}.sql", _spelled(STATEMENTS[name]))


def test_values_are_bound_and_never_part_of_the_text() -> None:
    """No text of a search can become SQL, whatever it is compared with."""
    hostile = "x' OR 1 = 1 --"
    fields = [Field(place, hostile) for place in (Place.ATTRIBUTE, Place.RESOURCE)]
    predicate = AllOf(
        tuple(
            AnyOf(
                (
                    Exists(field),
                    Equals(field, hostile),
                    Matches(field, hostile),
                    HasWords(field, (hostile,)),
                    InRange(field, Bound(hostile, inclusive=True), None),
                )
            )
            for field in fields
        )
    )
    statement = tally_statement(
        Tally(Search(predicate, *HOUR), Figure.COUNT, tuple(fields)), LOGS, 1
    )
    assert "1 = 1" not in statement.sql


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (Exists(Field(Place.COLUMN, "1 OR 1")), "no column"),
        (Matches(Field(Place.COLUMN, "trace_id"), "a"), "is no text"),
        (Equals(Field(Place.COLUMN, "severity_number"), "17"), "range"),
        (InRange(Field(Place.COLUMN, "trace_id"), Bound("a", inclusive=True), None), "no order"),
    ],
    ids=["column", "regex", "number", "order"],
)
def test_what_a_column_cannot_be_compared_with_is_refused(
    predicate: Predicate, message: str
) -> None:
    """The names of columns are known, and so is what they hold."""
    with pytest.raises(InvalidInputError, match=message):
        tally_statement(Tally(Search(predicate, *HOUR), Figure.COUNT), LOGS, 1)


def test_only_what_can_be_told_is_asked() -> None:
    """Records have no durations, and there are no columns but those that are known."""
    everything = Search(AllOf(()), *HOUR)
    with pytest.raises(InvalidInputError, match="logs have no p95"):
        tally_statement(Tally(everything, Figure.P95), LOGS, 1)
    with pytest.raises(InvalidInputError, match="no column"):
        tally_statement(Tally(everything, Figure.COUNT, (Field(Place.COLUMN, "x"),)), LOGS, 1)


def _spelled(statement: Statement) -> str:
    bound = "\n".join(f"-- {name} = {value!r}" for name, value in statement.parameters.items())
    return f"{statement.sql}\n{bound}\n"

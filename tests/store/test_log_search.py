"""Searches of log records find what a plain reading of the predicate finds."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.signals import FetchLimits, LimitExceededError
from veriscope.signals.predicates import (
    AllOf,
    AnyOf,
    Bound,
    Equals,
    Exists,
    Field,
    HasWords,
    HasWordsLike,
    InRange,
    Matches,
    Negation,
    Place,
    Predicate,
)
from veriscope.signals.searches import Figure, PatternCount, Search, Tally
from veriscope.store import Store

LIMITS = FetchLimits()
NOON_MS = 1_700_000_000_000
NUMBER = Field(Place.ATTRIBUTE, "n")
EVERYTHING = AllOf(())
BODY = Field(Place.COLUMN, "body")
LEVEL = Field(Place.COLUMN, "level")


@dataclass(frozen=True)
class Record:
    """One record as it is stored."""

    body: str = ""
    service: str = "chat"
    severity: int = 0
    severity_text: str = ""
    trace: bytes = bytes(16)
    attributes: dict[str, str] = field(default_factory=dict)
    resource: int = 0
    time_ms: int = NOON_MS


RESOURCES = [{"pod": "a-1"}, {"pod": "b_2", "zone": "Ünï"}, {}]
RECORDS = [
    Record("Connection REFUSED by peer", severity=17, attributes={"code": "500", "e": ""}),
    Record("connection  refused", "search", 13, resource=1, trace=bytes(range(16))),
    Record("refused connection", "search", 9, "INFO", attributes={"code": "404"}),
    Record("connection-refused, connection_closed", "image", 18, attributes={"code": "-5"}),
    Record(
        "it's größe Ünïcode ☃ über", "image", 0, "Error", attributes={"code": "1e3"}, resource=2
    ),
    Record("a.b.c x42 42", "", 0, "warn", attributes={"code": "2.5", "tag": "re fused"}),
    Record("", "chat", 21, attributes={"code": "abc", "tag": "Größe"}, resource=1),
    Record("line one\nline two\ttab", "chat", 1, attributes={"code": "007"}),
    Record("RefusedTwice user_id=7", "chat", 5, "DEBUG", attributes={"tag": "42"}, resource=1),
    Record("refused " * 40, "billing", 17, "ERROR", attributes={"code": "inf", "tag": "x"}),
]


def add(store: Store, records: list[Record], delivery: int = 0) -> None:
    """Store *records* as one part, each with its number as attribute `n`."""
    count = len(records)
    texts = pa.map_(pa.string(), pa.string())
    attributes = [
        {**record.attributes, "n": str(delivery * 100 + place)}
        for place, record in enumerate(records)
    ]
    columns = {
        "service_name": pa.array([record.service for record in records]),
        "time": pa.array([record.time_ms for record in records], pa.timestamp("ms", tz="UTC")),
        "delivery": pa.array([delivery] * count, pa.uint64()),
        "position": pa.array(range(count), pa.uint32()),
        "severity_number": pa.array([record.severity for record in records], pa.uint8()),
        "severity_text": pa.array([record.severity_text for record in records]),
        "body": pa.array([record.body for record in records]),
        "body_type": pa.array(["string"] * count),
        "trace_id": pa.array([record.trace for record in records], pa.binary(16)),
        "resource_id": pa.array([record.resource for record in records], pa.uint64()),
        "attributes": pa.array([list(found.items()) for found in attributes], texts),
        "attribute_types": pa.array([["string"] * len(found) for found in attributes]),
    }
    store._engine.insert_arrow("logs", pa.table(columns))


def add_resources(store: Store) -> None:
    """Store the resources that the records are of."""
    texts = pa.map_(pa.string(), pa.string())
    columns = {
        "service_name": pa.array(["s"] * len(RESOURCES)),
        "id": pa.array(range(len(RESOURCES)), pa.uint64()),
        "attributes": pa.array([list(found.items()) for found in RESOURCES], texts),
    }
    store._engine.insert_arrow("resources", pa.table(columns))


def find(store: Store, predicate: Predicate) -> list[int]:
    """Return the numbers of the records that the store finds."""
    search = Search(predicate, NOON_MS - 1, NOON_MS)
    groups = store.log_search.tally(Tally(search, Figure.COUNT, (NUMBER,)), LIMITS)
    assert set(groups.values.tolist()) <= {1.0}
    return sorted(int(number) for (number,) in groups.keys)


def value_of(record: Record, looked_at: Field) -> str | int | None:
    """Return the value of a field, None where it is absent."""
    match looked_at:
        case Field(Place.ATTRIBUTE, name):
            return record.attributes.get(name)
        case Field(Place.RESOURCE, name):
            return RESOURCES[record.resource].get(name)
        case Field(Place.COLUMN, "severity_number"):
            return record.severity or None
        case Field(Place.COLUMN, "trace_id"):
            return record.trace.hex() if any(record.trace) else None
    texts = {
        "body": record.body,
        "service_name": record.service,
        "severity_text": record.severity_text,
    }
    return texts[looked_at.name] or None


def words_of(text: str) -> list[str]:
    """Return the words of a text: ASCII letters and digits and all that is not ASCII."""
    lower = "".join(c.lower() if c.isascii() else c for c in text)
    return re.findall(r"(?:[0-9a-z]|[^\x00-\x7f])+", lower)


def _is_like(pattern: str, word: str) -> bool:
    return re2.fullmatch(pattern, word) is not None


def follow(words: list[str], passes: Sequence[Callable[[str], bool]]) -> bool:
    """Tell whether neighbours among *words* pass one by one."""
    return any(
        all(test(word) for test, word in zip(passes, words[start:], strict=False))
        for start in range(len(words) - len(passes) + 1)
    )


def in_range(value: str | int, low: Bound | None, high: Bound | None) -> bool:
    """Compare as the predicate promises."""
    read: Any = value
    if any(end and isinstance(end.value, float) for end in (low, high)):
        try:
            read = float(value)
        except ValueError:
            return False
    above = low is None or read > low.value or (low.inclusive and read == low.value)
    below = high is None or read < high.value or (high.inclusive and read == high.value)
    return bool(above and below)


def holds(predicate: Predicate, record: Record) -> bool:  # noqa: C901, PLR0911 - one line a kind
    """Evaluate *predicate* as it is written down."""
    match predicate:
        case AllOf(parts):
            return all(holds(part, record) for part in parts)
        case AnyOf(parts):
            return any(holds(part, record) for part in parts)
        case Negation(part):
            return not holds(part, record)
    value = value_of(record, predicate.field)
    if value is None:
        return False
    match predicate:
        case Exists():
            return True
        case Equals(text=text):
            return value == text
        case Matches(pattern=pattern):
            return re2.search(f"(?s:{pattern})", str(value)) is not None
        case HasWords(words=words):
            return follow(words_of(str(value)), [partial(str.__eq__, word) for word in words])
        case HasWordsLike(patterns=patterns):
            tests = [partial(_is_like, pattern) for pattern in patterns]
            return follow(words_of(str(value)), tests)
        case InRange(low=low, high=high):
            return in_range(value, low, high)


TEXT_FIELDS = st.sampled_from(
    [
        BODY,
        Field(Place.COLUMN, "service_name"),
        Field(Place.COLUMN, "severity_text"),
        *(Field(Place.ATTRIBUTE, name) for name in ("code", "tag", "e", "none")),
        *(Field(Place.RESOURCE, name) for name in ("pod", "zone")),
    ]
)
TEXTS = st.sampled_from(
    sorted(
        {"", "x' OR 1 = 1 --", "chat", "connection refused"}
        | {text for record in RECORDS for text in (record.body, record.service)}
        | {text for record in RECORDS for text in record.attributes.values()}
        | {text for resource in RESOURCES for text in resource.values()}
    )
)
WORDS = st.sampled_from(["refused", "connection", "by", "größe", "Ünïcode", "42", "line", "x"])
WORD_PATTERNS = st.sampled_from(["ref.*", "[^ -/]+", "gr.+e", "x?42", "conn[a-z]*n", "☃"])
NUMBERS = st.sampled_from([-5.0, 0.0, 2.5, 7.0, 404.0, 1000.0])


def bounds(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw ends of ranges, of which one at least is given."""
    ends = st.none() | st.builds(Bound, values, st.booleans())
    return st.tuples(ends, ends).filter(any)


PLAIN = st.one_of(
    st.builds(Exists, TEXT_FIELDS | st.just(Field(Place.COLUMN, "trace_id"))),
    st.builds(Equals, TEXT_FIELDS, TEXTS),
    st.builds(
        Matches,
        TEXT_FIELDS,
        st.sampled_from(
            ["refused", r"\A\z", r"\A(?s:.*)\z", "(?i)ERROR|über", r"\d{2}", "e.l", "."]
        ),
    ),
    st.builds(HasWords, TEXT_FIELDS, st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
    st.builds(
        HasWordsLike, TEXT_FIELDS, st.lists(WORD_PATTERNS, min_size=1, max_size=2).map(tuple)
    ),
    st.builds(lambda f, ends: InRange(f, *ends), TEXT_FIELDS, bounds(NUMBERS)),
    st.builds(lambda f, ends: InRange(f, *ends), TEXT_FIELDS, bounds(TEXTS)),
    bounds(NUMBERS).map(lambda ends: InRange(Field(Place.COLUMN, "severity_number"), *ends)),
    st.sampled_from([bytes(range(16)).hex(), "0" * 32, "f" * 32]).map(
        lambda text: Equals(Field(Place.COLUMN, "trace_id"), text)
    ),
)
PREDICATES = st.recursive(
    PLAIN,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map(lambda found: AllOf(tuple(found))),
        st.lists(parts, max_size=3).map(lambda found: AnyOf(tuple(found))),
        parts.map(Negation),
    ),
    max_leaves=6,
)


@pytest.fixture
def filled(store: Store) -> Store:
    """Return a store with the records in two parts, the second of them delivered twice."""
    add_resources(store)
    half = len(RECORDS) // 2
    add(store, RECORDS[:half])
    for _ in range(2):
        add(store, RECORDS[half:], delivery=1)
    return store


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(predicate=PREDICATES)
def test_the_store_finds_what_a_plain_reading_finds(filled: Store, predicate: Predicate) -> None:
    """Every kind of predicate, nested, over present and absent values; each record once."""
    half = len(RECORDS) // 2
    expected = [
        place if place < half else 100 + place - half
        for place, record in enumerate(RECORDS)
        if holds(predicate, record)
    ]
    assert find(filled, predicate) == expected


def test_groups_have_the_texts_of_their_fields(filled: Store) -> None:
    """Columns, levels, attributes and those of resources; what is absent is empty."""
    search = Search(HasWords(BODY, ("refused",)), NOON_MS - 1, NOON_MS)
    fields = (LEVEL, Field(Place.ATTRIBUTE, "code"), Field(Place.RESOURCE, "pod"))
    groups = filled.log_search.tally(Tally(search, Figure.COUNT, fields), LIMITS)
    assert list(groups.keys) == [
        ("error", "-5", "a-1"),
        ("error", "500", "a-1"),
        ("error", "inf", "a-1"),
        ("info", "404", "a-1"),
        ("warn", "", "b_2"),
    ]
    assert groups.values.tolist() == [1.0] * 5


def test_a_count_of_nothing_is_zero_and_other_groups_need_something(store: Store) -> None:
    """Absence can be counted where nothing is grouped by."""
    search = Search(EVERYTHING, NOON_MS - 1, NOON_MS)
    assert store.log_search.tally(Tally(search, Figure.COUNT), LIMITS).values.tolist() == [0.0]
    assert store.log_search.tally(Tally(search, Figure.COUNT, (NUMBER,)), LIMITS).keys == ()


def test_a_window_begins_after_its_start(store: Store) -> None:
    """A record is in one of two windows that follow each other, never in both."""
    add(store, [Record(time_ms=NOON_MS), Record(time_ms=NOON_MS + 10)])

    def count(start: int, end: int) -> float:
        search = Search(EVERYTHING, NOON_MS + start, NOON_MS + end)
        return float(store.log_search.tally(Tally(search, Figure.COUNT), LIMITS).values[0])

    assert [count(-1, 0), count(0, 9), count(0, 10), count(10, 20)] == [1, 0, 1, 0]


def test_too_many_groups_are_refused(filled: Store) -> None:
    """A field of too many values costs an error, not the memory."""
    search = Search(EVERYTHING, NOON_MS - 1, NOON_MS)
    with pytest.raises(LimitExceededError, match="more than 9 groups; group by fewer"):
        filled.log_search.tally(
            Tally(search, Figure.COUNT, (NUMBER,)), FetchLimits(max_series=len(RECORDS) - 1)
        )


def test_the_last_records_come_newest_first(store: Store) -> None:
    """They are documents as those of a service, and a limit keeps the newest."""
    add(store, [Record(f"number {place}", time_ms=NOON_MS + place) for place in range(5)])
    search = Search(HasWords(BODY, ("number",)), NOON_MS, NOON_MS + 3)
    found = store.log_search.last(search, 2, LIMITS)
    assert [record["body"] for record in found] == ["number 3", "number 2"]
    assert found[0]["service_name"] == "chat"


def test_patterns_that_rose_come_first(any_store: Store) -> None:
    """Numbers, ids and quotations do not tell records apart; what was always there is last."""

    def at(step: int, body: str) -> Record:
        return Record(body, time_ms=NOON_MS + step)

    usual = [at(step, f"GET /a took {step} ms") for step in range(-60, 61, 10) if step]
    risen = [at(step, f'no model "m{step}" on 10.0.0.{step}:80') for step in (5, 6, 7, 8)]
    add(any_store, [*usual, *risen, at(-61, 'no model "x" on 10.0.0.9:80')])
    found = any_store.log_search.patterns(
        EVERYTHING,
        start_ms=NOON_MS - 100,
        onset_ms=NOON_MS,
        end_ms=NOON_MS + 60,
        limit=5,
        limits=LIMITS,
    )
    assert [(one.pattern, one.before, one.since) for one in found] == [
        ("no model <*> on <*>", 1, 4),
        ("GET /a took <*> ms", 6, 6),
    ]
    assert isinstance(found[0], PatternCount)
    assert found[0].example in {record.body for record in risen}

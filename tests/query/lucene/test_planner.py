"""What a search in Lucene's syntax means, and what is said where it means nothing."""

import pytest

from veriscope.query import ParseError
from veriscope.query.lucene import FieldKind, KnownField, Schema, plan
from veriscope.signals import InvalidInputError
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

BODY = Field(Place.COLUMN, "body")
SERVICE = Field(Place.COLUMN, "service_name")
SIZE = Field(Place.COLUMN, "size")
TOOK = Field(Place.COLUMN, "took")
SCHEMA = Schema(
    names={
        "service": KnownField(FieldKind.TEXT, SERVICE),
        "id": KnownField.column(FieldKind.ID, "id", digits=4),
        "status": KnownField.column(FieldKind.CHOICE, "status", choices=("ok", "error")),
        "size": KnownField(FieldKind.NUMBER, SIZE),
        "took": KnownField(FieldKind.DURATION, TOOK),
        "level": KnownField.column(FieldKind.LEVEL, "severity_number"),
    },
    unnamed=KnownField(FieldKind.WORDS, BODY),
)


def attribute(name: str) -> Field:
    """Return the attribute called *name*."""
    return Field(Place.ATTRIBUTE, name)


def has(*words: str) -> HasWords:
    """Return that the body has *words*."""
    return HasWords(BODY, words)


def closed(value: float | str) -> Bound:
    """Return a bound that belongs to its range."""
    return Bound(value, inclusive=True)


def opened(value: float | str) -> Bound:
    """Return a bound that does not."""
    return Bound(value, inclusive=False)


A, B, C = has("a"), has("b"), has("c")

OPERATORS = {
    "a AND b": AllOf((A, B)),
    "a OR b AND c": AnyOf((A, AllOf((B, C)))),
    "(a OR b) AND c": AllOf((AnyOf((A, B)), C)),
    "NOT a": Negation(A),
    "a AND NOT b": AllOf((A, Negation(B))),
    "+a AND -b": AllOf((A, Negation(B))),
    # Without an operator, one of them is enough, as in Kibana, unless one is required.
    "a b": AllOf((AnyOf((A, B)),)),
    "+a b": AllOf((A,)),
    "a -b": AllOf((A, Negation(B))),
    "-a -b": AllOf((Negation(A), Negation(B))),
    "a NOT b": AllOf((A, Negation(B))),
    "a^2 OR (b)^3": AnyOf((A, B)),
    "*": AllOf(()),
    "*:*": AllOf(()),
    "service:(x OR y)": AnyOf((Equals(SERVICE, "x"), Equals(SERVICE, "y"))),
    "service:(+x -y)": AllOf((Equals(SERVICE, "x"), Negation(Equals(SERVICE, "y")))),
}


@pytest.mark.parametrize(("text", "expected"), OPERATORS.items(), ids=list(OPERATORS))
def test_operators_combine(text: str, expected: Predicate) -> None:
    """AND binds closer than OR; plus and minus require and forbid."""
    assert plan(text, SCHEMA) == expected


VALUES = {
    "Refused": has("refused"),
    '"Connection, REFUSED"': has("connection", "refused"),
    "foo-bar_baz": has("foo", "bar", "baz"),
    "Größe": has("größe"),
    "time*": HasWordsLike(BODY, (r"time[^\x00-/:-@\[-`{-\x7f]*",)),
    "/time\\/out \\d+/": Matches(BODY, r"(?s:time/out \d+)"),
    "service:chat": Equals(SERVICE, "chat"),
    'service:"a \\"b\\" * c"': Equals(SERVICE, 'a "b" * c'),
    "service:a\\*b\\:c": Equals(SERVICE, "a*b:c"),
    "service:ch?t-*": Matches(SERVICE, r"\A(?s:ch.t\-.*)\z"),
    "service:/a|b/": Matches(SERVICE, r"\A(?s:a|b)\z"),
    "service:*": Exists(SERVICE),
    "_exists_:service": Exists(SERVICE),
    "_exists_:http.route": Exists(attribute("http.route")),
    "http.status_code:500": Equals(attribute("http.status_code"), "500"),
    "attributes.service:x": Equals(attribute("service"), "x"),
    "resource.k8s.pod:x": Equals(Field(Place.RESOURCE, "k8s.pod"), "x"),
    "my\\ key\\:x:1": Equals(attribute("my key:x"), "1"),
    "a:-5": Equals(attribute("a"), "-5"),
    "a:>=5": InRange(attribute("a"), closed(5.0), None),
    "a:<1e3": InRange(attribute("a"), None, opened(1000.0)),
    "a:[-5 TO 10}": InRange(attribute("a"), closed(-5.0), opened(10.0)),
    "a:{* TO 10]": InRange(attribute("a"), None, closed(10.0)),
    "a:[* TO *]": Exists(attribute("a")),
    "a:[1 TO b]": InRange(attribute("a"), closed("1"), closed("b")),
    'a:>"x y"': InRange(attribute("a"), opened("x y"), None),
    "a:(>1 AND <5)": AllOf(
        (InRange(attribute("a"), opened(1.0), None), InRange(attribute("a"), None, opened(5.0)))
    ),
    "size:7": InRange(SIZE, closed(7.0), closed(7.0)),
    "took:>1.5s": InRange(TOOK, opened(1.5e9), None),
    "took:[1ms TO 1m30s]": InRange(TOOK, closed(1e6), closed(90e9)),
    "id:00aF": Equals(Field(Place.COLUMN, "id"), "00af"),
    "status:ERROR": Equals(Field(Place.COLUMN, "status"), "error"),
}


@pytest.mark.parametrize(("text", "expected"), VALUES.items(), ids=list(VALUES))
def test_a_value_is_read_as_its_field_asks(text: str, expected: Predicate) -> None:
    """Words in the body, whole texts in other fields; units, names and ids where they belong."""
    assert plan(text, SCHEMA) == expected


FAULTS = {
    "": "nothing is searched for",
    "  ": "nothing is searched for",
    "(a": "1:3: .*parenthesis is not closed",
    "a)": "1:2: .*remove it",
    "a AND": "1:6: .*ends too early",
    '"a': "1:1: .*quotation is not closed",
    "x:/a": "1:3: .*regular expression is not closed",
    "'a'": "1:1: .*double quotes",
    "a\\": "1:2: .*backslash",
    "a && b": "1:3: .*write AND for &&",
    "a || b": "1:3: .*write OR for",
    "!a": "1:1: .*write NOT",
    "a~": "1:1: .*wildcards",
    '"a b"~2': "1:1: .*wildcards",
    "a:b:c": '1:3: .*put "b:c" in quotes',
    "path:/api/v1": "1:6: .*put a path in quotes",
    "a*:b": "1:1: .*name one field",
    "_exists_:(a b)": "1:10: .*name of a field|1:1: .*name of a field",
    "---": "ends too early|no letter or digit",
    '"..."': "1:1: .*no letter or digit",
    "[a TO b]": "1:1: .*no order",
    "x:/(/": "1:3: .*not a regular expression: missing",
    "x:/" + "a" * 1_001 + "/": "1,001 characters; 1,000 are allowed",
    "size:x": "1:6: .*no number",
    "took:5": "1:6: .*write it as 250ms",
    "id:zz": "1:4: .*4 hexadecimal digits",
    "id:a*": "1:4: .*takes no wildcards",
    "id:/a/": "1:4: .*takes no regular expression",
    "status:x": "1:8: .*none of ok, error",
    "level:x": "1:7: .*no level; write trace",
    "level:25": "1:7: .*no level",
    "(" * 60 + "a" + ")" * 60: "nested more than 50",
    " OR ".join(["a"] * 501): "more than 500 terms",
    "a" * 10_001: "10,001 characters; 10,000 are allowed",
}


@pytest.mark.parametrize(
    ("text", "message"), FAULTS.items(), ids=[text[:12] or "empty" for text in FAULTS]
)
def test_a_fault_is_said_with_its_place_and_cure(text: str, message: str) -> None:
    """Whoever wrote it can put it right."""
    with pytest.raises(ParseError, match=message):
        plan(text, SCHEMA)


def test_a_field_to_group_by_becomes_a_label() -> None:
    """What a label's name cannot have is `_`; what has a value a row is refused."""
    assert SCHEMA.group_field("service") == (SERVICE, "service")
    assert SCHEMA.group_field("http.route") == (attribute("http.route"), "http_route")
    assert SCHEMA.group_field("attributes.5xx")[1] == "attributes_5xx"
    assert SCHEMA.group_field("5xx")[1] == "_5xx"
    assert SCHEMA.group_field("level") == (Field(Place.COLUMN, "level"), "level")
    for name, message in (("id", "too many values"), ("__x", "reserved"), ("", "empty name")):
        with pytest.raises(InvalidInputError, match=message):
            SCHEMA.group_field(name)

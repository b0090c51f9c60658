"""Parsing: the tree that is read, and Prometheus' words for what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.query import ParseError, QueryError
from veriscope.query.promql import ValueType, parse, parse_matchers, value_type
from veriscope.query.promql.ast import (
    Aggregate,
    AtBound,
    Binary,
    Call,
    Cardinality,
    Grouping,
    Matching,
    MatrixSelector,
    Negation,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    VectorSelector,
)
from veriscope.query.promql.parse import cached_parse
from veriscope.signals import Matcher, MatchOp

UP = VectorSelector((Matcher("__name__", MatchOp.EQUAL, "up"),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e3", NumberLiteral(1000.0)),
        ("1m30s", NumberLiteral(90.0)),
        ('"a\\n"', StringLiteral("a\n")),
        ("up", UP),
        ("(up)", Paren(UP)),
        ("-up", Negation(UP)),
        ("up[5m]", MatrixSelector(UP, 300_000)),
        ("up[5m:1m]", Subquery(UP, 300_000, 60_000)),
        ("up[5m:]", Subquery(UP, 300_000, None)),
        ("up offset -1m", VectorSelector(UP.matchers, offset_ms=-60_000)),
        ("up @ 1.5", VectorSelector(UP.matchers, at=1_500)),
        ("up[1m:] @ end() offset 2s", Subquery(UP, 60_000, None, 2_000, AtBound.END)),
        ("abs(up)", Call("abs", (UP,), ValueType.VECTOR)),
        ("sum by (a, b) (up)", Aggregate("sum", UP, None, Grouping(("a", "b")))),
        ("topk without (a) (3, up)",
         Aggregate("topk", UP, NumberLiteral(3.0), Grouping(("a",), without=True))),
        ("up > bool up", Binary(">", UP, UP, return_bool=True)),
        ("up * on(a) group_left(b) up",
         Binary("*", UP, UP, matching=Matching(Cardinality.MANY_TO_ONE, True, ("a",), ("b",)))),
        ("up and ignoring(a) up",
         Binary("and", UP, UP, matching=Matching(Cardinality.MANY_TO_MANY, False, ("a",)))),
    ],
)  # fmt: skip
def test_tree(text: str, expected: object) -> None:
    """The library's tree becomes ours, times in milliseconds."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{a="b", c!="d", e=~"f.*", g!~"h"}', ['a="b"', 'c!="d"', 'e=~"f.*"', 'g!~"h"']),
        ('{"metric.name", "label.name"="v"}', ['__name__="metric.name"', 'label.name="v"']),
    ],
)
def test_matchers(text: str, expected: list[str]) -> None:
    """All four kinds of matcher, and names in quotes."""
    selector = parse(text)
    assert isinstance(selector, VectorSelector)
    assert sorted(map(str, selector.matchers)) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: parse error: no expression found in input"),
        ("up up", '1:4: parse error: unexpected "up"'),
        ("up +", "1:5: parse error: unexpected end of input"),
        ("sum(up", "1:7: parse error: unclosed left parenthesis"),
        ("\n foo(up)", '2:2: parse error: unknown function with name "foo"'),
        ("rate(up)", '1:1: parse error: expected type range vector in call to function "rate"'),
        ("rate(up)", ", got instant vector"),
        ("1 + rate(up[5m], 1)", '1:5: parse error: expected 1 argument(s) in call to "rate", got'),
        ("sum(up[5m])", "expected type instant vector in aggregation expression, got range vector"),
        ("1 > 2", "comparisons between scalars must use BOOL modifier"),
        ("up and 1", "set operator 'and' not allowed in binary scalar expression"),
        ("up + bool up", "bool modifier can only be used on comparison operators"),
        ('up{a=~"("}', "illegal regex"),
        ('up{a=~"[a&&b]|\\\\pZ{2000}"}', "parse error"),
        ('up{a="1" or b="2"}', 'unexpected "or" in label matching'),
        ("{}", "vector selector must contain at least one non-empty matcher"),
        ("up[0s]", "duration must be greater than 0"),
        ("up[0.0001]", "duration must be greater than 0"),
        ("up[5m:0.0001]", "duration must be greater than 0"),
        ("up[1e30]", "parse error: cannot convert float seconds to Duration"),
        ("up[1e30] up", "parse error"),
        ("up offset 30000000y", "parse error"),
        ("up @ -0x3", "1:4: parse error: negative @ timestamps are not supported"),
        ("up @ -3", "1:4: parse error: negative @ timestamps are not supported"),
        ("up @ 9999999999999", "1:4: parse error: timestamp out of bounds for @ modifier"),
        ("up or fill(1) up", "fill"),
        ("(" * 5_000 + "1" + ")" * 5_000, "nested too deeply"),
        ("1" + "+1" * 5_000, "more than 256 operators"),
    ],
)  # fmt: skip
def test_refusal(text: str, message: str) -> None:
    """What is no expression is refused with the reason and, where known, the place."""
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_a_selector_by_itself() -> None:
    """Selectors outside of expressions have matchers, and nothing else."""
    assert [str(m) for m in parse_matchers('up{a="b"}')] == ['__name__="up"', 'a="b"']
    for text in ("up[5m]", "up offset 1m", "up @ 3", "1"):
        with pytest.raises(ParseError, match="a plain series selector is expected"):
            parse_matchers(text)


def test_deep_but_bounded_expressions_are_read() -> None:
    """What passes the limits is read without running out of stack."""
    assert value_type(parse("(" * 120 + "up" + ")" * 120)) is ValueType.VECTOR
    assert value_type(parse("1" + "+1" * 250)) is ValueType.SCALAR


def test_parsed_expressions_are_remembered() -> None:
    """The same text is parsed once; another is not taken for it."""
    remembering = cached_parse(2)
    assert remembering("up") is remembering("up")
    assert remembering("up") != remembering("down")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2", "scalar"), ("up + 1", "instant vector"), ("up[1m]", "range vector"),
        ('"x"', "string"), ("scalar(up)", "scalar"), ("-(up)", "instant vector"),
    ],
)  # fmt: skip
def test_value_type(text: str, expected: str) -> None:
    """Every expression has one of PromQL's four types."""
    assert value_type(parse(text)) == expected


@given(st.text(alphabet="abru p()[]{}=~!\"'`,.:@+-*/%^<>10m5sofet\n#\\", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text breaks the parser otherwise than by a `QueryError`."""
    try:
        parse(text)
    except QueryError as error:
        assert "parse error" in str(error)  # noqa: PT017 - either outcome is right

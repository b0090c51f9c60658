"""Parsing: the tree that is read, and Prometheus' words for what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.query import ParseError, QueryError
from veriscope.query.promql import ValueType, parse, parse_matchers, value_type
from veriscope.query.promql.analysis import cached_prepare
from veriscope.query.promql.ast import (
    Aggregate,
    AtBound,
    Binary,
    Call,
    Cardinality,
    DurationExpr,
    Edges,
    Grouping,
    Matching,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
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
        ("-up", Unary(UP)),
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
        ("+up", Unary(UP, "+")),
        ("- 5", NumberLiteral(-5.0)),
        ("-2 ^ 2", Unary(Binary("^", NumberLiteral(2.0), NumberLiteral(2.0)))),
        ("2 ^ 3 ^ 2",
         Binary("^", NumberLiteral(2.0), Binary("^", NumberLiteral(3.0), NumberLiteral(2.0)))),
        ("1 - 2 - 3",
         Binary("-", Binary("-", NumberLiteral(1.0), NumberLiteral(2.0)), NumberLiteral(3.0))),
        ("1_000.5", NumberLiteral(1000.5)),
        ("0755", NumberLiteral(493.0)),
        ("0x_1F", NumberLiteral(31.0)),
        ("'\\x41\\u00e9\\101'", StringLiteral("AéA")),
        ("`\\n`", StringLiteral("\\n")),
        ("up @ -1.5", VectorSelector(UP.matchers, at=-1_500)),
        ("up offset 1m @ 3", VectorSelector(UP.matchers, 60_000, 3_000)),
        ("up smoothed", VectorSelector(UP.matchers, edges=Edges.SMOOTHED)),
        ("up[1m] anchored offset 1s",
         MatrixSelector(VectorSelector(UP.matchers, 1_000, edges=Edges.ANCHORED), 60_000)),
        ("up[1m * 2]",
         MatrixSelector(UP, 0, DurationExpr("*", NumberLiteral(60.0), NumberLiteral(2.0)))),
        ("up[step():-5 + 10]",
         Subquery(UP, 0, 0, range_expr=DurationExpr("step"),
                  step_expr=DurationExpr("+", NumberLiteral(-5.0), NumberLiteral(10.0)))),
        ("up offset -(1 + 2)",
         VectorSelector(UP.matchers, offset_expr=DurationExpr(
             "-", None, DurationExpr("+", NumberLiteral(1.0), NumberLiteral(2.0))))),
        ("up offset 1 + 2", Binary("+", VectorSelector(UP.matchers, 1_000), NumberLiteral(2.0))),
        ("up + fill_left(-1) up",
         Binary("+", UP, UP, matching=Matching(fill_left=-1.0))),
        ("up + on(a) group_right fill(2) up",
         Binary("+", UP, UP,
                matching=Matching(Cardinality.ONE_TO_MANY, True, ("a",), (), 2.0, 2.0))),
        ("up </ 2", Binary("</", UP, NumberLiteral(2.0))),
        ("sum by ('a.b', sum) (up)", Aggregate("sum", UP, None, Grouping(("a.b", "sum")))),
        ("SUM(up) BY (a)", Aggregate("sum", UP, None, Grouping(("a",)))),
        ("# c\n up # d", UP),
        ("end", VectorSelector((Matcher("__name__", MatchOp.EQUAL, "end"),))),
        ("end()", Call("end", (), ValueType.SCALAR)),
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
        ("up up", '1:4: parse error: unexpected identifier "up"'),
        ("up +", "1:5: parse error: unexpected end of input"),
        ("sum(up", "1:7: parse error: unclosed left parenthesis"),
        ("\n foo(up)", '2:2: parse error: unknown function with name "foo"'),
        ("rate(up)", '1:6: parse error: expected type range vector in call to function "rate"'),
        ("rate(up)", ", got instant vector"),
        ("1 + rate(up[5m], 1)", '1:5: parse error: expected 1 argument(s) in call to "rate", got'),
        ("sum(up[5m])", "expected type instant vector in aggregation expression, got range vector"),
        ("1 > 2", "comparisons between scalars must use BOOL modifier"),
        ("up and 1", 'set operator "and" not allowed in binary scalar expression'),
        ("up + bool up", "bool modifier can only be used on comparison operators"),
        ('up{a=~"("}', "error parsing regexp"),
        ('up{a=~"[a&&b]|\\\\pZ{2000}"}', "parse error"),
        ('up{a="1" or b="2"}', '1:10: parse error: unexpected identifier "or" in label'),
        ("{}", "vector selector must contain at least one non-empty matcher"),
        ("up[0s]", "duration must be greater than 0"),
        ("up[0.0001]", "duration must be greater than 0"),
        ("up[5m:0.0001]", "duration must be greater than 0"),
        ("up[1e30]", "1:4: parse error: duration out of range"),
        ("up[1e30] up", "parse error"),
        ("2 + 1e400", '1:5: parse error: error parsing number: strconv.ParseFloat: parsing "1e'),
        ("2 + 1e400", ": value out of range"),
        ("0x1ffffffffffffffff", ": invalid syntax"),
        ("0x" + "f" * 400, ": invalid syntax"),
        ("up offset 30000000y", "parse error"),
        ("1 + up @ 9999999999999", "1:5: parse error: timestamp out of bounds for @ modifier: 99"),
        ("up @ NaN", "1:1: parse error: timestamp out of bounds for @ modifier: NaN"),
        ("up @ -Inf", "1:1: parse error: timestamp out of bounds for @ modifier: -Inf"),
        ("up or fill(1) up", "fill"),
        ("(" * 5_000 + "1" + ")" * 5_000, "nested too deeply"),
        ("2" + "^2" * 5_000, "nested too deeply"),
        ("-" * 5_000 + "1", "nested too deeply"),
        ("m[1" + "+1" * 5_000 + "]", "nested too deeply"),
    ],
)  # fmt: skip
def test_refusal(text: str, message: str) -> None:
    """What is no expression is refused with the reason and, where known, the place."""
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", (0, 2)),
        ("  (up)  ", (2, 6)),
        ("a + rate(up[5m])", (0, 16)),
        ("-up", (0, 3)),
        ("up[5m] offset 1m", (0, 16)),
        ("sum(up) by (a)", (0, 14)),
        ("up[5m:1m] @ end()", (0, 17)),
    ],
)
def test_a_node_knows_its_place(text: str, expected: tuple[int, int]) -> None:
    """The span of an expression is from its first character to its last."""
    assert parse(text).span == expected


def test_a_selector_by_itself() -> None:
    """Selectors outside of expressions have matchers, and nothing else."""
    assert [str(m) for m in parse_matchers('up{a="b"}')] == ['__name__="up"', 'a="b"']
    for text in ("up[5m]", "up offset 1m", "up @ 3", "1"):
        with pytest.raises(ParseError, match="a plain series selector is expected"):
            parse_matchers(text)


@pytest.mark.parametrize("name", ["job:errors:rate", ":x", "sum", "by", "up"])
def test_any_metric_name_selects(name: str) -> None:
    """A recorded one and one that is also a word of the language, too."""
    for all_series in (False, True):
        found = parse_matchers(f'{name}{{a="b"}}', all_series=all_series)
        assert [str(m) for m in found] == [f'__name__="{name}"', 'a="b"']


def test_deep_but_bounded_expressions_are_read() -> None:
    """What passes the limits is read without running out of stack."""
    assert value_type(parse("(" * 120 + "up" + ")" * 120)) is ValueType.VECTOR
    assert value_type(parse("1" + "+1" * 5_000)) is ValueType.SCALAR


def test_parsed_expressions_are_remembered() -> None:
    """The same text is parsed once; another is not taken for it."""
    remembering = cached_prepare(2)
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

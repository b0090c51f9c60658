"""Expressions as text and as trees."""

from typing import Any

import pytest

from veriscope.query import ExecutionError
from veriscope.query.promql import parse
from veriscope.query.promql.format import format_expression, pretty, quote
from veriscope.query.promql.tree import to_tree
from veriscope.query.promql.walk import selectors

ONE_LINE = [
    ("foo", "foo"),
    ("1e3", "1000"),
    ("0x10", "16"),
    ("-Inf + NaN", "-Inf + NaN"),
    ("'a\"b'", '"a\\"b"'),
    ("foo{b='2',a!=\"1\"}", 'foo{a!="1",b="2"}'),
    ("foo{}", "foo"),
    ('{__name__="foo",a="b"}', 'foo{a="b"}'),
    ('{__name__=~"foo.*"}', '{__name__=~"foo.*"}'),
    ('{"http.requests", code="200"}', '{__name__="http.requests",code="200"}'),
    ('foo{"a.b"="c"}', 'foo{"a.b"="c"}'),
    ("foo offset 300s", "foo offset 5m"),
    ("foo offset -1h30m", "foo offset -1h30m"),
    ("foo @ 1.5 offset 1m", "foo @ 1.500 offset 1m"),
    ("foo offset 1m @ end()", "foo @ end() offset 1m"),
    ("rate(foo[90s] @ start())", "rate(foo[1m30s] @ start())"),
    ("max_over_time(rate(foo[5m])[1h:30s] offset 2d)",) * 2,
    ("min_over_time(foo[1h:])",) * 2,
    ("sum(foo)by(a,b)", "sum by (a, b) (foo)"),
    ("sum by () (foo)", "sum(foo)"),
    ("avg without() (foo)", "avg without () (foo)"),
    ('count_values("v", foo) without (a)', 'count_values without (a) ("v", foo)'),
    ("topk(3,foo)", "topk(3, foo)"),
    ("a+b*-c^2", "a + b * -c ^ 2"),
    ("(a+b)*c", "(a + b) * c"),
    ("a==bool on(x)group_left(y)b", "a == bool on (x) group_left (y) b"),
    ("a/ignoring(x)b", "a / ignoring (x) b"),
    ("a * on() group_right() b", "a * on () group_right () b"),
    ("a and on(x) b", "a and on (x) b"),
    ("a + fill(0) b", "a + fill (0) b"),
    ("a + fill_left(1) b", "a + fill_left (1) b"),
    ('label_replace(foo,"a","$1","b","(.*)")', 'label_replace(foo, "a", "$1", "b", "(.*)")'),
    ('sum by ("a.b") (foo)', 'sum by ("a.b") (foo)'),
    ("rate(foo[5m]anchored)", "rate(foo[5m] anchored)"),
    ("foo smoothed offset 1m", "foo smoothed offset 1m"),
    ("foo offset (1m+30s)", "foo offset (1m + 30s)"),
    ("rate(foo[step()*2])", "rate(foo[step() * 2])"),
    ("sum_over_time(foo[max(5m,step()):1m])", "sum_over_time(foo[max_of(5m, step()):1m])"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ONE_LINE)
def test_an_expression_has_one_spelling(text: str, expected: str) -> None:
    """That of Prometheus, which is its own spelling."""
    expr = parse(text)
    assert format_expression(expr) == expected
    assert format_expression(parse(expected)) == expected
    assert pretty(expr) == expected


LONG = "a_rather_long_metric_name_of_a_service"


def test_a_long_expression_is_laid_out_over_lines() -> None:
    """Each level two spaces further in; what fits into 100 characters stays on its line."""
    text = (
        f'sum by (job) (rate({LONG}_requests_total{{code=~"5.."}}[5m]))'
        f" / on (job) group_left () sum by (job) (rate({LONG}_requests_total[5m]))"
    )
    assert pretty(parse(text)) == (
        f'  sum by (job) (rate({LONG}_requests_total{{code=~"5.."}}[5m]))\n'
        "/ on (job) group_left ()\n"
        f"  sum by (job) (rate({LONG}_requests_total[5m]))"
    )


def test_calls_and_aggregations_put_each_argument_on_its_line() -> None:
    """And so do parentheses, negations and subqueries with what they hold."""
    inner = f"{LONG}_one + {LONG}_two"
    text = f'-topk by (job) (3, label_replace(({inner} * 2), "{LONG}", "$1", "b", "(.*)"))'
    assert pretty(parse(text)).splitlines() == [
        "-topk by (job) (",
        "  3,",
        "  label_replace(",
        f"    ({inner} * 2),",
        f'    "{LONG}",',
        '    "$1",',
        '    "b",',
        '    "(.*)"',
        "  )",
        ")",
    ]
    wide = f"max_over_time(({inner} + {inner})[1h:1m] offset 5m)"
    assert parse(pretty(parse(wide))) == parse(wide)


def test_a_long_chain_is_laid_out_too() -> None:
    """Thousands of operators are read back as they were; what they would nest is bounded."""
    expr = parse(" + ".join(["some_metric_name"] * 3_000))
    for text in (format_expression(expr), pretty(expr)):
        assert format_expression(parse(text)) == format_expression(expr)
    assert max(map(len, pretty(expr).splitlines())) < 600
    with pytest.raises(ExecutionError, match="nested too deeply"):
        to_tree(expr)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\n", r'"a\tb\n"'),
        ('say "hi" \\', r'"say \"hi\" \\"'),
        ("\x00\x7f", r'"\x00\x7f"'),
        ("é€\u200b\U0001f600", '"é€\\u200b\U0001f600"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_strings_are_quoted_as_go_does(text: str, expected: str) -> None:
    """What prints is written as it is."""
    assert quote(text) == expected


def test_selectors_are_found_wherever_they_stand() -> None:
    """Each set of matchers once, in the order of the text."""
    found = selectors(parse('sum(rate(a[5m])) / b{x="1"} + max_over_time(a[1h:1m]) + time()'))
    assert ["".join(map(str, matchers)) for matchers in found] == [
        '__name__="a"',
        '__name__="b"x="1"',
    ]


SELECTOR: dict[str, Any] = {
    "type": "vectorSelector",
    "name": "foo",
    "offset": 0,
    "matchers": [{"name": "__name__", "value": "foo", "type": "="}],
    "timestamp": None,
    "startOrEnd": None,
    "anchored": False,
    "smoothed": False,
}


def test_a_selector_s_tree_has_its_modifiers() -> None:
    """Times in milliseconds; the name is the last matcher."""
    assert to_tree(parse("foo")) == SELECTOR
    found = to_tree(parse('foo{a=~"b"}[5m] @ 1.5 offset -1m'))
    assert found == {
        **SELECTOR,
        "type": "matrixSelector",
        "range": 300_000,
        "offset": -60_000,
        "timestamp": 1500,
        "matchers": [{"name": "a", "value": "b", "type": "=~"}, *SELECTOR["matchers"]],
    }
    assert to_tree(parse("foo @ end()"))["startOrEnd"] == "end"


def test_a_call_s_tree_has_the_function_s_signature() -> None:
    """As an editor needs it to explain the arguments."""
    found = to_tree(parse("round(foo, 5)"))
    assert found["func"] == {
        "name": "round",
        "argTypes": ["vector", "scalar"],
        "variadic": 1,
        "returnType": "vector",
    }
    assert found["args"] == [SELECTOR, {"type": "numberLiteral", "val": "5"}]


def test_an_operator_s_tree_has_its_matching_only_between_vectors() -> None:
    """A number needs none."""
    found = to_tree(parse("foo * on(a) group_left(b) foo"))
    assert found["matching"] == {
        "card": "many-to-one",
        "labels": ["a"],
        "on": True,
        "include": ["b"],
        "fillValues": {"lhs": None, "rhs": None},
    }
    assert to_tree(parse("foo > bool 1"))["matching"] is None
    assert to_tree(parse("foo > bool 1"))["bool"] is True


def test_aggregations_and_subqueries_have_trees() -> None:
    """With their parameter, and with the step where one was written."""
    found = to_tree(parse("quantile(0.9, foo) without (a)"))
    assert found["param"] == {"type": "numberLiteral", "val": "0.9"}
    assert (found["grouping"], found["without"]) == (["a"], True)
    subquery = to_tree(parse("(foo)[1h:1m] offset 1m"))
    assert (subquery["range"], subquery["step"], subquery["offset"]) == (3_600_000, 60_000, 60_000)
    assert subquery["expr"] == {"type": "parenExpr", "expr": SELECTOR}

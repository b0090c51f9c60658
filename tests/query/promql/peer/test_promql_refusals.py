"""What is no PromQL is refused by Veriscope and Debian's Prometheus in the same words."""

from collections.abc import Callable
from typing import Any

import pytest

from veriscope.query import ParseError
from veriscope.query.promql import parse

QUERIES = [
    "sum by (a b) (c)",
    "sum by a (c)",
    "foo(",
    "(",
    "a +",
    "a + + b",
    "a b",
    "1 2",
    "a{",
    "a{b",
    "a{b=",
    "a{b=c}",
    'a{b="c"',
    'a{b="c",,}',
    "a{,}",
    "a[5m",
    "a[5m:",
    "a @",
    "a @ x",
    "a @ start",
    "a @ start(",
    "sum()",
    "sum(a,b)",
    "topk(a)",
    "topk(1)",
    "abs()",
    "abs(a,b)",
    "round(a,1,2)",
    "label_join(a)",
    "a on(b) c",
    "a + on b",
    "a + on(b c) d",
    "a + group_left b",
    "a + bool b",
    "a == on(x) bool b",
    "'abc",
    '"abc\\q"',
    "`abc",
    "a!b",
    "a=b",
    "a=~b",
    '{a=""}',
    "1x",
    "0x",
    "1e",
    "a:b:c + d",
    "!a",
    "$a",
    "a$",
    "a{$}",
    "by",
    "sum",
    "sum + by",
    "offset",
    "and",
    "a and",
    "on",
    "bool",
    "a unless on() group_left b",
    "1 and 2",
    "a and 1",
    '"x" + 1',
    '-"x"',
    "a[5m] + 1",
    "sum(a[5m])",
    "rate(a)",
    "rate(a[5m][5m:])",
    "(a)[5m]",
    "a[5m] offset 5m offset 5m",
    "a @ 5 @ 6",
    "(a + b) offset 5m",
    "sum(a) @ 5",
    "time()[5m:]",
    "a[5m][5m]",
    "1[5m]",
    "a offset 5m[5m]",
    "a @ 5 [5m]",
    "sum(a) by (b) by (c)",
    "sum by (b) (a) by (c)",
    'a{__name__="b"}',
    "a + on(x) group_left(x) b",
    "1 > 2",
    "unknown(a)",
    "sum without (a,) (b)",
    "sum by (,) (b)",
    "sum by (5) (b)",
    "a(b)",
    "a)",
    "a]",
    "a}",
    "(a",
    "((a)",
    '{a="b"} + }',
    "a ;",
    "a # comment",
    "# comment",
    "",
    "   ",
    "a\n+\n+ )",
    "-a^-2^",
    "min",
    "max(",
    "count_values(a, b)",
    'count_values("x", 1)',
    'quantile("x", a)',
    "vector(a)",
    "scalar(1)",
    'a{b!"c"}',
    'a{b="c" d="e"}',
    "a atan2",
    "atan2",
    "1.5.5",
    'a[5m]{b="c"}',
    "a[5m5h]",
    "a[300y]",
    "é",
    'a{b="é"} é',
    'foo{a="b", c}',
    'foo{a="b" ,',
    "Inf",
    "inf + NaN",
    "+a",
    "+-+a",
]
"""
Half of an expression, typing errors, wrong types: all that 2.42 and 3 read alike.

Left out is what 3 reads that 2.42 does not: durations as expressions, quoted names, new functions.
"""


@pytest.mark.peer
@pytest.mark.timeout(120)
def test_refusals_have_the_words_and_places_of_prometheus(
    peer_with: Callable[[dict[Any, Any]], Any],
) -> None:
    """The same texts are refused, with the same message at the same line and column."""
    peer = peer_with({})
    wrong = []
    for query in QUERIES:
        answer = peer.get("/api/v1/query", query=query, time=1)
        theirs = None
        if answer["status"] != "success" and answer["errorType"] == "bad_data":
            theirs = answer["error"].removeprefix('invalid parameter "query": ')
        try:
            parse(query)
            ours = None
        except ParseError as error:
            ours = str(error)
        if ours != theirs:
            wrong.append(f"{query!r}: {ours} instead of {theirs}")
    assert not wrong, "\n".join(wrong)

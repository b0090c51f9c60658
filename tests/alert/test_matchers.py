import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.alert.matchers import Matching, matches_empty, parse_matcher, parse_matchers
from veriscope.signals import InvalidInputError, Matcher, MatchOp

_NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
_VALUES = st.text(st.characters(codec="utf-8"), max_size=12)
_MATCHERS = st.builds(Matcher, _NAMES, st.sampled_from([MatchOp.EQUAL, MatchOp.NOT_EQUAL]), _VALUES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=b", "b"),
        ("  a = b  ", "b"),
        ('a="b"', "b"),
        ('a=" b "', " b "),
        ("a=", ""),
        ('a=""', ""),
        ('a="b,c"', "b,c"),
        (r'a="b\"c"', 'b"c'),
        (r'a="b\\c"', r"b\c"),
        (r'a="b\nc"', "b\nc"),
        (r'a="b\.c"', r"b\.c"),
        ("a=b\\", "b\\"),
        ("a=b c", "b c"),
        ("a={b}", "{b}"),
        ("a==~", "=~"),
    ],
)
def test_a_classic_matcher_is_read(text: str, value: str) -> None:
    """Quotes are optional, and a backslash before any other character is one."""
    assert parse_matcher(text) == Matcher("a", MatchOp.EQUAL, value)


@pytest.mark.parametrize("op", list(MatchOp))
def test_each_operator_is_read(op: MatchOp) -> None:
    """All four, with the longest first."""
    assert parse_matcher(f"a{op}b") == Matcher("a", op, "b")


@pytest.mark.parametrize(
    "text",
    ["", "a", "=b", "1a=b", 'a="b', 'a=b"', 'a="b"c"', r'a="b\"', 'a=b"c', "a b=c", 'a=~"("'],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    """There is no second way to read it."""
    with pytest.raises(InvalidInputError):
        parse_matcher(text)


def test_matchers_may_stand_in_braces() -> None:
    """Commas separate them, except within quotes; one may follow the last."""
    expected = (Matcher("a", MatchOp.EQUAL, "1,2"), Matcher("b", MatchOp.NOT_REGEX, "x.*"))
    for text in ('{a="1,2",b!~"x.*"}', 'a="1,2", b!~"x.*"', '{a="1,2",b!~"x.*",}'):
        assert parse_matchers(text) == expected
    assert parse_matchers("{}") == parse_matchers("") == ()
    with pytest.raises(InvalidInputError):
        parse_matchers("a=1,,b=2")


def test_names_may_be_quoted() -> None:
    """As Alertmanager reads them from 0.27 on, where the classic spelling does not fit."""
    assert parse_matchers(r'{"service.name"="a\tb", "größe" =~ "\u0041+"}') == (
        Matcher("service.name", MatchOp.EQUAL, "a\tb"),
        Matcher("größe", MatchOp.REGEX, "A+"),
    )
    assert parse_matcher('"a b"=c') == Matcher("a b", MatchOp.EQUAL, "c")
    for text in ('{"a b"=c', '"a b"="\\ud800"', '"a b"="\\q"', '""=c', '"a b"=c d'):
        with pytest.raises(InvalidInputError):
            parse_matchers(text)


@given(st.lists(_MATCHERS, max_size=4))
def test_what_is_printed_is_read_again(matchers: list[Matcher]) -> None:
    """Whatever the values hold."""
    text = "{" + ",".join(map(str, matchers)) + "}"
    assert parse_matchers(text) == tuple(matchers)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but the error of bad input is raised."""
    for parse in (parse_matcher, parse_matchers):
        try:
            parse(text)
        except InvalidInputError as error:
            assert str(error)  # noqa: PT017 - both ends are right


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("a=x", {"a": "x"}, {"a": "xy"}),
        ("a=", {}, {"a": "x"}),
        ("a!=x", {}, {"a": "x"}),
        ("a=~x|y", {"a": "y"}, {"a": "xy"}),
        ("a=~x.*", {"a": "xyz"}, {"a": "x\n"}),
        ("a=~x)|(y", {"a": "x-and-more"}, {"a": "no"}),
        ("a!~.+", {}, {"a": "x"}),
    ],
)
def test_matching(text: str, matching: dict[str, str], other: dict[str, str]) -> None:
    """Expressions match the whole value, in Go's `^(?:…)$`; an absent label is empty."""
    found = Matching([parse_matcher(text)])
    assert found.matches(matching)
    assert not found.matches(other)


def test_all_matchers_must_match() -> None:
    """None of them match everything."""
    found = Matching(parse_matchers("a=1,b!=2,c=~3"))
    assert found.matches({"a": "1", "c": "3"})
    assert not found.matches({"a": "1", "b": "2", "c": "3"})
    assert not found.matches({"a": "1", "c": "4"})
    assert Matching([]).matches({})
    assert matches_empty(parse_matcher("a=~x*"))
    assert not matches_empty(parse_matcher("a=~x+"))

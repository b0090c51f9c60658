"""Series as tests spell them."""

import math

import numpy as np
import pytest

from veriscope.query import ParseError
from veriscope.rules.unit_tests.notation import parse_series, parse_values
from veriscope.signals import is_stale


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("1 2\n\t3", {0: 1, 1: 2, 2: 3}),
        ("1 _ 3", {0: 1, 2: 3}),
        ("_x3 4", {3: 4}),
        ("1+2x3", {0: 1, 1: 3, 2: 5, 3: 7}),
        ("1-2x2 9", {0: 1, 1: -1, 2: -3, 3: 9}),
        ("7x2", {0: 7, 1: 7, 2: 7}),
        ("7x0", {0: 7}),
        ("0x10", dict.fromkeys(range(11), 0)),
        ("-.5 +1.5e1", {0: -0.5, 1: 15}),
        ("1e2-1e1x2", {0: 100, 1: 90, 2: 80}),
        ("1 +2x2", {0: 1, 1: 2, 2: 2, 3: 2}),
        ("inf -Inf", {0: math.inf, 1: -math.inf}),
    ],
)
def test_values_are_spelled_as_in_promtool(text: str, expected: dict[int, float]) -> None:
    """One an interval, counted from 0."""
    found = parse_values(text)
    assert dict(zip(found.slots.tolist(), found.values.tolist(), strict=True)) == expected


def test_steps_are_added_one_after_the_other() -> None:
    """So that the last bit is that of promtool: eleven tenths are less than 1.1."""
    assert parse_values("0.1+0.1x10").values[-1] == 1.0999999999999999


def test_a_stale_marker_is_no_other_nan() -> None:
    """`stale` ends a series, `NaN` is a value of it."""
    assert is_stale(parse_values("stale NaN").values).tolist() == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "one",
        "1,2",
        "1_000",
        "stalex2",
        "Infx2",
        "1--2x3",
        "1+2",
        "1x",
        "__",
        "_x",
        "1x99999999999",
        "{{",
        "{{count:1 colour:3}}",
        "{{count:-1}}",
        "{{count:1 count:2}}",
        "{{schema:77}}",
        "{{buckets:3}}",
    ],
)
def test_what_is_no_value_is_refused(text: str) -> None:
    """Rather than read as something that was not meant."""
    with pytest.raises(ParseError):
        parse_values(text)


def test_histograms_are_repeated_and_added_up() -> None:
    """As floats are."""
    first = "{{schema:1 count:3 sum:4 offset:2 buckets:[1 2]}}"
    found = parse_values(f"_ {first}+{{{{schema:1 count:1 offset:3 buckets:[1]}}}}x2 5")
    assert found.native_slots.tolist() == [1, 2, 3]
    assert found.native.count.tolist() == [3, 4, 5]
    assert found.native.positive.count.tolist() == [1, 2, 1, 3, 1, 4]
    assert found.native.positive.index[:2].tolist() == [2, 3]
    assert found.slots.tolist() == [4]


def test_a_series_has_labels_and_nothing_else() -> None:
    """Each once; an empty value is no label."""
    assert parse_series('m{b="2", a="1", c=""}') == (("__name__", "m"), ("a", "1"), ("b", "2"))
    for wrong in ('m{a=~"1"}', 'm{a="1",a="2"}', "m offset 5m", "m[5m]", "m{", "sum(m)"):
        with pytest.raises(ParseError):
            parse_series(wrong)


def test_long_series_are_cheap() -> None:
    """A year of minutes is one run, not half a million words."""
    found = parse_values("0+1x525599")
    assert np.array_equal(found.values, np.arange(525_600))

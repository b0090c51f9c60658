"""Times, steps and limits as Prometheus spells them."""

import pytest

from veriscope.signals import Grid, InvalidInputError
from veriscope.web.parameters import Parameters, parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1700000000", 1_700_000_000_000),
        ("1700000000.123", 1_700_000_000_123),
        ("1.7e9", 1_700_000_000_000),
        ("-1", -1000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.5+00:00", 1_700_000_000_500),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000_000),
    ],
)
def test_times_are_seconds_or_rfc3339(text: str, expected_ms: int) -> None:
    """Both spellings, with fractions and zones."""
    assert parse_time("time", text) == expected_ms


@pytest.mark.parametrize("text", ["", "now", "NaN", "inf", "1e300", "2023-11-14", "12:00"])
def test_other_times_are_refused_by_name(text: str) -> None:
    """The parameter and its value are in the message."""
    with pytest.raises(InvalidInputError, match='invalid parameter "time"'):
        parse_time("time", text)


@pytest.mark.parametrize(("text", "expected_ms"), [("15", 15_000), ("0.5", 500), ("1m30s", 90_000)])
def test_steps_are_seconds_or_durations(text: str, expected_ms: int) -> None:
    """Both spellings."""
    assert parse_duration("step", text) == expected_ms


@pytest.mark.parametrize("text", ["", "x", "1x", "NaN", "1e300"])
def test_other_steps_are_refused_by_name(text: str) -> None:
    """The parameter and its value are in the message."""
    with pytest.raises(InvalidInputError, match='invalid parameter "step"'):
        parse_duration("step", text)


def _given(**values: str) -> Parameters:
    return Parameters({name: [value] for name, value in values.items()})


def test_a_grid_is_start_end_and_step() -> None:
    """In milliseconds."""
    assert _given(start="100", end="160", step="15").grid() == Grid(100_000, 160_000, 15_000)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"start": "2", "end": "1", "step": "1"}, "end timestamp must not be before start"),
        ({"start": "1", "end": "2", "step": "0"}, "zero or negative query resolution step"),
        ({"start": "1", "end": "2", "step": "-1"}, "zero or negative query resolution step"),
        ({"start": "0", "end": "11001", "step": "1"}, "exceeded maximum resolution of 11,000"),
        ({"end": "2", "step": "1"}, '"start": it is missing'),
        ({"start": "1", "step": "1"}, '"end": it is missing'),
        ({"start": "1", "end": "2"}, '"step": it is missing'),
    ],
)
def test_impossible_grids_are_refused(values: dict[str, str], reason: str) -> None:
    """In Prometheus' own words, where it has them."""
    with pytest.raises(InvalidInputError, match=reason):
        _given(**values).grid()


def test_eleven_thousand_steps_are_allowed() -> None:
    """The bound itself is inside."""
    assert len(_given(start="0", end="11000", step="1").grid()) == 11_001


@pytest.mark.parametrize("text", [" 1", "1 ", "\N{FULLWIDTH DIGIT ONE}", "1\n"])
def test_only_go_s_numbers_are_read(text: str) -> None:
    """Python's own would be more."""
    for parse in (parse_time, parse_duration):
        with pytest.raises(InvalidInputError):
            parse("time", text)
    with pytest.raises(InvalidInputError):
        _given(limit=text).limit()


@pytest.mark.parametrize(("text", "expected"), [("", None), ("-1", None), ("0", 0), ("3", 3)])
def test_a_bound_may_be_zero(text: str, expected: int | None) -> None:
    """A negative one is none."""
    assert _given(limit=text).bound("limit") == expected


@pytest.mark.parametrize("text", ["-1", "x", "1.5"])
def test_a_limit_is_a_whole_number(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidInputError, match='invalid parameter "limit"'):
        _given(limit=text).limit()

"""Levels are ranges of OpenTelemetry's numbers, and names where there is no number."""

import pytest
import re2

from veriscope.query import logs
from veriscope.signals.predicates import AllOf, AnyOf, InRange, Matches, Negation, Predicate


def finds(text: str, number: int, name: str = "") -> bool:
    """Tell whether the search *text* finds a record of that severity."""

    def holds(predicate: Predicate) -> bool:
        match predicate:
            case AnyOf(parts):
                return any(map(holds, parts))
            case AllOf(parts):
                return all(map(holds, parts))
            case Negation(_):  # of there being a number
                return number == 0
            case Matches(_, pattern):
                return re2.search(pattern, name) is not None
            case InRange(_, low, high):
                assert low is not None
                assert high is not None
                return number > 0 and float(low.value) <= number <= float(high.value)
            case _:
                raise AssertionError(predicate)

    return holds(logs.parse(text))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("level:error", range(17, 21)),
        ("severity:ERR", range(17, 21)),
        ("level:critical", range(21, 25)),
        ("level:error2", range(18, 19)),
        ("level:18", range(18, 19)),
        ("level:>=warn", range(13, 25)),
        ("level:>warn", range(17, 25)),
        ("level:<error", range(1, 17)),
        ("level:<=error", range(1, 21)),
        ("level:[debug TO warn}", range(5, 13)),
    ],
)
def test_a_level_is_a_range_of_numbers(text: str, numbers: range) -> None:
    """Each has four numbers, and a comparison has whole levels."""
    assert [number for number in range(25) if finds(text, number)] == list(numbers)


def test_a_record_without_a_number_is_of_the_level_that_it_names() -> None:
    """As senders spell it, in any case; a number says more than a name."""
    assert finds("level:error", 0, "Error")
    assert finds("level:>=warn", 0, "CRITICAL")
    assert not finds("level:error", 0, "errors")
    assert not finds("level:error", 0, "")
    assert not finds("level:error2", 0, "error")
    assert not finds("level:error", 9, "ERROR")

import json
from typing import Any

import pytest

from peers import agreement


def matrix(*series: tuple[dict[str, str], list[list[Any]]]) -> bytes:
    """Return a range query's answer."""
    result = [{"metric": metric, "values": values} for metric, values in series]
    return json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": result}}
    ).encode()


def told(expected: bytes, found: bytes, **options: float) -> str:
    """Return how two answers differ, in one line."""
    return "; ".join(
        agreement.differences(agreement.read(expected), agreement.read(found), **options)
    )


A, B = {"host": "a"}, {"host": "b"}


def test_the_order_of_series_and_the_spelling_of_numbers_do_not_matter() -> None:
    """Servers may sort and print as they like."""
    first = matrix((A, [[1.0, "2"]]), (B, [[1.0, "1e3"]]))
    second = matrix((B, [[1, "1000"]]), (A, [[1, "2.000"]]))
    assert not told(first, second)


def test_a_value_may_differ_by_the_tolerance_and_no_more() -> None:
    """One part in 10⁹ is rounding; ten are another answer, which names series and time."""
    expected = matrix((A, [[60.5, "1000000000"]]))
    assert not told(expected, matrix((A, [[60.5, "1000000001"]])))
    wrong = matrix((A, [[60.5, "1000000010"]]))
    assert "1000000010.0, not 1000000000.0, at 60.5" in told(expected, wrong)
    assert not told(expected, wrong, relative=1e-6)


def test_nothing_is_near_zero_but_zero() -> None:
    """The tolerance is relative."""
    assert told(matrix((A, [[1, "0"]])), matrix((A, [[1, "1e-300"]])))


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("NaN", "NaN", True),
        ("NaN", "1", False),
        ("+Inf", "+Inf", True),
        ("+Inf", "-Inf", False),
        ("+Inf", "1e308", False),
        ("-0", "0", True),
    ],
)
def test_special_values_agree_with_themselves(one: str, other: str, *, agree: bool) -> None:
    """NaN is NaN and an infinity is only itself, whichever server says it."""
    first, second = matrix((A, [[1, one]])), matrix((A, [[1, other]]))
    assert bool(told(first, second)) is not agree
    assert bool(told(second, first)) is not agree


def test_missing_and_extra_series_are_told_apart() -> None:
    """A difference says which side has what the other has not."""
    both, one = matrix((A, [[1, "1"]]), (B, [[1, "1"]])), matrix((A, [[1, "1"]]))
    assert '1 series missing, such as {"host": "b"}' in told(both, one)
    assert '1 series too many, such as {"host": "b"}' in told(one, both)


def test_times_must_be_the_same() -> None:
    """A point more, or a millisecond later, is another answer."""
    expected = matrix((A, [[1, "1"], [2, "1"]]))
    assert told(expected, matrix((A, [[1, "1"]])))
    assert told(expected, matrix((A, [[1, "1"], [2.001, "1"]])))


def test_listings_are_compared_as_sets() -> None:
    """Label values and series have no points, only names."""
    listed = b'{"status":"success","data":["b","a"]}'
    assert not told(listed, b'{"status":"success","data":["a","b"]}')
    assert "1 series missing" in told(listed, b'{"status":"success","data":["a"]}')


def test_instant_answers_and_scalars_are_read() -> None:
    """A vector has one point a series; a scalar is one point."""
    vector = b'"vector","result":[{"metric":{},"value":[1.5,"3"]}]'
    scalar = b'"scalar","result":[1.5,"3"]'
    for result in (vector, scalar):
        body = b'{"status":"success","data":{"resultType":%s}}' % result
        (points,) = agreement.read(body).values()
        assert points is not None
        assert (points.times_ms.tolist(), points.values.tolist()) == ([1500], [3.0])


def test_ranks_forget_who_holds_a_value_but_not_the_values() -> None:
    """Of equals any may be the last of a topk; a smaller value there is still wrong."""
    one = matrix((A, [[1, "5"], [2, "5"]]), (B, [[1, "4"]]))
    other = matrix((B, [[1, "4"], [2, "5"]]), (A, [[1, "5"]]))
    wrong = matrix((A, [[1, "5"], [2, "5"]]), (B, [[1, "3"]]))

    def ranks(body: bytes) -> agreement.Answer:
        return agreement.by_rank(agreement.read(body))

    assert told(one, other)
    assert not agreement.differences(ranks(one), ranks(other))
    assert agreement.differences(ranks(one), ranks(wrong))


def test_a_metric_name_that_is_kept_can_be_set_aside() -> None:
    """Only the name is dropped; the other labels still tell series apart."""
    kept, dropped = matrix((A | {"__name__": "load"}, [[1, "5"]])), matrix((A, [[1, "5"]]))
    assert told(dropped, kept)
    bare = agreement.without_names(agreement.read(kept))
    assert not agreement.differences(agreement.read(dropped), bare)
    assert agreement.differences(agreement.read(matrix((B, [[1, "5"]]))), bare)

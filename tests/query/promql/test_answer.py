"""Answers: JSON as Prometheus' API writes it."""

import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veriscope.query.promql import PromqlEngine, encode
from veriscope.query.promql.float_texts import format_floats
from veriscope.query.promql.floats import format_float
from veriscope.signals import Grid


def data(result: Any) -> Any:
    """Return the decoded answer."""
    return json.loads(b"".join(encode(result)))


def as_go_writes(value: float) -> str:
    """Spell *value* as Prometheus' API does, from Python's own shortest digits."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else f"{value:+}".capitalize().replace("i", "I")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.removesuffix(".0")
    text = "".join(map(str, digits))
    power = len(text) - 1 + int(exponent)
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' * sign}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (-3.5, "-3.5"), (0.1, "0.1"), (1e20, "1" + "0" * 20),
        (1e21, "1e+21"), (1e-6, "0.000001"), (1e-7, "1e-07"), (-1.5e300, "-1.5e+300"),
        (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (123456789012.5, "123456789012.5"), (2.0**53, "9007199254740992"),
        (math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (1e9, "1000000000"),
        (0.00001, "0.00001"), (0.000009, "0.000009"), (999999999.5, "999999999.5"),
        (9007199254740993.0, "9007199254740992"),
        (123456789012345680000.0, "123456789012345680000"),
    ],
)  # fmt: skip
def test_a_float_is_written_as_go_writes_it(value: float, text: str) -> None:
    """Shortest digits, an exponent from 1e21 and below 1e-6 only, Go's names for no number."""
    assert format_floats(np.array([value, 0.5])).to_pylist() == [text, "0.5"]
    assert as_go_writes(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e21, "1" + "0" * 21), (1e-7, "0.0000001"), (5e-324, "0." + "0" * 323 + "5"), (-0.0, "-0")],
)
def test_a_float_in_a_label_never_has_an_exponent(value: float, text: str) -> None:
    """`count_values` spells numbers in full."""
    assert format_float(value) == text


@settings(deadline=None)  # compiling takes seconds
@given(st.lists(st.floats(), max_size=20))
def test_columns_of_floats_round_trip(values: list[float]) -> None:
    """Each text is the shortest that reads back as the very same number."""
    texts = format_floats(np.array(values, dtype=np.float64)).to_pylist()
    assert texts == [as_go_writes(value) for value in values]
    assert [repr(float(text)) for text in texts] == [repr(value) for value in values]


def test_floats_beside_powers_are_the_shortest() -> None:
    """Where floats change their spacing, and where they are decimal, rounding is the hardest."""
    powers = [2.0**power for power in range(-1074, 1024)] + [
        float(f"{digit}e{power}") for power in range(-323, 308) for digit in (1, 3, 9)
    ]
    values = np.array(powers)
    values = np.concatenate((values, np.nextafter(values, 0), np.nextafter(values, np.inf)))
    texts = format_floats(values).to_pylist()
    assert texts == [as_go_writes(value) for value in values.tolist()]


def test_matrix(source: Any, engine: PromqlEngine) -> None:
    """Series in the order of labels, absent points left out, times in seconds."""
    source.add('m{b="\\"x\\u00e9"}', [(0, 1.5), (10_500, math.nan)])
    source.add('m{a="y"}', [(10_500, -math.inf), (400_000, 7.0)])
    result = engine.range_query("m", Grid(0, 21_000, 10_500))
    assert data(result) == {
        "resultType": "matrix",
        "result": [
            {"metric": {"__name__": "m", "a": "y"}, "values": [[10.5, "-Inf"], [21, "-Inf"]]},
            {
                "metric": {"__name__": "m", "b": '"xé'},
                "values": [[0, "1.5"], [10.5, "NaN"], [21, "NaN"]],
            },
        ],
    }
    assert b'[10.500,"NaN"],[21,' in b"".join(encode(result))


def test_empty_answers(engine: PromqlEngine) -> None:
    """No series is an empty list."""
    grid = Grid(0, 10, 10)
    assert data(engine.range_query("m", grid)) == {"resultType": "matrix", "result": []}
    assert data(engine.instant_query("m", 0)) == {"resultType": "vector", "result": []}
    assert data(engine.instant_query("m[5m]", 0)) == {"resultType": "matrix", "result": []}


def test_vector(source: Any, engine: PromqlEngine) -> None:
    """Each series has its one value at the time of the question."""
    source.add("m", [(0, 2.0)])
    source.add('m{a="b"}', [(0, 1e22)])
    assert data(engine.instant_query("m", 1_234)) == {
        "resultType": "vector",
        "result": [
            {"metric": {"__name__": "m"}, "value": [1.234, "2"]},
            {"metric": {"__name__": "m", "a": "b"}, "value": [1.234, "1e+22"]},
        ],
    }
    assert data(engine.instant_query("sum(m) * 0", 0))["result"] == [
        {"metric": {}, "value": [0, "0"]}
    ]


def test_scalar_and_string(engine: PromqlEngine) -> None:
    """A scalar is a time and a value, a string a time and its text."""
    assert data(engine.instant_query("1 / 0", 5_000)) == {
        "resultType": "scalar",
        "result": [5, "+Inf"],
    }
    assert data(engine.instant_query('"a\\"b"', 0)) == {
        "resultType": "string",
        "result": [0, 'a"b'],
    }


def test_raw_samples(source: Any, engine: PromqlEngine) -> None:
    """A range vector is answered with the samples' own times, without stale markers."""
    source.add('m{a="2"}', [(1_001, 1.0), (2_002, 2.5), (9_000, 3.0)])
    source.add('m{a="1"}', [(0, 9.0), (3_003, 4.0)])
    assert data(engine.instant_query("m[5s]", 5_000)) == {
        "resultType": "matrix",
        "result": [
            {"metric": {"__name__": "m", "a": "1"}, "values": [[3.003, "4"]]},
            {"metric": {"__name__": "m", "a": "2"}, "values": [[1.001, "1"], [2.002, "2.5"]]},
        ],
    }
    assert data(engine.instant_query("(m > 3)[6s:2s]", 5_000))["result"] == [
        {"metric": {"__name__": "m", "a": "1"}, "values": [[0, "9"], [2, "9"], [4, "4"]]},
    ]


def test_large_answers_come_in_chunks(source: Any, engine: PromqlEngine) -> None:
    """What is written is the same however it is cut, every point of it."""
    steps = 3_000
    for index in range(120):
        source.add(f'm{{i="{index:03}"}}', [(0, float(index))])
    result = engine.range_query("m", Grid(0, steps - 1, 1))
    chunks = list(encode(result))
    assert len(chunks) > 4
    rows = json.loads(b"".join(chunks))["result"]
    assert [len(row["values"]) for row in rows] == [steps] * 120
    assert [row["values"][-1] for row in rows] == [[2.999, str(index)] for index in range(120)]

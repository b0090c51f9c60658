"""Answers: JSON as Prometheus' API writes it."""

import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.query.promql import PromqlEngine, encode
from veriscope.query.promql.floats import format_float, format_floats
from veriscope.signals import Grid


def data(result: Any) -> Any:
    """Return the decoded answer."""
    return json.loads(b"".join(encode(result)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (-3.5, "-3.5"), (0.1, "0.1"), (1e21, "1" + "0" * 21),
        (1e-7, "0.0000001"), (1.5e300, "15" + "0" * 299), (5e-324, "0." + "0" * 323 + "5"),
        (123456789012.5, "123456789012.5"), (2.0**53, "9007199254740992"),
        (math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (1e9, "1000000000"),
        (0.00001, "0.00001"), (0.000009, "0.000009"), (999999999.5, "999999999.5"),
    ],
)  # fmt: skip
def test_a_float_is_written_as_go_writes_it(value: float, text: str) -> None:
    """Shortest digits, no exponent, and Go's names for what is no number."""
    assert format_float(value) == text
    assert format_floats(np.array([value, 0.5])).to_pylist() == [text, "0.5"]


@given(st.lists(st.floats(), max_size=20))
def test_columns_of_floats_round_trip(values: list[float]) -> None:
    """Each text reads back as the very same number, and has no exponent."""
    texts = format_floats(np.array(values, dtype=np.float64)).to_pylist()
    assert texts == [format_float(value) for value in values]
    for value, text in zip(values, texts, strict=True):
        assert "e" not in text
        assert repr(float(text)) == repr(value)
        assert math.isnan(value) or math.isinf(value) or Decimal(text) == Decimal(repr(value))


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
    assert b"[21," in b"".join(encode(result))


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
            {"metric": {"__name__": "m", "a": "b"}, "value": [1.234, "1" + "0" * 22]},
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

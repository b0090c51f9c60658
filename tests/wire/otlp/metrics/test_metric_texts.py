"""Attribute values and bounds as texts."""

import math

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from veriscope.wire.otlp.metrics.texts import bound_text, value_text


def of(*values: AnyValue) -> AnyValue:
    """Return a list of values."""
    return AnyValue(array_value=ArrayValue(values=values))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AnyValue(), ""),
        (AnyValue(string_value='a"b'), 'a"b'),
        (AnyValue(bool_value=False), "false"),
        (AnyValue(int_value=-(2**63)), "-9223372036854775808"),
        (AnyValue(double_value=2.0), "2"),
        (AnyValue(double_value=0.1), "0.1"),
        (AnyValue(double_value=1e20), "100000000000000000000"),
        (AnyValue(double_value=1e21), "1e+21"),
        (AnyValue(double_value=1.5e-7), "1.5e-7"),
        (AnyValue(double_value=math.inf), "json: unsupported value: +Inf"),
        (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
        (
            of(AnyValue(string_value='a"<\u2028'), AnyValue(), AnyValue(bool_value=True)),
            '["a\\"<\\u2028",null,true]',
        ),
        (of(AnyValue(double_value=math.nan)), ""),
        (
            AnyValue(
                kvlist_value=KeyValueList(
                    values=[
                        KeyValue(key="z", value=AnyValue(int_value=1)),
                        KeyValue(key="a", value=of(AnyValue(double_value=0.5))),
                    ]
                )
            ),
            '{"a":[0.5],"z":1}',
        ),
    ],
    ids=lambda value: "" if isinstance(value, AnyValue) else None,
)
def test_values_are_written_as_the_collector_writes_them(value: AnyValue, expected: str) -> None:
    """Every type of value has its text."""
    assert value_text(value) == expected


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(5.0, "5"), (0.005, "0.005"), (1e22, "1" + "0" * 22), (math.inf, "+Inf"), (-2.5, "-2.5")],
)
def test_bounds_have_no_exponent(bound: float, expected: str) -> None:
    """So that `le` is spelled as Prometheus spells it."""
    assert bound_text(bound) == expected

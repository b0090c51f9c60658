"""Native histograms as text: the API's JSON and Prometheus' own spelling."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from veriscope.query.promql.answer import encode
from veriscope.query.promql.histograms.text import as_json, format_g, spelled

ALL = (
    "{{count:20.5 sum:-1e21 z_bucket:2 z_bucket_w:0.001 buckets:[1 0 2.5] n_buckets:[3 4] "
    "n_offset:1}}"
)


def decoded(reference: Any, *texts: str) -> list[Any]:
    """Return the JSON of histograms, read again."""
    made = reference.histograms([reference.literal(text) for text in texts])
    return [json.loads(text) for text in as_json(made).to_pylist()]


def test_buckets_rise_and_say_what_they_include(reference: Any) -> None:
    """Negative, zero and positive buckets follow each other; empty ones are left out."""
    (found,) = decoded(reference, ALL)
    assert found == {
        "count": "20.5",
        "sum": "-1e+21",
        "buckets": [
            [1, "-4", "-2", "4"],
            [1, "-2", "-1", "3"],
            [3, "-0.001", "0.001", "2"],
            [0, "0.5", "1", "1"],
            [0, "2", "4", "2.5"],
        ],
    }


def test_custom_buckets_reach_to_both_infinities(reference: Any) -> None:
    """The first custom bucket is closed, as Prometheus has it, and the last has no upper end."""
    found = decoded(
        reference, "{{schema:-53 count:9 sum:31 custom_values:[2.5 40] buckets:[3 5 1]}}", "{{}}"
    )
    assert found == [
        {
            "count": "9",
            "sum": "31",
            "buckets": [
                [3, "-Inf", "2.5", "3"],
                [0, "2.5", "40", "5"],
                [0, "40", "+Inf", "1"],
            ],
        },
        {"count": "0", "sum": "0"},
    ]


def test_buckets_end_at_the_zero_bucket(reference: Any) -> None:
    """A bucket that the zero bucket reaches into begins where that ends."""
    (found,) = decoded(reference, "{{z_bucket:1 z_bucket_w:0.75 buckets:[1] n_buckets:[1]}}")
    assert [bucket[1:3] for bucket in found["buckets"]] == [
        ["-1", "-0.75"],
        ["-0.75", "0.75"],
        ["0.75", "1"],
    ]


def test_histograms_are_spelled_as_prometheus_does(reference: Any) -> None:
    """Brackets say which bounds are included, and large numbers have an exponent."""
    made = reference.histograms([reference.literal(text) for text in (ALL, "{{count:NaN}}")])
    assert spelled(made) == [
        "{count:20.5, sum:-1e+21, [-4,-2):4, [-2,-1):3, [-0.001,0.001]:2, (0.5,1]:1, (2,4]:2.5}",
        "{count:NaN, sum:0}",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.5, "1.5"),
        (100000.0, "100000"),
        (1000000.0, "1e+06"),
        (123456789.0, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001234, "1.234e-05"),
        (-2.5e-300, "-2.5e-300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_spelled_as_go_does(value: float, text: str) -> None:
    """The shortest digits, with an exponent below 1e-4 and from 1e6."""
    assert format_g(value) == text


LOADED = """
load 1m
  m{a="b"} 1 {{count:3 sum:4 buckets:[1 2]}} 2
  h {{count:1 sum:2 buckets:[1]}}x2
"""
OF_M = {"count": "3", "sum": "4", "buckets": [[0, "0.5", "1", "1"], [0, "1", "2", "2"]]}
OF_H = {"count": "1", "sum": "2", "buckets": [[0, "0.5", "1", "1"]]}


def test_answers_tell_floats_from_histograms(
    native_script: Callable[[str], None], ask: Callable[..., Any]
) -> None:
    """A vector has `value` or `histogram`, a matrix `values`, `histograms` or both."""
    native_script(LOADED)
    m = {"__name__": "m", "a": "b"}
    found = json.loads(b"".join(encode(ask('m{a="b"}', 60_000))))
    assert found["result"] == [{"metric": m, "histogram": [60, OF_M]}]
    found = json.loads(b"".join(encode(ask('m{a="b"}', 0, 120_000, 60_000))))
    assert found["result"] == [
        {"metric": m, "values": [[0, "1"], [120, "2"]], "histograms": [[60, OF_M]]}
    ]
    found = json.loads(b"".join(encode(ask("h", 0, 60_000, 60_000))))
    assert found["result"] == [{"metric": {"__name__": "h"}, "histograms": [[0, OF_H], [60, OF_H]]}]
    found = json.loads(b"".join(encode(ask('{__name__=~"m|h"}[90s]', 120_000))))
    assert sorted(found["result"], key=lambda series: series["metric"]["__name__"]) == [
        {"metric": {"__name__": "h"}, "histograms": [[60, OF_H], [120, OF_H]]},
        {"metric": m, "values": [[120, "2"]], "histograms": [[60, OF_M]]},
    ]

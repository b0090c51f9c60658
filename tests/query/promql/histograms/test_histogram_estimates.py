"""Quantiles, fractions, spread and trimming: what Prometheus gives for the same histograms."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veriscope.query.promql.functions.invocation import Notes
from veriscope.query.promql.histograms import estimates
from veriscope.query.promql.histograms.trimming import trimmed
from veriscope.signals import Grid, LabelSets, Matrix
from veriscope.signals.matrix import HistogramPoints

INF, NAN = math.inf, math.nan
POSITIVE = "{{schema:0 count:12 sum:100 z_bucket:2 z_bucket_w:0.001 buckets:[2 3 0 1 4]}}"
NEGATIVE = "{{schema:0 count:12 sum:100 z_bucket:2 z_bucket_w:0.001 n_buckets:[2 3 0 1 4]}}"
BOTH = (
    "{{schema:0 count:24 sum:100 z_bucket:4 z_bucket_w:0.001 "
    "buckets:[2 3 0 1 4] n_buckets:[2 3 0 1 4]}}"
)
CUSTOM = "{{schema:-53 sum:5 count:4 custom_values:[5 10] buckets:[1 2 1]}}"
MIXED_CUSTOM = "{{schema:-53 count:10 custom_values:[-10 5 10] buckets:[2 4 3 1]}}"
NAN_20 = "{{count:15 sum:NaN buckets:[12]}}"


def vector_of(reference: Any, text: str) -> Matrix:
    """Return the instant vector `m{}` of one histogram."""
    nothing = np.zeros(1, dtype=np.int64)
    return Matrix(
        LabelSets([(("__name__", "m"),)]),
        Grid.instant(0),
        np.zeros((1, 1)),
        np.ones((1, 1), dtype=np.bool_),
        HistogramPoints(nothing, nothing, reference.histograms([reference.literal(text)])),
    )


QUANTILES = [
    *((POSITIVE, q, v) for q, v in [(1.001, INF), (1, 16), (0.99, 15.67072476139083)]),
    *((POSITIVE, q, v) for q, v in [(0.9, 12.99603834169977), (0.6, 4.594793419988138)]),
    *((POSITIVE, q, v) for q, v in [(0.5, 1.5874010519681994), (0.1, 0.0006), (0, 0), (-1, -INF)]),
    *((NEGATIVE, q, v) for q, v in [(1, 0), (0.99, -0.00006), (0.9, -0.0006), (0, -16)]),
    *((NEGATIVE, q, v) for q, v in [(0.5, -1.5874010519681996), (0.1, -12.996038341699768)]),
    *((BOTH, q, v) for q, v in [(0.99, 15.34822590920423), (0.7, 1.2030250360821164)]),
    *((BOTH, q, v) for q, v in [(0.55, 0.0006), (0.5, 0), (0.45, -0.0006), (0, -16), (NAN, NAN)]),
    *((BOTH, q, v) for q, v in [(0.3, -1.2030250360821169), (0.01, -15.34822590920423)]),
    *((CUSTOM, q, v) for q, v in [(0.5, 7.5), (0.25, 5), (0.1, 2), (0.9, 10), (1, 10)]),
    *((MIXED_CUSTOM, q, v) for q, v in [(0.1, -10), (0.2, -10), (0.4, -2.5), (0.95, 10)]),
    ("{{}}", 0.5, NAN),
    ("{{count:5 sum:4 buckets:[0 5]}}", 0.5, math.sqrt(2)),
    ("{{schema:-1 sum:6 count:5 buckets:[0 5]}}", 0.5, 2.0),
    ("{{schema:1 sum:4 count:5 buckets:[0 0 5]}}", 0.5, 1.6817928305074292),
    ("{{schema:0 z_bucket:1 z_bucket_w:0.5 sum:0.25 count:1}}", 0.5, 0),
    ("{{sum:0 count:8 buckets:[1 2 1] n_buckets:[1 2 1]}}", 0.5, 0.5),
    ("{{count:3 sum:NaN}}", 0.4, NAN),
    *((NAN_20, q, v) for q, v in [(1, NAN), (0.81, NAN), (0.8, 1), (0.4, 0.7071067811865475)]),
]


@pytest.mark.parametrize(("text", "q", "wanted"), QUANTILES)
def test_quantiles(text: str, q: float, wanted: float, reference: Any) -> None:
    """A quantile is interpolated on the scale of its bucket."""
    found = estimates.quantile(vector_of(reference, text), np.array([q]), Notes())
    np.testing.assert_allclose(found.values, [[wanted]], rtol=1e-12, atol=1e-15)


FRACTIONS = [
    *((POSITIVE, 0, upper, v) for upper, v in [(INF, 1), (0.001, 1 / 6), (0.0005, 1 / 12)]),
    *((POSITIVE, 0, upper, v) for upper, v in [(1.5, 0.4795739585136224), (0, 0)]),
    *((POSITIVE, 1.5, upper, v) for upper, v in [(2, 0.10375937481971091), (1, 0), (NAN, NAN)]),
    *((POSITIVE, 1, upper, v) for upper, v in [(8, 1 / 3), (6, 0.29874687506009634)]),
    *((POSITIVE, -INF, upper, v) for upper, v in [(0, 0), (-0.001, 0), (INF, 1)]),
    *((NEGATIVE, -2, upper, v) for upper, v in [(-1, 0.25), (-1.5, 0.10375937481971091)]),
    *((NEGATIVE, -INF, upper, v) for upper, v in [(-6, 0.36791979160657035), (0, 1)]),
    *((BOTH, -INF, upper, v) for upper, v in [(0.0005, 0.5416666666666666), (0, 0.5)]),
    *((BOTH, -6, upper, v) for upper, v in [(-1, 0.14937343753004817)]),
    *(
        (CUSTOM, lower, upper, v)
        for lower, upper, v in [(5, 10, 0.5), (-INF, INF, 1), (7.5, 9, 0.15)]
    ),
    ("{{}}", 0, 1, NAN),
    *((NAN_20, -INF, upper, v) for upper, v in [(INF, 0.8), (0.7071067811865475, 0.4)]),
]


@pytest.mark.parametrize(("text", "lower", "upper", "wanted"), FRACTIONS)
def test_fractions(text: str, lower: float, upper: float, wanted: float, reference: Any) -> None:
    """A fraction is the inverse of a quantile."""
    vector = vector_of(reference, text)
    found = estimates.fraction(vector, np.array([lower]), np.array([upper]), Notes())
    np.testing.assert_allclose(found.values, [[wanted]], rtol=1e-12, atol=1e-15)


SPREAD = [
    ("{{schema:2 count:4 sum:10 buckets:[1 0 0 0 1 0 0 1 1]}}", 1.163807968526718),
    ("{{schema:8 count:10 sum:10 buckets:[1 2 3 4]}}", 2.3971123370139447e-05),
    ("{{schema:0 count:10 sum:-100 n_buckets:[0 0 0 0 10]}}", 1.725830020304794),
    ("{{schema:3 count:7 sum:Inf z_bucket:1 buckets:[1]}}", INF),
    ("{{schema:3 count:7 sum:NaN z_bucket:1 buckets:[1]}}", NAN),
    ("{{schema:-53 count:4 sum:12 custom_values:[2 4 8] buckets:[0 2 2]}}", (0 + 0 + 9 + 9) / 4),
    ("{{}}", NAN),
]


@pytest.mark.parametrize(("text", "wanted"), SPREAD)
def test_spread(text: str, wanted: float, reference: Any) -> None:
    """All observations count as the geometric (custom buckets: arithmetic) middle of a bucket."""
    vector = vector_of(reference, text)
    found = estimates.of_histograms("histogram_stdvar", vector)
    np.testing.assert_allclose(found.values, [[wanted]], rtol=1e-12)
    found = estimates.of_histograms("histogram_stddev", vector)
    np.testing.assert_allclose(found.values, [[math.sqrt(wanted)]], rtol=1e-12)


def test_count_sum_and_average(reference: Any) -> None:
    """What a histogram says of itself is passed on, an empty one has no average."""
    for text, wanted in (
        ("{{count:4 sum:5 buckets:[1 2 1]}}", [4, 5, 1.25]),
        ("{{}}", [0, 0, NAN]),
    ):
        found = [
            estimates.of_histograms(f"histogram_{name}", vector_of(reference, text)).values[0, 0]
            for name in ("count", "sum", "avg")
        ]
        np.testing.assert_array_equal(found, wanted)


def test_floats_are_left_out_of_estimates(reference: Any) -> None:
    """A vector of floats has no native histograms to estimate from."""
    vector = vector_of(reference, POSITIVE)
    floats = Matrix(vector.labels, vector.grid, vector.values, vector.present)
    assert not estimates.of_histograms("histogram_count", floats).present.any()
    assert not estimates.quantile(floats, np.array([0.5]), Notes()).present.any()


@pytest.mark.parametrize(
    ("q", "said"),
    [
        (0.9, "input to histogram_quantile has NaN observations, result is NaN"),
        (0.4, "input to histogram_quantile has NaN observations, result is skewed higher"),
    ],
)
def test_observed_nan_is_remarked_upon(q: float, said: str, reference: Any) -> None:
    """NaN is above all, which an info says."""
    notes = Notes()
    estimates.quantile(vector_of(reference, NAN_20), np.array([q]), notes)
    assert list(notes.infos) == [f'PromQL info: {said} for metric name "m"']


H1 = (
    "{{schema:0 sum:123.75 count:34 z_bucket:1 z_bucket_w:0.001 "
    "buckets:[2 4 8 16] n_buckets:[1 2]}}"
)
H2 = (
    "{{schema:2 sum:12.8286080906 count:28 z_bucket:1 z_bucket_w:0.001 "
    "buckets:[1 2 4 7 3] n_buckets:[1 5 3 1]}}"
)
CBH = "{{schema:-53 sum:172.5 count:15 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]}}"
ZERO = "{{sum:-6.75 z_bucket:5 z_bucket_w:0.01 buckets:[2 3] n_buckets:[1 2 3]}}"
TRIMS = [
    (
        *(H2, "</", 1.13),
        (
            "{{schema:2 count:13.410582181123704 sum:-9.385798726068234 z_bucket:1 "
            "z_bucket_w:0.001 buckets:[1 1.410582181123704] n_buckets:[1 5 3 1]}}"
        ),
    ),
    (
        *(H2, ">/", 1.13),
        (
            "{{schema:2 count:14.589417818876296 sum:22.168126492693734 z_bucket_w:0.001 offset:1 "
            "buckets:[0.589417818876296 4 7 3]}}"
        ),
    ),
    (
        *(H2, "</", -1.3),
        (
            "{{schema:2 count:2.45786052095524 sum:-3.5189307983595093 z_bucket_w:0.001 n_offset:2 "
            "n_buckets:[1.45786052095524 1]}}"
        ),
    ),
    (
        H1,
        "</",
        2,
        "{{count:10 sum:3.5355339059 z_bucket:1 z_bucket_w:0.001 buckets:[2 4] n_buckets:[1 2]}}",
    ),
    (H1, ">/", 2, "{{count:24 sum:113.13708498984761 z_bucket_w:0.001 offset:2 buckets:[8 16]}}"),
    (
        CBH,
        "</",
        13,
        "{{schema:-53 count:9.4 sum:75.1 custom_values:[5 10 15 20] buckets:[1 6 2.4]}}",
    ),
    (
        CBH,
        ">/",
        13,
        "{{schema:-53 count:5.6 sum:94.9 custom_values:[5 10 15 20] offset:2 buckets:[1.6 3 1]}}",
    ),
    (CBH, "</", 7.5, "{{schema:-53 count:4 sum:21.25 custom_values:[5 10 15 20] buckets:[1 3]}}"),
    (CBH, "</", 50, "{{schema:-53 count:14 sum:150 custom_values:[5 10 15 20] buckets:[1 6 4 3]}}"),
    (CBH, "</", -INF, "{{schema:-53 custom_values:[5 10 15 20]}}"),
    (CBH, "</", INF, CBH),
    (CBH, ">/", -INF, CBH),
    (CBH, ">/", 0, CBH),
    (CBH, "</", 0, "{{schema:-53 custom_values:[5 10 15 20]}}"),
    (H1, ">/", -INF, H1),
    (H1, "</", INF, H1),
    (
        *(ZERO, ">/", 0),
        "{{count:7.5 sum:5.669354249492381 z_bucket:2.5 z_bucket_w:0.01 buckets:[2 3]}}",
    ),
    ("{{schema:-53 sum:9 count:9 buckets:[9]}}", "</", 10, "{{schema:-53}}"),
    ("{{schema:-53 sum:9 count:9 buckets:[9]}}", ">/", 10, "{{schema:-53}}"),
]


@pytest.mark.parametrize(("text", "operator", "at", "wanted"), TRIMS)
def test_trimming(text: str, operator: str, at: float, wanted: str, reference: Any) -> None:
    """What is beyond a point is cut off, and the rest is estimated anew if anything was."""
    found = trimmed(
        reference.histograms([reference.literal(text)]), np.array([at]), upper=operator == "</"
    )
    reference.assert_close(reference.plain(found)[0], reference.literal(wanted))


@given(
    above=st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0]), min_size=1, max_size=6),
    below=st.lists(st.sampled_from([0.0, 1.0, 3.0]), max_size=4),
    schema=st.integers(-2, 3),
    offset=st.integers(-2, 3),
    q=st.floats(0.01, 0.99),
)
@settings(max_examples=200, deadline=None)
def test_fraction_below_a_quantile_is_its_rank(
    reference: Any, *, above: list[float], below: list[float], schema: int, offset: int, q: float
) -> None:
    """What is below the q-quantile is the share q of all observations."""
    made = reference.Plain(
        schema=schema,
        count=sum(above) + sum(below) + 1.0,
        zero=1.0,
        threshold=1e-6,
        positive={i + offset: n for i, n in enumerate(above)},
        negative={i + offset: n for i, n in enumerate(below)},
    )
    nothing = np.zeros(1, dtype=np.int64)
    vector = Matrix(
        LabelSets([()]),
        Grid.instant(0),
        np.zeros((1, 1)),
        np.ones((1, 1), dtype=np.bool_),
        HistogramPoints(nothing, nothing, reference.histograms([made])),
    )
    at = estimates.quantile(vector, np.array([q]), Notes()).values[0]
    found = estimates.fraction(vector, np.array([-INF]), at, Notes())
    assert found.values[0, 0] == pytest.approx(q, abs=1e-9)

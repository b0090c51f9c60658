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
# Of 20 in all: 4 from 0 to 0.01, 6 from 2^0 to 2^0.5, 2 from 2^1 to 2^1.5, 8 from 2^1.5 to 2^2.
POSITIVE = "{{schema:1 count:20 sum:9 z_bucket:4 z_bucket_w:0.01 offset:1 buckets:[6 0 2 8]}}"
NEGATIVE = "{{schema:1 count:20 sum:9 z_bucket:4 z_bucket_w:0.01 n_offset:1 n_buckets:[6 0 2 8]}}"
BOTH = (
    "{{schema:1 count:40 sum:9 z_bucket:8 z_bucket_w:0.01 "
    "offset:1 buckets:[6 0 2 8] n_offset:1 n_buckets:[6 0 2 8]}}"
)
CUSTOM = "{{schema:-53 sum:40 count:10 custom_values:[4 12] buckets:[2 5 3]}}"
MIXED_CUSTOM = "{{schema:-53 count:20 custom_values:[-6 2 20] buckets:[5 8 4 3]}}"
NAN_25 = "{{count:16 sum:NaN offset:2 buckets:[4 8]}}"


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
    *((POSITIVE, q, v) for q, v in [(1.2, INF), (1, 4), (0, 0), (-0.5, -INF), (0.1, 0.01 / 2)]),
    *((POSITIVE, q, v) for q, v in [(0.35, 2**0.25), (0.55, 2**1.25)]),  # ranks 7 and 11
    *((POSITIVE, q, v) for q, v in [(0.7, 2**1.625), (0.9, 2**1.875)]),  # 2 and 6 of the last 8
    *((NEGATIVE, q, v) for q, v in [(1, 0), (0.9, -0.01 / 2), (0, -4)]),
    *((NEGATIVE, q, v) for q, v in [(0.1, -(2**1.875)), (0.65, -(2**0.25))]),  # ranks 2 and 13
    (NEGATIVE, 0.5, -(2**0.5)),  # rank 10 is where nothing is: the beginning of what follows
    *((BOTH, q, v) for q, v in [(0.9, 2**1.75), (0.675, 2**0.25), (0.55, 0.005), (0.5, 0)]),
    *((BOTH, q, v) for q, v in [(0.45, -0.005), (0.325, -(2**0.25)), (0.1, -(2**1.75))]),
    *((BOTH, q, v) for q, v in [(0, -4), (NAN, NAN)]),
    *((CUSTOM, q, v) for q, v in [(0.1, 2), (0.2, 4), (0.45, 8), (0.85, 12), (1, 12)]),
    *((MIXED_CUSTOM, q, v) for q, v in [(0.2, -6), (0.25, -6), (0.45, -2), (0.75, 11), (0.95, 20)]),
    ("{{}}", 0.5, NAN),
    ("{{count:6 sum:30 offset:2 buckets:[6]}}", 0.5, 2**1.5),
    ("{{schema:-2 sum:9 count:8 offset:1 buckets:[8]}}", 0.25, 2),  # a quarter of 2^0 to 2^4
    ("{{schema:3 sum:3 count:4 offset:-7 buckets:[4]}}", 0.75, 2 ** ((-8 + 0.75) / 8)),
    *(("{{z_bucket:6 z_bucket_w:0.25 count:6}}", q, v) for q, v in [(0.5, 0), (0.75, 0.125)]),
    ("{{count:10 offset:2 buckets:[5] n_offset:2 n_buckets:[5]}}", 0.5, 2),
    ("{{count:4 sum:NaN}}", 0.4, NAN),
    *((NAN_25, q, v) for q, v in [(1, NAN), (0.76, NAN), (0.75, 8), (0.5, 2**2.5)]),
]


@pytest.mark.parametrize(("text", "q", "wanted"), QUANTILES)
def test_quantiles(text: str, q: float, wanted: float, reference: Any) -> None:
    """A quantile is interpolated on the scale of its bucket."""
    found = estimates.quantile(vector_of(reference, text), np.array([q]), Notes())
    np.testing.assert_allclose(found.values, [[wanted]], rtol=1e-12, atol=1e-15)


FRACTIONS = [
    *((POSITIVE, 0, upper, v) for upper, v in [(INF, 1), (0.01, 4 / 20), (0.005, 2 / 20), (0, 0)]),
    *((POSITIVE, 0, upper, v) for upper, v in [(2**0.25, (4 + 3) / 20), (4, 1)]),
    *((POSITIVE, lower, 4, v) for lower, v in [(2, 10 / 20), (2**1.75, 4 / 20), (5, 0)]),
    (POSITIVE, 2**1.25, 2**1.75, (1 + 4) / 20),
    (POSITIVE, 1, NAN, NAN),
    *((POSITIVE, -INF, upper, v) for upper, v in [(0, 0), (-0.01, 0), (INF, 1)]),
    (NEGATIVE, -4, -2, 10 / 20),
    (NEGATIVE, -(2**0.5), -(2**0.25), 3 / 20),
    *((NEGATIVE, -INF, upper, v) for upper, v in [(-(2**1.75), 4 / 20), (0, 1)]),
    *((BOTH, -INF, upper, v) for upper, v in [(0.005, (16 + 6) / 40), (0, 20 / 40)]),
    (BOTH, -(2**1.75), -1, (4 + 2 + 6) / 40),
    *(
        (CUSTOM, lower, upper, v)
        for lower, upper, v in [(4, 12, 5 / 10), (-INF, INF, 1), (6, 10, 5 / 2 / 10)]
    ),
    ("{{}}", 0, 1, NAN),
    *((NAN_25, -INF, upper, v) for upper, v in [(INF, 12 / 16), (2**2.5, (4 + 4) / 16)]),
]


@pytest.mark.parametrize(("text", "lower", "upper", "wanted"), FRACTIONS)
def test_fractions(text: str, lower: float, upper: float, wanted: float, reference: Any) -> None:
    """A fraction is the inverse of a quantile."""
    vector = vector_of(reference, text)
    found = estimates.fraction(vector, np.array([lower]), np.array([upper]), Notes())
    np.testing.assert_allclose(found.values, [[wanted]], rtol=1e-12, atol=1e-15)


SPREAD = [  # the squares of distances from sum/count
    (
        "{{count:4 sum:8 offset:1 buckets:[2 0 2]}}",
        (2 * (2**0.5 - 2) ** 2 + 2 * (2**2.5 - 2) ** 2) / 4,
    ),
    (
        "{{schema:4 count:5 sum:5 offset:1 buckets:[2 3]}}",
        (2 * (2 ** (0.5 / 16) - 1) ** 2 + 3 * (2 ** (1.5 / 16) - 1) ** 2) / 5,
    ),
    ("{{count:6 sum:-30 n_offset:3 n_buckets:[6]}}", (2**2.5 - 5) ** 2),
    (
        "{{count:4 sum:6 z_bucket:2 z_bucket_w:0.5 offset:2 buckets:[2]}}",
        (2 * (0 - 1.5) ** 2 + 2 * (2**1.5 - 1.5) ** 2) / 4,
    ),
    ("{{count:5 sum:Inf z_bucket:3 offset:1 buckets:[2]}}", INF),
    ("{{count:5 sum:NaN z_bucket:3 offset:1 buckets:[2]}}", NAN),
    (
        "{{schema:-53 count:4 sum:22 custom_values:[2 6 10] buckets:[0 3 1]}}",
        (3 * (4 - 5.5) ** 2 + (8 - 5.5) ** 2) / 4,
    ),
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
        ("{{count:8 sum:-2 offset:3 buckets:[8]}}", [8, -2, -0.25]),
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
    estimates.quantile(vector_of(reference, NAN_25), np.array([q]), notes)
    assert list(notes.infos) == [f'PromQL info: {said} for metric name "m"']


# 2 around 0, 4 from 1 to 4, 6 from 4 to 16; 8 and 10 below zero. Middles are 2 and 8.
WAVES = (
    "{{schema:-1 sum:99 count:30 z_bucket:2 z_bucket_w:0.01 "
    "offset:1 buckets:[4 6] n_offset:1 n_buckets:[8 10]}}"
)
# Middles are 1 (of a bucket that is taken to begin at 0), 4, 8 and 10 (of one without end).
BINS = "{{schema:-53 sum:140 count:20 custom_values:[2 6 10] buckets:[4 8 5 3]}}"
BELOW = "{{schema:-53 sum:1 count:9 custom_values:[-3 3] buckets:[2 5 2]}}"
AROUND = (
    "{{sum:3 count:12 z_bucket:8 z_bucket_w:0.5 offset:1 buckets:[1] n_offset:1 n_buckets:[3]}}"
)
ABOVE = "{{sum:9 count:6 z_bucket:4 z_bucket_w:0.5 offset:1 buckets:[2]}}"
ENDLESS = "{{schema:-53 sum:6 count:4 buckets:[4]}}"


def left(head: str, count: float, total: float, buckets: str = "") -> str:
    """Spell what a histogram is left with."""
    return f"{{{{{head} count:{count!r} sum:{total!r} {buckets}}}}}"


WAVE, BIN = "schema:-1 z_bucket_w:0.01", "schema:-53 custom_values:[2 6 10]"
TRIMS = [
    # 8 is the middle from 4 to 16: 3 of the 6 are on either side, about 2^2.5 or 2^3.5.
    (
        *(WAVES, "</", 8),
        left(
            f"{WAVE} z_bucket:2",
            2 + 4 + 3 + 8 + 10,
            4 * 2 + 3 * 2**2.5 - 8 * 2 - 10 * 8,
            "offset:1 buckets:[4 3] n_offset:1 n_buckets:[8 10]",
        ),
    ),
    (WAVES, ">/", 8, left(WAVE, 3, 3 * 2**3.5, "offset:2 buckets:[3]")),
    (WAVES, "</", -8, left(WAVE, 5, -5 * 2**3.5, "n_offset:2 n_buckets:[5]")),
    (
        *(WAVES, ">/", -8),
        left(
            f"{WAVE} z_bucket:2",
            2 + 4 + 6 + 8 + 5,
            4 * 2 + 6 * 8 - 8 * 2 - 5 * 2**2.5,
            "offset:1 buckets:[4 6] n_offset:1 n_buckets:[8 5]",
        ),
    ),
    (
        *(WAVES, "</", 4),
        left(
            f"{WAVE} z_bucket:2",
            2 + 4 + 8 + 10,
            4 * 2 - 8 * 2 - 10 * 8,
            "offset:1 buckets:[4] n_offset:1 n_buckets:[8 10]",
        ),
    ),
    (WAVES, ">/", 4, left(WAVE, 6, 6 * 8, "offset:2 buckets:[6]")),
    (WAVES, ">/", -INF, WAVES),
    (WAVES, "</", INF, WAVES),
    # 7 is a quarter of the way from 6 to 10: 1.25 of 5 are about 6.5, the others about 8.5.
    (BINS, "</", 7, left(BIN, 13.25, 4 * 1 + 8 * 4 + 1.25 * 6.5, "buckets:[4 8 1.25]")),
    (BINS, ">/", 7, left(BIN, 6.75, 3.75 * 8.5 + 3 * 10, "offset:2 buckets:[3.75 3]")),
    (BINS, "</", 1, left(BIN, 2, 2 * 0.5, "buckets:[2]")),
    (BINS, ">/", 1, left(BIN, 18, 2 * 1.5 + 8 * 4 + 5 * 8 + 3 * 10, "buckets:[2 8 5 3]")),
    (BINS, "</", 30, left(BIN, 17, 4 * 1 + 8 * 4 + 5 * 8, "buckets:[4 8 5]")),
    (BINS, "</", -INF, left(BIN, 0, 0)),
    (BINS, "</", INF, BINS),
    (BINS, ">/", -INF, BINS),
    (BINS, ">/", 0, BINS),
    (BINS, "</", 0, left(BIN, 0, 0)),
    # What has no beginning and ends below 0 is at its end; a third of 5 is from -3 to -1.
    (
        *(BELOW, "</", -1),
        left(
            "schema:-53 custom_values:[-3 3]",
            2 + 5 / 3,
            2 * -3 + 5 / 3 * -2,
            f"buckets:[2 {5 / 3!r}]",
        ),
    ),
    # The zero bucket is cut as a line is: a quarter of it is above 0.25, about 0.375.
    (
        *(AROUND, ">/", 0.25),
        left("z_bucket:2 z_bucket_w:0.5", 2 + 1, 2 * 0.375 + 2**0.5, "offset:1 buckets:[1]"),
    ),
    (
        *(AROUND, "</", 0),
        left(
            "z_bucket:4 z_bucket_w:0.5", 4 + 3, 4 * -0.25 - 3 * 2**0.5, "n_offset:1 n_buckets:[3]"
        ),
    ),
    # It begins at 0 where nothing is below: three quarters are above an eighth, about 5/16.
    (
        *(ABOVE, ">/", 0.125),
        left("z_bucket:3 z_bucket_w:0.5", 3 + 2, 3 * 5 / 16 + 2 * 2**0.5, "offset:1 buckets:[2]"),
    ),
    (ENDLESS, "</", 2, "{{schema:-53}}"),
    (ENDLESS, ">/", 2, "{{schema:-53}}"),
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

"""The engine and a slow, obvious evaluator on random series and random expressions."""

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from veriscope.query import ExecutionError
from veriscope.query.promql import PromqlEngine
from veriscope.signals import STALE_NAN, Grid, Matrix, to_labels

VALUES = st.sampled_from(
    [0.0, -0.0, 1.0, 2.5, 3.0, 10.0, 1e3, -4.0, 1e17, 0.1, math.nan, math.inf, -math.inf, STALE_NAN]
)
NUMBERS = st.sampled_from(["2", "0.5", "-3", "0", "NaN", "time()", "scalar(b)"])
SELECTORS = ["a", "b", 'a{i="1"}', 'a{i=~"1|2"}', 'a{j!="y"}', "c"]
MODIFIERS = ["", " offset 45s", " offset -20s", " @ 200", " @ start()", " @ end() offset 30s"]
RANGES = ["[30s]", "[2m]", "[1m30s]"]
OVER_TIME = [
    "rate", "increase", "delta", "irate", "idelta", "sum_over_time", "avg_over_time",
    "min_over_time", "max_over_time", "count_over_time", "last_over_time", "first_over_time",
    "present_over_time", "stddev_over_time", "stdvar_over_time", "changes", "resets",
    "ts_of_first_over_time", "ts_of_last_over_time",
]  # fmt: skip
FOLDS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
GROUPINGS = ["", " by (i)", " without (j)", " by (__name__, j)", " without ()"]
OPERATORS = ["+", "-", "*", "/", "%", "^", "atan2", "==", "!= bool", "<", ">= bool", ">"]
MATCHINGS = ["", "on(i)", "ignoring(j)", "on(i, j)", "on(i) group_left()", "on(i) group_right(j)"]
SETS = ["and", "or", "unless", "and on(i)", "or on(i, j)", "unless ignoring(j)"]

selectors = st.builds(str.__add__, st.sampled_from(SELECTORS), st.sampled_from(MODIFIERS))
ranged = st.builds(
    lambda function, name, length, modifier: f"{function}({name}{length}{modifier})",
    st.sampled_from(OVER_TIME),
    st.sampled_from(SELECTORS),
    st.sampled_from(RANGES),
    st.sampled_from(MODIFIERS),
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions made of *inner* ones."""
    pick = st.sampled_from
    return st.one_of(
        st.builds("{}{} ({})".format, pick(FOLDS), pick(GROUPINGS), inner),
        st.builds("quantile{} (0.3, {})".format, pick(GROUPINGS), inner),
        st.builds("{}({})".format, pick(["abs", "ceil", "floor", "sgn", "-"]), inner),
        st.builds("sum(absent({}))".format, inner),
        st.builds("clamp_min({}, 1)".format, inner),
        st.builds("vector(scalar({}))".format, inner),
        st.builds("({} {} {})".format, inner, pick(OPERATORS), NUMBERS),
        st.builds("({} {} {})".format, NUMBERS, pick(OPERATORS), inner),
        st.builds("({} {} {} {})".format, inner, pick(OPERATORS), pick(MATCHINGS), inner),
        st.builds("({} {} {})".format, inner, pick(SETS), inner),
        st.builds(
            "{}(({})[{}:{}]{})".format,
            pick(OVER_TIME),
            inner,
            pick(["1m", "2m5s"]),
            pick(["20s", "35s"]),
            pick(MODIFIERS),
        ),
        st.builds("quantile_over_time(0.7, ({})[1m:15s])".format, inner),
    )


expressions = st.recursive(selectors | ranged, larger, max_leaves=4)
samples = st.dictionaries(st.integers(0, 60).map(lambda t: t * 7_500), VALUES, max_size=25)
series = st.fixed_dictionaries(
    {
        'a{i="1", j="x"}': samples,
        'a{i="1", j="y"}': samples,
        'a{i="2", j="x"}': samples,
        'b{i="1"}': samples,
        'b{i="2", j="y"}': samples,
        "c": samples,
    }
)
grids = st.builds(
    lambda start, steps, step: Grid(start, start + steps * step, step),
    st.integers(0, 40).map(lambda t: t * 7_500),
    st.integers(0, 5),
    st.sampled_from([15_000, 30_000, 37_500, 1_000]),
)


def close(ours: float | None, theirs: float | None, scale: float) -> bool:
    """Tell whether two points are the same, but for rounding."""
    if ours is None or theirs is None:
        return ours is theirs
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9 * scale)


@settings(deadline=None, max_examples=200)
@given(data=series, text=expressions, grid=grids)
def test_the_engine_answers_as_the_reference(  # noqa: PLR0917 - data and tools
    make_source: Callable[[], Any],
    engine_over: Callable[..., PromqlEngine],
    reference: type[Any],
    refused: type[Exception],
    satisfied: Callable[..., bool],
    data: dict[str, dict[int, float]],
    text: str,
    grid: Grid,
) -> None:
    """The same series, points and refusals for whatever can be asked."""
    source = make_source()
    for name, points in data.items():
        source.add(name, points.items())
    try:
        wanted = reference(source.series, satisfied).ask(text, grid.times_ms().tolist())
    except refused:
        wanted = None
    try:
        value = engine_over(source).range_query(text, grid).value
    except ExecutionError as error:
        # What a function of whole series refuses may be right step by step.
        assert wanted is None or "same labelset" in str(error), text  # noqa: PT017
        return
    assert wanted is not None, text
    assert isinstance(value, Matrix)
    found = {
        to_labels(labels): [v if p else None for v, p in zip(row, there, strict=True)]
        for labels, row, there in zip(
            value.labels, value.values.tolist(), value.present.tolist(), strict=True
        )
    }
    assert set(found) == set(wanted), text
    for labels, row in wanted.items():
        assert all(map(close, found[labels], row, [1e-3] * len(row))), (text, labels, found, row)

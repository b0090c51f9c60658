"""The engine: limits, notes, metrics, and many threads."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from veriscope.query import (
    ExecutionError,
    ParseError,
    QueryOptions,
    QueryTimeoutError,
    QueryTooLargeError,
)
from veriscope.query.promql import PromqlEngine, ResultKind
from veriscope.signals import (
    Duration,
    FetchLimits,
    Grid,
    LimitExceededError,
    ManualClock,
    Matrix,
    RaggedSamples,
    RawFetch,
)
from veriscope.signals.cancel import Cancellation, WorkCancelledError

GRID = Grid(0, 100_000, 1_000)


def fill(source: Any, series: int = 5) -> None:
    """Add *series* counters."""
    for index in range(series):
        points = [(t * 1_000, float(t * index)) for t in range(100)]
        source.add(f'c_total{{i="{index}"}}', points)


def test_an_answer_too_large_is_refused(
    source: Any, engine_over: Callable[..., PromqlEngine]
) -> None:
    """A query past the sample limit fails with the numbers, and the next one is answered."""
    fill(source)
    engine = engine_over(source, max_samples=505)
    with pytest.raises(QueryTooLargeError, match=r"query\.max_samples") as caught:
        engine.range_query("c_total", Grid(0, 100_000, 500))
    assert caught.value.wanted > caught.value.limit == 505
    assert engine.instant_query("count(c_total)", 50_000).stats.samples == 255


def test_fetches_count_together(source: Any, engine_over: Callable[..., PromqlEngine]) -> None:
    """Several fetches that each pass the limit do not pass it together."""
    fill(source)
    engine = engine_over(source, max_samples=700)
    with pytest.raises(QueryTooLargeError):
        engine.range_query("count(c_total > 0) + count(c_total offset 1s > 0)", GRID)


@pytest.mark.parametrize(
    "text", ["count_over_time(vector(1)[10y:1ms])", "max_over_time(c_total[290y:1ms])"]
)
def test_a_subquery_of_too_many_steps_is_refused(engine: PromqlEngine, text: str) -> None:
    """What would not fit into memory is refused before any of it is made."""
    with pytest.raises(QueryTooLargeError):
        engine.instant_query(text, 0)


def test_an_explosion_of_pairs_is_refused(
    source: Any, engine_over: Callable[..., PromqlEngine]
) -> None:
    """Series that replace each other in one match group are not multiplied without bound."""
    for index in range(30):
        source.add(f'old{{i="{index}"}}', [(index * 1_000, 1.0), (index * 1_000 + 1, np.nan)])
    engine = engine_over(source, max_samples=5_000, lookback=Duration(500))
    with pytest.raises(QueryTooLargeError):
        engine.range_query("old + on() old", Grid(0, 30_000, 1_000))


def test_series_are_limited_by_the_source(
    source: Any, engine_over: Callable[..., PromqlEngine]
) -> None:
    """The source is given the limits, and what it raises goes through."""
    fill(source)
    with pytest.raises(LimitExceededError, match="max_series"):
        engine_over(source, max_series=3).instant_query("c_total", 0)


@pytest.mark.parametrize(
    "text",
    [
        "abs(" * 199 + "c_total" + "+1)" * 199,
        "-(" * 120 + "1" + ")" * 120,
        "-(" * 99 + "c_total" + ")" * 99,
        "1 + sum(" * 99 + "c_total" + ")" * 99,
        "max_over_time(" * 99 + "c_total" + "[1m:])" * 99,
    ],
    ids=["calls", "signs", "fewer signs", "right sides", "subqueries"],
)
def test_depth_is_answered_or_refused(engine: PromqlEngine, source: Any, text: str) -> None:
    """The deepest expressions that parse never end in an error of the interpreter."""
    fill(source)
    try:
        engine.range_query(text, GRID)
    except (ExecutionError, ParseError) as error:
        assert "nested too deeply" in str(error)  # noqa: PT017 - either outcome is right


def test_thousands_of_operators_are_answered(engine: PromqlEngine, source: Any) -> None:
    """A generated chain is no nesting: its length is no limit, and `or` joins it by halves."""
    for index in range(20):
        source.add(f'm{{i="{index}"}}', [(0, float(index)), (10_000, float(index))])
    union = " or ".join([f'm{{i="{index % 20}"}}' for index in range(2_000)])
    grid = Grid(0, 10_000, 10_000)
    assert engine.instant_query(union, 0).value.labels == engine.instant_query("m", 0).value.labels
    sums = [f"sum({union})", "count(m)" + " + 1" * 2_000, "count(m @ 0) * 1" + " - m" * 2_000]
    first, second, third = (engine.range_query(text, grid).value for text in sums)
    assert first.values.tolist() == [[190.0, 190.0]]
    assert second.values.tolist() == [[2020.0, 2020.0]]
    assert not len(third.labels)


def test_a_chain_of_unions_keeps_the_first(engine: PromqlEngine, source: Any) -> None:
    """Of what `on` does not tell apart, the leftmost at each step counts, as one by one."""
    source.add('a{x="1"}', [(0, 1.0)])
    source.add('b{x="1"}', [(0, 2.0), (400_000, 2.0)])
    source.add('c{x="2"}', [(0, 3.0), (400_000, 3.0)])
    source.add('d{x="1"}', [(400_000, 4.0)])
    grid = Grid(0, 400_000, 400_000)
    found = engine.range_query(
        "a or on(x) b or on(x) c or on(x) d or on(__name__) d or a", grid
    ).value
    points = {dict(row)["__name__"]: there.tolist() for row, there in zip(
        found.labels, found.present, strict=True
    )}  # fmt: skip
    assert points == {
        "a": [True, False], "b": [False, True], "c": [True, True], "d": [False, True]
    }  # fmt: skip


def test_time_runs_out(source: Any) -> None:
    """A query that takes longer than allowed fails before its next fetch."""
    clock = ManualClock()

    class Slow:
        def __getattr__(self, name: str) -> object:
            return getattr(source, name)

        def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
            clock.advance(ms=600)
            asked.append(limits.timeout_ms)
            samples: RaggedSamples = source.fetch(fetch, limits)
            return samples

    asked: list[int] = []
    engine = PromqlEngine(Slow(), QueryOptions(timeout=Duration(1_000)), clock, CollectorRegistry())
    with pytest.raises(QueryTimeoutError, match="1 s") as caught:
        engine.instant_query("a + b + c", 0)
    assert caught.value.timeout_ms == 1_000
    assert asked == [1_000, 400]


def test_a_cancelled_query_stops_before_its_next_part(source: Any) -> None:
    """Whoever has gone is not served to the end, and the source is told whom it works for."""
    cancel = Cancellation()
    asked: list[Cancellation | None] = []

    class Leaving:
        def __getattr__(self, name: str) -> object:
            return getattr(source, name)

        def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
            asked.append(limits.cancel)
            cancel.cancel()
            samples: RaggedSamples = source.fetch(fetch, limits)
            return samples

    registry = CollectorRegistry()
    engine = PromqlEngine(Leaving(), QueryOptions(), ManualClock(), registry)
    with pytest.raises(WorkCancelledError):
        engine.instant_query("a + b + c", 0, cancel=cancel)
    assert asked == [cancel]
    count = registry.get_sample_value("veriscope_query_failures_total", {"reason": "cancelled"})
    assert count == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("c_total", [5, 5, 5]),
        ("rate(c_total[10s])", [50, 50, 50]),
        ("c_total + c_total offset 10s", [10, 10, 10]),
        ("sum_over_time(c_total[10s] @ 50)", [50, 50, 50]),
        ("time()", [0, 0, 0]),
    ],
)
def test_samples_are_counted_for_each_step(
    source: Any, engine: PromqlEngine, query: str, expected: list[int]
) -> None:
    """What each step looked at is counted as Prometheus does, a window's samples each time."""
    fill(source)
    stats = engine.range_query(query, Grid(40_000, 60_000, 10_000), stats=True).stats
    assert stats.samples_per_step is not None
    assert stats.samples_per_step.tolist() == expected
    assert stats.samples == stats.samples_per_step.sum()


def test_queries_are_measured(source: Any) -> None:
    """Durations and failures are counted by kind and reason."""
    registry = CollectorRegistry()
    engine = PromqlEngine(source, QueryOptions(), ManualClock(), registry)
    engine.instant_query("1", 0)
    engine.range_query("1", GRID)
    with pytest.raises(ParseError):
        engine.instant_query("1 +", 0)
    with pytest.raises(ExecutionError):
        engine.instant_query("topk(NaN, vector(1))", 0)
    read = registry.get_sample_value
    assert read("veriscope_query_duration_seconds_count", {"type": "instant"}) == 3
    assert read("veriscope_query_duration_seconds_count", {"type": "range"}) == 1
    assert read("veriscope_query_failures_total", {"reason": "parse"}) == 1
    assert read("veriscope_query_failures_total", {"reason": "execution"}) == 1


@pytest.mark.parametrize("text", ["c_total[5m]", '"text"'])
def test_a_range_query_wants_a_vector_or_a_scalar(engine: PromqlEngine, text: str) -> None:
    """Other types have no value at each step."""
    with pytest.raises(ParseError, match="must be Scalar or instant Vector"):
        engine.range_query(text, GRID)


def test_a_scalar_is_a_series_in_a_range_query(engine: PromqlEngine) -> None:
    """A scalar's values are those of the series without labels."""
    result = engine.range_query("time() * 2", Grid(0, 2_000, 1_000))
    assert result.kind is ResultKind.MATRIX
    assert isinstance(result.value, Matrix)
    assert result.value.labels == ((),)
    assert result.value.values.tolist() == [[0.0, 2.0, 4.0]]


@pytest.mark.parametrize(
    ("query", "warnings", "infos"),
    [
        ("quantile(2, c_total)", "quantile value should be between 0 and 1, got 2", ""),
        ("quantile_over_time(-1, c_total[1m])", "between 0 and 1, got -1", ""),
        ("histogram_quantile(NaN, c_total)", "between 0 and 1, got NaN", ""),
        ("histogram_quantile(0.5, c_total)", 'label "le" is missing', ""),
        ("rate(gauge[1m])", "", "might not be a counter, name does not end in _total/_sum/_count"),
        (
            "sum(rate(gauge[1m]))",
            "",
            'counter, name does not end in _total/_sum/_count/_bucket: "g',
        ),
        ("rate(c_total[1m])", "", ""),
        ("histogram_quantile(0.5, b_bucket)", "", "needed to be fixed for monotonicity"),
    ],
)
def test_doubts_are_said_beside_the_answer(
    source: Any,
    engine: PromqlEngine,
    query: str,
    warnings: str,
    infos: str,
) -> None:
    """What is only doubtful is answered, with a note."""
    fill(source, 1)
    source.add("gauge", [(0, 1.0), (1_000, 2.0)])
    source.add('b_bucket{le="1"}', [(0, 5.0)])
    source.add('b_bucket{le="2"}', [(0, 3.0)])
    source.add('b_bucket{le="+Inf"}', [(0, 9.0)])
    result = engine.instant_query(query, 50_000)
    assert warnings in "".join(result.warnings)
    assert infos in "".join(result.infos)
    assert bool(result.warnings) == bool(warnings)
    assert bool(result.infos) == bool(infos)


def test_many_threads_share_an_engine(source: Any, engine: PromqlEngine) -> None:
    """Queries at the same time do not disturb each other."""
    fill(source)
    queries = ["sum(rate(c_total[10s]))", "topk(2, c_total)", "deriv(c_total[20s])", "c_total > 9"]
    expected = [engine.range_query(query, GRID).value for query in queries]
    failures: list[str] = []

    def ask(offset: int) -> None:
        for turn in range(8):
            index = (turn + offset) % len(queries)
            found, wanted = engine.range_query(queries[index], GRID).value, expected[index]
            assert isinstance(found, Matrix)
            assert isinstance(wanted, Matrix)
            if found.labels != wanted.labels or not np.array_equal(
                found.values[found.present], wanted.values[wanted.present], equal_nan=True
            ):
                failures.append(queries[index])

    threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures

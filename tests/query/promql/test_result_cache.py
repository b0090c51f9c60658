"""Answers from the cache: always what a fresh evaluation would give, and seldom evaluated anew."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veriscope.query import QueryError
from veriscope.query.promql import PromqlEngine, encode
from veriscope.query.promql.analysis import prepare
from veriscope.query.promql.cache import answer_bytes, reach
from veriscope.query.promql.plan import PlanRules, make_plan
from veriscope.signals import STALE_NAN, Grid, Matrix

STEP = 10_000
QUERIES = [
    "a",
    "rate(a[30s])",
    "sum by (i) (a)",
    "a offset -20s",
    "a offset 1m",
    "a @ 60",
    "max_over_time(a[30s] @ 100 offset -10s)",
    "a @ end()",
    "a - a @ start()",
    "sum_over_time(a[40s:15s])",
    "max_over_time(rate(a[30s])[1m:10s] offset -30s)",
    "a or b",
    "b unless a",
    "-a",
    '{__name__=~"a|b"} * 2',
    "topk(1, a)",
    "absent(b)",
    "time()",
    "count_over_time(a[1m + step()])",
    "sum_over_time(a[range() + 10s])",
    "vector(end())",
    "a + fill(0) b",
    "count_values('v', a)",
    "a smoothed",
    "increase(a[30s] smoothed)",
]


def points(matrix: Any) -> dict[Any, Any]:
    """Return the points of an answer by series; NaN as text, so that it equals itself."""
    assert isinstance(matrix, Matrix)
    return {
        labels: [str(v) if p else None for v, p in zip(row, there, strict=True)]
        for labels, row, there in zip(
            matrix.labels, matrix.values.tolist(), matrix.present.tolist(), strict=True
        )
    }


def outcome(ask: Callable[..., Any], *, cache: bool) -> Any:
    """Return the points of an answer, or the text of the refusal."""
    try:
        value = ask(cache=cache).value
    except QueryError as error:
        return str(error)
    return points(value) if isinstance(value, Matrix) else str(value)


changes = st.tuples(
    st.just("change"),
    st.sampled_from(['a{i="1"}', 'a{i="2"}', "b", 'b{i="1"}']),
    st.integers(0, 40),
    st.sampled_from([1.0, 2.5, -3.0, np.nan, STALE_NAN]),
)
questions = st.tuples(
    st.just("ask"), st.sampled_from(QUERIES), st.integers(0, 12), st.sampled_from([1, 5, 9, 10])
)


@given(st.lists(changes | questions, min_size=4, max_size=40))
@settings(deadline=None, max_examples=150)
def test_kept_answers_are_those_of_a_fresh_evaluation(
    make_source: Callable[[], Any],
    engine_over: Callable[..., PromqlEngine],
    turns: list[tuple[Any, ...]],
) -> None:
    """However changes and questions follow each other, the cache never shows."""
    source = make_source()
    engine = engine_over(source)
    for turn in turns:
        if turn[0] == "change":
            _, series, tick, value = turn
            source.add(series, [(tick * 5_000, value)])
            continue
        _, query, start, steps = turn
        grid = Grid(start * STEP, (start + steps) * STEP, STEP)
        ranged, instant = (
            partial(engine.range_query, query, grid),
            partial(engine.instant_query, query, grid.start_ms),
        )
        for ask in (ranged, instant):
            assert outcome(ask, cache=True) == outcome(ask, cache=False), query


def test_the_same_question_is_evaluated_once(source: Any, engine: PromqlEngine) -> None:
    """The second answer is the first, until something that it looked at changes."""
    source.add("a", [(tick * STEP, float(tick)) for tick in range(20)])
    grid = Grid(0, 100_000, STEP)
    first = engine.range_query("rate(a[30s])", grid)
    assert engine.range_query("rate(a[30s])", grid) is first
    source.add("later", [(100_001, 1.0)])
    assert engine.range_query("rate(a[30s])", grid) is first
    assert len(source.fetches) == 1
    source.add("a", [(99_999, 1.0)])
    assert engine.range_query("rate(a[30s])", grid) is not first
    assert engine.range_query("rate(a[30s])", grid, cache=False) is not None
    assert len(source.fetches) == 3


def test_a_grid_that_moves_on_is_continued(source: Any, engine: PromqlEngine) -> None:
    """Only the steps that are new, or that a change may have touched, are evaluated."""
    source.add("a", [(tick * STEP, float(tick)) for tick in range(30)])
    engine.range_query("a", Grid(0, 100_000, STEP))
    moved = engine.range_query("a", Grid(20_000, 120_000, STEP))
    lookback_ms = 300_000
    assert source.fetches[-1].start_ms == 110_000 - lookback_ms
    assert moved.value.values.tolist() == [[float(tick) for tick in range(2, 13)]]  # type: ignore[union-attr]
    source.add("a", [(70_000, 99.0)])
    again = engine.range_query("a", Grid(20_000, 120_000, STEP))
    assert source.fetches[-1].start_ms == 70_000 - lookback_ms
    assert again.value.values[0, 5] == 99.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "query",
    [
        "a @ end()",
        "vector(start())",
        "sum_over_time(a[range()])",
        '-{__name__=~"a|b"}',
        'label_replace(a, "x", "y", "", "")',
        "-(a or b)",
    ],
)
def test_what_depends_on_the_whole_query_is_not_continued(
    source: Any, engine: PromqlEngine, query: str
) -> None:
    """Its steps are other ones in another query."""
    source.add("a", [(tick * STEP, float(tick)) for tick in range(30)])
    grid = Grid(20_000, 120_000, STEP)
    engine.range_query(query, Grid(0, 100_000, STEP))
    fresh = engine.range_query(query, grid, cache=False)
    assert points(engine.range_query(query, grid).value) == points(fresh.value)
    assert not prepare(query).stepwise


@pytest.mark.parametrize(
    ("query", "last_ms"),
    [
        ("a", 100_000),
        ("a offset 1m", 40_000),
        ("a offset -1m", 160_000),
        ("rate(a[5m])", 100_000),
        ("a @ 700", 700_000),
        ("a @ end()", 100_000),
        ("a smoothed", 400_000),
        ("max_over_time((a offset -30s)[1m:7s] offset -1m)", 190_000),
        ("max_over_time(a[1m:10s] @ 500)", 500_000),
        ("a + b offset -10s", 110_000),
        ("info(a offset -10s)", 110_000),
    ],
)
def test_an_answer_knows_up_to_when_it_looks(query: str, last_ms: int) -> None:
    """Data after that cannot change it."""
    grid = Grid(0, 100_000, STEP)
    plan = make_plan(prepare(query), grid, PlanRules(), instant=False)
    assert reach(plan).last_ms(grid) == last_ms


def test_old_answers_make_room(source: Any, engine_over: Callable[..., PromqlEngine]) -> None:
    """The cache keeps to its bytes; what was asked longest ago goes first."""
    source.add("a", [(tick * STEP, 1.0) for tick in range(30)])
    grid = Grid(0, 100_000, STEP)
    size = answer_bytes(engine_over(source).range_query("a", grid).value)
    engine = engine_over(source, result_cache_bytes=4 * size)
    first = [engine.range_query(f"a + {i}", grid) for i in range(5)]
    assert engine.range_query("a + 4", grid) is first[4]
    assert engine.range_query("a + 0", grid) is not first[0]
    assert engine.answers.evictions == 2
    assert 3 * size < engine.answers.nbytes <= 4 * size
    large = engine_over(source, result_cache_bytes=size)
    assert large.range_query("a", grid) is not large.range_query("a", grid)
    none = engine_over(source, result_cache_bytes=0)
    assert none.range_query("a", grid) is not none.range_query("a", grid)


def test_other_options_are_other_questions(source: Any, engine: PromqlEngine) -> None:
    """A look-back of its own gives an answer of its own."""
    source.add("a", [(0, 1.0)])
    assert len(engine.instant_query("a", 60_000).value.labels) == 1  # type: ignore[union-attr]
    assert not len(engine.instant_query("a", 60_000, lookback_ms=30_000).value.labels)  # type: ignore[union-attr]


def test_statistics_are_never_those_of_an_earlier_query(source: Any, engine: PromqlEngine) -> None:
    """Who asks what a query takes has it evaluated."""
    source.add("a", [(tick * STEP, 1.0) for tick in range(30)])
    grid = Grid(50_000, 100_000, 25_000)
    engine.range_query("sum_over_time(a[20s])", grid)
    stats = engine.range_query("sum_over_time(a[20s])", grid, stats=True).stats
    assert stats.samples_per_step is not None
    assert stats.samples_per_step.tolist() == [2, 2, 2]
    assert stats.samples == 6
    assert stats.peak_samples >= 6


def test_the_text_of_a_small_answer_is_kept(source: Any, engine: PromqlEngine) -> None:
    """It is written once, and is the same the second time."""
    source.add("a", [(tick * STEP, 1.0) for tick in range(30)])
    first = engine.range_query("a", Grid(0, 100_000, STEP))
    written = b"".join(encode(first))
    again = engine.range_query("a", Grid(0, 100_000, STEP))
    assert again.kept_text == [written]
    assert b"".join(encode(again)) == written


def test_a_question_asked_by_many_is_answered_once(
    source: Any, engine_over: Callable[..., PromqlEngine]
) -> None:
    """Who asks while another's evaluation of the same runs waits for it."""
    source.add("a", [(tick * STEP, 1.0) for tick in range(30)])
    begun, go_on = threading.Event(), threading.Event()

    class Waiting:
        def __getattr__(self, name: str) -> Any:
            return getattr(source, name)

        def fetch(self, fetch: Any, limits: Any) -> Any:
            begun.set()
            go_on.wait()
            return source.fetch(fetch, limits)

    engine = engine_over(Waiting())
    answers: list[Any] = []
    ask = lambda: answers.append(engine.range_query("a", Grid(0, 100_000, STEP)))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    begun.wait()
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert len({id(answer) for answer in answers}) == 1
    assert len(source.fetches) == 1


def test_what_is_not_known_to_be_the_same_is_evaluated(source: Any, engine: PromqlEngine) -> None:
    """A change that nobody can place may be anywhere, before 1970 too."""
    source.add("a", [(-50_000, 1.0)])
    grid = Grid(-60_000, -10_000, STEP)
    first = engine.range_query("a", grid)
    assert engine.range_query("a", grid) is first
    source.changes.append(-1)
    assert engine.range_query("a", grid) is not first


def test_a_source_that_cannot_tell_of_changes_is_always_asked(
    source: Any, engine_over: Callable[..., PromqlEngine]
) -> None:
    """Several servers may write to one store: nothing is kept then."""
    source.version = lambda: None
    engine = engine_over(source)
    engine.instant_query("a", 0)
    engine.instant_query("a", 0)
    assert len(source.fetches) == 2

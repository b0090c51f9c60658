"""Answers about series are remembered exactly as long as they hold."""

import numpy as np

from veriscope.signals import (
    FetchLimits,
    Matcher,
    MatchOp,
    SampleBatch,
    SeriesFetch,
    to_labels,
)
from veriscope.store import Store

T0 = 1_700_002_800_000
HOUR_MS = 3_600_000
LIMITS = FetchLimits()
EVER = SeriesFetch((), 0, 9_999_999_999_999)


def write(store: Store, at_ms: int, **labels: str) -> None:
    """Store one sample of the metric `m`, *at_ms* after `T0`, a full hour."""
    series = to_labels({"__name__": "m", **labels})
    store.metrics.insert_batches([SampleBatch.at((series,), np.ones(1), T0 + at_ms)])


def test_an_answer_is_given_again_until_a_series_is_written(store: Store) -> None:
    """The same object for the same hours; a new series, or a known one in a new hour, ends it."""
    write(store, 0, a="1")
    reader = store.series
    ever = [EVER]
    hour = [SeriesFetch((), T0 + HOUR_MS, T0 + HOUR_MS + 60_000)]
    minute = [SeriesFetch((), T0 + HOUR_MS + 10_000, T0 + HOUR_MS + 70_000)]
    first = reader.label_values("a", ever, LIMITS)
    assert first == ["1"]
    assert reader.label_values("a", hour, LIMITS) == []
    write(store, 1_000, a="1")
    assert reader.label_values("a", ever, LIMITS) is first
    assert reader.label_values("a", minute, LIMITS) is reader.label_values("a", hour, LIMITS)
    write(store, HOUR_MS, a="1")
    assert reader.label_values("a", hour, LIMITS) == ["1"]
    write(store, HOUR_MS, a="2", b="1")
    assert reader.label_values("a", ever, LIMITS) == ["1", "2"]
    assert reader.label_names(ever, LIMITS) == ["__name__", "a", "b"]
    assert len(reader.series(ever, LIMITS)) == 2
    assert reader.label_values("__name__", ever, LIMITS) == ["m"]


def test_answers_to_different_questions_are_told_apart(store: Store) -> None:
    """By the label, the matchers and the hours."""
    write(store, 0, a="1", b="x")
    write(store, 0, a="2", b="y")
    reader = store.series
    one = SeriesFetch((Matcher("b", MatchOp.EQUAL, "x"),), EVER.start_ms, EVER.end_ms)
    for _ in range(2):
        assert reader.label_values("a", [EVER], LIMITS) == ["1", "2"]
        assert reader.label_values("b", [EVER], LIMITS) == ["x", "y"]
        assert reader.label_values("a", [one], LIMITS) == ["1"]
        assert reader.label_values("a", [SeriesFetch((), 0, T0 - HOUR_MS)], LIMITS) == []


def test_a_deletion_ends_every_answer(store: Store) -> None:
    """What changed past the log is asked for anew."""
    write(store, 0, a="1")
    assert store.series.label_values("a", [EVER], LIMITS) == ["1"]
    with store.metrics.paused():
        store._engine.command("TRUNCATE TABLE series")
        store.commits.invalidate()
    assert store.series.label_values("a", [EVER], LIMITS) == []


def test_long_answers_are_not_remembered(store: Store) -> None:
    """They would take more memory than asking again takes time."""
    labels = tuple(to_labels({"__name__": "m", "i": str(number)}) for number in range(10_001))
    store.metrics.insert_batches([SampleBatch.at(labels, np.ones(10_001), T0)])
    answers = [store.series.label_values("i", [EVER], LIMITS) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0] is not answers[1]

"""Native histograms in memory, as the engine has them."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.signals import (
    STALE_NAN,
    FetchLimits,
    HistogramSamples,
    Labels,
    Matcher,
    MatchOp,
    RaggedSamples,
    RawFetch,
    SampleBatch,
    to_labels,
)
from veriscope.signals.histograms import Buckets, HistogramBatch, Histograms, Runs
from veriscope.store import FetchTooLargeError, Store
from veriscope.store.scan import scan

T0 = 1_700_000_000_000
LIMITS = FetchLimits()
EVER = (0, 9_999_999_999_999)
M = Matcher("__name__", MatchOp.EQUAL, "m")
ONE = Matcher("i", MatchOp.EQUAL, "1")

Point = tuple[str, int, float]
"""A series, a second after `T0` and a count; NaN is a stale marker."""


def series(i: str) -> Labels:
    """Return the label set of series *i*."""
    return to_labels({"__name__": "m", "i": i})


def histograms(counts: list[float]) -> Histograms:
    """Return histograms of these counts, with as many buckets and bounds as the count has tens."""
    number = len(counts)
    stale = np.isnan(counts)
    sizes = np.where(stale, 0, np.nan_to_num(counts) // 10).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    index = (np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)).astype(np.int32)
    custom = np.zeros(number, dtype=np.bool_) | ((sizes == 2) & ~stale)
    lengths = np.where(custom, 2, 0)
    return Histograms(
        schema=np.where(custom, -53, 3).astype(np.int8),
        reset_hint=np.zeros(number, dtype=np.int8),
        count=np.array(counts),
        sum=np.where(stale, STALE_NAN, np.nan_to_num(counts) * 1.5),
        zero_threshold=np.zeros(number),
        zero_count=np.zeros(number),
        positive=Buckets(offsets, index, np.arange(offsets[-1]) + 0.5),
        negative=Buckets.none(number),
        bounds=Runs(np.concatenate(([0], np.cumsum(lengths))), np.tile([1.0, 2.5], custom.sum())),
    )


def write(store: Store, points: list[Point], floats: list[Point] | None = None) -> None:
    """Store histograms of the metric `m`, and floats beside them."""
    names = sorted({i for i, _, _ in points})
    batch = HistogramBatch(
        tuple(series(i) for i in names),
        np.array([names.index(i) for i, _, _ in points], dtype=np.uint32),
        np.array([T0 + 1000 * second for _, second, _ in points], dtype=np.int64),
        histograms([count for _, _, count in points]),
    )
    beside = [
        SampleBatch.at((series(i),), np.array([value]), T0 + 1000 * second)
        for i, second, value in floats or []
    ]
    assert not any(store.metrics.insert([batch, *beside]))


def native(found: RaggedSamples) -> dict[Labels, list[str]]:
    """Return the histograms of each series as text."""
    [segment] = found.segments or [None]
    if segment is None or segment.histograms is None:
        return {}
    held = segment.histograms
    assert np.all(np.lexsort((held.timestamps_ms, held.rows)) == np.arange(len(held.rows)))
    spelled: dict[Labels, list[str]] = {}
    for place, row in enumerate(held.rows.tolist()):
        spelled.setdefault(found.labels[row], []).append(spell(held, place))
    return spelled


def spell(held: HistogramSamples, place: int) -> str:
    """Return one histogram as text."""
    one = held.values.take(np.array([place]))
    return (
        f"{held.timestamps_ms[place]} {one.schema} {one.count} {one.sum.view(np.uint64)}"
        f" {one.positive.index} {one.positive.count} {one.negative.index} {one.bounds.values}"
        f" {one.zero_count} {one.zero_threshold} {one.reset_hint}"
    )


def fetch(store: Store, *matchers: Matcher, span: tuple[int, int] = EVER) -> RaggedSamples:
    """Return what the store answers; it is what the engine answers."""
    asked = RawFetch(matchers or (M,), *span)
    found = store.series.fetch(asked, LIMITS)
    expected = scan(store._engine, store.series._labels, asked, LIMITS)
    assert sorted(found.labels) == sorted(expected.labels)
    assert native(found) == native(expected)
    assert found.samples == expected.samples
    return found


POINTS = st.lists(
    st.tuples(
        st.sampled_from("123"), st.integers(0, 20), st.sampled_from([1.0, 5.0, 20.0, 30.0, np.nan])
    ),
    max_size=12,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.tuples(POINTS, POINTS, st.integers(-1, 20)), min_size=1, max_size=4))
def test_histograms_in_memory_are_those_of_the_engine(
    store: Store, steps: list[tuple[list[Point], list[Point], int]]
) -> None:
    """New series, late ones, duplicates, stale markers, with floats beside them."""
    with store.metrics.paused():
        for table in ("samples", "series", "histograms"):
            store._engine.command(f"TRUNCATE TABLE {table}")
        store.commits.invalidate()
    for points, floats, second in steps:
        if points:
            write(store, points, floats)
        fetch(store)
        fetch(store, M, ONE)
        fetch(store, ONE, span=(T0 + 1000 * second, T0 + 1000 * (second + 5)))


def test_newer_histograms_are_merged_once_they_are_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of row and time holds before and after."""
    monkeypatch.setattr("veriscope.store.head.histograms._FEW", 5)
    for second in range(20):
        write(store, [(i, 40 - second, 20.0) for i in "12"])
        fetch(store, span=(T0 + 25_000, T0 + 35_000))
    assert [len(held) for held in native(fetch(store)).values()] == [20, 20]


def test_a_metric_without_histograms_has_none(store: Store) -> None:
    """Where others have them."""
    write(store, [("1", 0, 20.0)])
    other = to_labels({"__name__": "n"})
    store.metrics.insert_batches([SampleBatch.at((other,), np.ones(1), T0)])
    [segment] = fetch(store, Matcher("__name__", MatchOp.EQUAL, "n")).segments
    assert segment.histograms is None
    both = store.series.fetch(RawFetch((Matcher("__name__", MatchOp.REGEX, "m|n"),), *EVER), LIMITS)
    assert len(both.labels) == 2
    assert [segment.histograms is None for segment in both.segments] == [False, True]


def test_limits_count_histograms(store: Store) -> None:
    """As series, and as samples by the memory that they take."""
    write(store, [(i, 0, 20.0) for i in "123"])
    wanted = fetch(store).samples
    assert wanted > 3
    for _ in range(2):
        with pytest.raises(FetchTooLargeError, match=f"{wanted} samples wanted, 3 allowed"):
            store.series.fetch(RawFetch((M,), *EVER), FetchLimits(max_samples=3))
        with pytest.raises(FetchTooLargeError, match="3 series selected, 2 allowed"):
            store.series.fetch(RawFetch((M,), *EVER), FetchLimits(max_series=2))
        store.commits.invalidate()


def test_a_remote_engine_answers_histograms_too(clickhouse: object) -> None:
    """From the table each time."""
    store = clickhouse.open_store()  # type: ignore[attr-defined]
    write(store, [("1", 5, 20.0), ("2", 0, 30.0), ("1", 0, np.nan)], [("2", 3, 1.0)])
    found = fetch(store)
    held = {labels: len(points) for labels, points in native(found).items()}
    assert held == {series("1"): 2, series("2"): 1}
    store.close()

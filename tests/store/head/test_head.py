"""What is answered from memory is what the engine would answer."""

import threading
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.signals import (
    STALE_NAN,
    FetchLimits,
    Labels,
    Matcher,
    MatchOp,
    RaggedSamples,
    RawFetch,
    SampleBatch,
    to_labels,
)
from veriscope.store import EngineError, FetchTooLargeError, HeadUse, RefusedError, Store
from veriscope.store.head.head import Head
from veriscope.store.scan import scan

T0 = 1_700_000_000_000
LIMITS = FetchLimits()
EVER = (0, 9_999_999_999_999)

Cells = dict[Labels, list[tuple[int, bytes]]]
Sample = tuple[str, str, int, float]

M = Matcher("__name__", MatchOp.EQUAL, "m")
SELECTORS = (
    (M,),
    (M, Matcher("i", MatchOp.EQUAL, "1")),
    (M, Matcher("i", MatchOp.NOT_EQUAL, "1")),
    (M, Matcher("i", MatchOp.REGEX, "1|2")),
    (M, Matcher("i", MatchOp.NOT_REGEX, "[1-2]")),
    (M, Matcher("none", MatchOp.EQUAL, "")),
    (Matcher("__name__", MatchOp.REGEX, "m|n"),),
    (Matcher("i", MatchOp.EQUAL, "1"),),
    (Matcher("__name__", MatchOp.NOT_EQUAL, "m"), Matcher("i", MatchOp.NOT_EQUAL, "3")),
)


def write(store: Store, samples: Iterable[Sample]) -> None:
    """Store samples of a metric, a label `i`, seconds after `T0` and a value."""
    samples = list(samples)
    labels = tuple({to_labels({"__name__": name, "i": i}) for name, i, _, _ in samples})
    series = [labels.index(to_labels({"__name__": name, "i": i})) for name, i, _, _ in samples]
    store.metrics.insert_batches(
        [
            SampleBatch(
                labels,
                np.array(series, dtype=np.uint32),
                np.array([T0 + 1000 * second for _, _, second, _ in samples], dtype=np.int64),
                np.array([value for _, _, _, value in samples]),
            )
        ]
    )


def cells(found: RaggedSamples) -> Cells:
    """Return the samples of each series, values as their bits."""
    joined = found.joined()
    return {
        labels: [
            (int(time), value.tobytes())
            for time, value in zip(
                joined.timestamps_ms[start:stop], joined.values[start:stop], strict=True
            )
        ]
        for labels, start, stop in zip(found.labels, joined.starts, joined.stops, strict=True)
    }


def read(store: Store, fetch: RawFetch) -> Cells:
    """Return what the engine answers."""
    return cells(scan(store._engine, store.series._labels, fetch, LIMITS))


def fetch(store: Store, *matchers: Matcher, span: tuple[int, int] = EVER) -> RaggedSamples:
    """Return what the store answers; it is what the engine answers."""
    asked = RawFetch(matchers, *span)
    found = store.series.fetch(asked, LIMITS)
    assert cells(found) == read(store, asked)
    return found


def is_hot(store: Store, metric: str) -> bool:
    """Tell whether the metric is held in memory."""
    return store.series._head._hot.has(metric)


VALUES = st.sampled_from([0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan])


def told_apart(sample: Sample) -> Sample:
    """
    Make zeros negative and NaNs stale markers in every second second.

    Of two zeros, or two NaNs, of one series at one time either may be answered.
    """
    name, i, second, value = sample
    if second % 2 == 0:
        return sample
    return name, i, second, -0.0 if value == 0 else STALE_NAN if np.isnan(value) else value


SAMPLES = st.lists(
    st.tuples(st.sampled_from("mn"), st.sampled_from("123"), st.integers(0, 40), VALUES).map(
        told_apart
    ),
    min_size=1,
    max_size=30,
)
FETCHES = st.tuples(st.sampled_from(SELECTORS), st.integers(-1, 41), st.integers(-1, 41))
STEPS = st.lists(st.one_of(SAMPLES, FETCHES), min_size=2, max_size=12)


def clear(store: Store) -> None:
    """Take all that was written away."""
    with store.metrics.paused():
        for table in ("samples", "series"):
            store._engine.command(f"TRUNCATE TABLE {table}")
        store.commits.invalidate()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_memory_agrees_with_the_engine_whatever_was_written(
    store: Store, steps: list[list[Sample] | tuple[tuple[Matcher, ...], int, int]]
) -> None:
    """New series, late samples, duplicates, NaN and stale markers, between any fetches."""
    clear(store)
    for step in steps:
        if isinstance(step, list):
            write(store, step)
        else:
            matchers, *span = step
            first, last = sorted(T0 + 1000 * second for second in span)
            fetch(store, *matchers, span=(first, last))
    for matchers in SELECTORS:
        fetch(store, *matchers)


def test_a_selection_is_named_by_the_same_label_sets(store: Store) -> None:
    """What was computed of them lasts from one fetch to the next, over commits and empty series."""
    write(store, [("m", i, second, 1.0) for i in "123" for second in range(5)])
    write(store, [("m", "4", 0, 1.0), ("n", "1", 0, 1.0)])
    spans = ((T0 - 1, T0 + 9_000), (T0 + 500, T0 + 9_000))
    for matchers in ((M,), (M, SELECTORS[4][1]), SELECTORS[6]):
        before = [fetch(store, *matchers, span=span).labels for span in spans]
        write(store, [("m", "1", len(before[0]) + 5, 2.0)])
        after = [fetch(store, *matchers, span=span).labels for span in spans]
        assert all(old is new for old, new in zip(before, after, strict=True))
        assert before[0] != before[1]
    only_old = fetch(store, *SELECTORS[1]).labels
    write(store, [("m", "5", 0, 1.0)])
    assert fetch(store, *SELECTORS[1]).labels is only_old


def test_samples_are_handed_out_without_being_copied(store: Store) -> None:
    """Two fetches of a metric see the same columns, and one more commit does not change that."""
    write(store, [("m", i, second, 1.0) for i in "123" for second in range(5)])
    [first] = fetch(store, M).segments
    write(store, [("m", i, 5, 1.0) for i in "123"])
    [second] = fetch(store, *SELECTORS[1]).segments
    assert first.values is second.values
    assert first.samples == 15
    assert second.samples == 6


def test_older_samples_are_loaded_when_they_are_asked_for(store: Store) -> None:
    """A metric is known as far back as somebody looked, with some margin."""
    day = 86_400
    write(store, [("m", "1", second, 1.0) for second in (0, day, 2 * day)])
    end = T0 + 3 * day * 1000
    assert fetch(store, M, span=(T0 + 2 * day * 1000 - 1, end)).samples == 1
    assert store.series._head._hot._metrics["m"]._snapshot.columns.samples == 1
    assert fetch(store, M, span=(T0 + day * 1000 - 1, end)).samples == 2
    assert fetch(store, M, span=(-1, end)).samples == 3


def test_old_samples_are_dropped_once_nobody_asks_for_them(store: Store) -> None:
    """What is left behind by the times that are asked for goes when rows are copied."""
    day = 86_400
    write(store, [("m", "1", second, 1.0) for second in range(0, 6 * day, 600)])
    fetch(store, M)
    for hour in range(6 * 24, 12 * 24):
        write(store, [("m", "1", 3_600 * hour + second, 1.0) for second in range(0, 3_600, 600)])
        span = (T0 + 3_600_000 * (hour - 1), T0 + 3_600_000 * (hour + 1))
        fetch(store, M, span=span)
    assert store.series._head._hot._metrics["m"]._snapshot.columns.samples < 6 * 24 * 6
    assert fetch(store, M).samples == 12 * 24 * 6


def test_memory_is_bounded(store: Store) -> None:
    """Who is asked for more often takes the place of who was not asked for longest."""
    for name, count in (("a", 2_000), ("b", 2_000), ("c", 2_000), ("large", 20_000)):
        write(store, [(name, "1", second, 1.0) for second in range(count)])
    head = Head(store._engine, store.series._labels, store.commits, 100_000)
    held = {}
    for turn, name in enumerate(("a", "b", "a", "b", "c", "c", "c", "large", "large", "b")):
        whole = RawFetch((Matcher("__name__", MatchOp.EQUAL, name),), *EVER)
        assert cells(head.fetch(whole, LIMITS)) == read(store, whole)
        assert sum(metric.nbytes for metric in head._hot._metrics.values()) <= 100_000
        held[turn] = "".join(name for name in ("a", "b", "c", "large") if head._hot.has(name))
    assert held[3] == held[4] == held[5] == "ab"
    assert held[6] == held[8] == "bc"
    assert held[9] == "bc"
    held_bytes = sum(metric.nbytes for metric in head._hot._metrics.values())
    assert head.use() == HeadUse(hits=3, misses=7, evictions=1, nbytes=held_bytes)


def test_metrics_are_not_loaded_in_turn(store: Store) -> None:
    """Where more is asked for than there is room, some are held and the others left alone."""
    names = "abcde"
    for name in names:
        write(store, [(name, "1", second, 1.0) for second in range(2_000)])
    head = Head(store._engine, store.series._labels, store.commits, 100_000)
    for turn in range(4):
        for name in names:
            head.fetch(RawFetch((Matcher("__name__", MatchOp.EQUAL, name),), *EVER), LIMITS)
        if turn == 0:
            first = {name for name in names if head._hot.has(name)}
    assert {name for name in names if head._hot.has(name)} == first
    assert len(first) == 2


def test_what_is_asked_for_in_vain_is_not_remembered_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of metrics that are not there take bounded memory, too."""
    monkeypatch.setattr("veriscope.store.head.hot._MOST_METRICS", 10)
    for number in range(20):
        assert not fetch(store, Matcher("__name__", MatchOp.EQUAL, f"m{number}")).labels
    hot = store.series._head._hot
    assert len(hot._metrics) == 10
    assert hot._bytes == sum(metric.nbytes for metric in hot._metrics.values())


def test_a_long_history_is_not_loaded_for_a_short_look_at_its_middle(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is newer than the fetch, and would come along, has its bound."""
    monkeypatch.setattr("veriscope.store.head.hot._SMALL", 100)
    write(store, [("m", "1", 60 * minute, 1.0) for minute in range(10_000)])
    fetch(store, M, span=(T0, T0 + 600_000))
    assert not is_hot(store, "m")
    fetch(store, M, span=(T0 + 550_000_000, T0 + 600_000_000))
    assert is_hot(store, "m")


def test_selectors_of_many_metrics_are_left_to_the_engine(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would push out what is asked for often; what is hot answers all the same."""
    monkeypatch.setattr("veriscope.store.head.head._METRICS_AT_ONCE", 2)
    write(store, [(name, "1", 0, 1.0) for name in "abcdm"])
    assert fetch(store, Matcher("i", MatchOp.EQUAL, "1")).samples == 5
    assert not store.series._head._hot._metrics
    for name in "abc":
        fetch(store, Matcher("__name__", MatchOp.EQUAL, name))
    assert fetch(store, Matcher("i", MatchOp.EQUAL, "1")).samples == 5
    assert is_hot(store, "m")


def test_large_selections_are_loaded_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the engine has its bound, however many metrics are asked for."""
    monkeypatch.setattr("veriscope.store.head.hot._SAMPLES_AT_ONCE", 10)
    write(store, [(name, i, second, 1.0) for name in "abc" for i in "12" for second in range(4)])
    assert fetch(store, Matcher("i", MatchOp.EQUAL, "1")).samples == 12
    assert all(is_hot(store, name) for name in "abc")


def test_what_was_prepared_is_there(store: Store) -> None:
    """Several metrics at once; what does not exist is passed over."""
    write(store, [("m", "1", 1, 1.0), ("n", "1", 2, 2.0)])
    store.series.prepare(["n", "none", "m"], T0, T0 + 5_000)
    before = store.series.head_use()
    for name in ("m", "n"):
        matcher = Matcher("__name__", MatchOp.EQUAL, name)
        assert store.series.fetch(RawFetch((matcher,), T0, T0 + 5_000), LIMITS).samples == 1
    after = store.series.head_use()
    assert before is not None
    assert after is not None
    assert (after.hits - before.hits, after.misses - before.misses) == (2, 0)


def test_limits_hold_for_what_is_in_memory(store: Store) -> None:
    """They count what was selected."""
    write(store, [("m", i, second, 1.0) for i in "123" for second in range(5)])
    fetch(store, M)
    whole, one = RawFetch((M,), *EVER), RawFetch(SELECTORS[1], *EVER)
    with pytest.raises(FetchTooLargeError, match="15 samples wanted, 14 allowed"):
        store.series.fetch(whole, FetchLimits(max_samples=14))
    with pytest.raises(FetchTooLargeError, match="3 series selected, 2 allowed"):
        store.series.fetch(whole, FetchLimits(max_series=2))
    tight = FetchLimits(max_samples=5, max_series=1)
    assert store.series.fetch(one, tight).samples == 5
    store.commits.invalidate()
    assert store.series.fetch(one, tight).samples == 5


def test_a_regex_that_re2_refuses_is_refused(store: Store) -> None:
    """In the words of the engine, and nothing is remembered of it."""
    write(store, [("m", "1", 0, 1.0)])
    for pattern in ("(", "((a{100}){100}){100}"):
        refused = RawFetch((M, Matcher("i", MatchOp.REGEX, pattern)), *EVER)
        with pytest.raises(RefusedError, match=r"cannot compile re2: .*"):
            store.series.fetch(refused, LIMITS)
    assert fetch(store, M).samples == 1


def test_what_the_log_forgot_is_read_again(store: Store) -> None:
    """A metric that nobody asked for while much was written is loaded anew."""
    write(store, [("m", "1", 0, 1.0)])
    fetch(store, M)
    store.commits._max_bytes = 100
    for second in range(1, 9):
        write(store, [("m", str(second), second, 1.0)])
    assert fetch(store, M).samples == 9
    assert fetch(store, Matcher("__name__", MatchOp.REGEX, "m|n")).samples == 9


def test_samples_whose_series_comes_later_are_found_then(store: Store) -> None:
    """What an insert that was cut off left behind belongs to the series once that is written."""
    write(store, [("m", "1", 5, 1.0), ("m", "2", 5, 1.0)])
    labels = to_labels({"__name__": "m", "i": "2"})
    with store.metrics.paused():
        store._engine.command("DELETE FROM series WHERE labels['i'] = '2'")
        store.commits.invalidate()
    store.series._labels._known.clear()
    assert fetch(store, M).labels == (to_labels({"__name__": "m", "i": "1"}),)
    write(store, [("m", "2", 9, 1.0)])
    found = cells(fetch(store, M))
    assert [time for time, _ in found[labels]] == [T0 + 5_000, T0 + 9_000]


def test_what_a_failed_insert_left_is_seen(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine may have stored what it says has failed."""
    write(store, [("m", "1", 0, 1.0)])
    fetch(store, M)
    insert = store._engine.insert_arrow

    def fail(table: str, rows: pa.Table) -> None:
        insert(table, rows)
        if table == "samples":
            raise EngineError("the connection was lost")

    monkeypatch.setattr(store._engine, "insert_arrow", fail)
    with pytest.raises(EngineError):
        write(store, [("m", "1", 1, 1.0), ("m", "2", 1, 1.0)])
    assert fetch(store, M).samples == 3


def test_nothing_acknowledged_is_ever_missing(store: Store) -> None:
    """Readers see each sample whose insert has returned, while writers go on."""
    written: list[int] = [0, 0]
    failures: list[str] = []
    stop = threading.Event()

    def write_on(writer: int) -> None:
        for second in range(120):
            late = [("m", f"{writer}", second - 30, 0.5)] if second % 7 == 0 else []
            born = [("m", f"{writer}-{second}", second, 1.0)] if second % 10 == 0 else []
            write(store, [("m", f"{writer}", second, 1.0), *late, *born])
            written[writer] = second + 1

    def read_on() -> None:
        while not stop.is_set():
            before = list(written)
            found = cells(store.series.fetch(RawFetch((M,), *EVER), LIMITS))
            for writer, count in enumerate(before):
                times = [
                    time
                    for time, _ in found.get(to_labels({"__name__": "m", "i": str(writer)}), [])
                ]
                if times != sorted(set(times)) or not {
                    T0 + 1000 * second for second in range(count)
                } <= set(times):
                    failures.append(f"{writer}: {count} written, {len(times)} found")
                    return

    writers = [threading.Thread(target=write_on, args=(number,)) for number in range(2)]
    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert failures == []
    fetch(store, M)

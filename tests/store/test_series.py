"""What was written can be read, as the fetches promise."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from veriscope.signals import (
    STALE_NAN,
    Duration,
    FetchLimits,
    Labels,
    Matcher,
    MatchOp,
    MetricMetadata,
    MetricType,
    RaggedSamples,
    RawFetch,
    SampleBatch,
    SeriesFetch,
    to_labels,
)
from veriscope.store import (
    FetchTimeoutError,
    FetchTooLargeError,
    RefusedError,
    RetentionOptions,
    Store,
)

T0 = 1_700_000_000_000
LIMITS = FetchLimits()
EVER = (0, 9_999_999_999_999)


def series(**labels: str) -> Labels:
    """Return a label set of the metric `m` unless *labels* name another."""
    return to_labels({"__name__": "m", **labels})


def equal(name: str, value: str) -> Matcher:
    """Match `name="value"`."""
    return Matcher(name, MatchOp.EQUAL, value)


M = equal("__name__", "m")


def write(store: Store, labels: Labels, points: dict[int, float]) -> None:
    """Store *points*, seconds after `T0` to values."""
    times = np.array([T0 + second * 1000 for second in points], dtype=np.int64)
    values = np.array(list(points.values()), dtype=np.float64)
    zeros = np.zeros(len(points), dtype=np.uint32)
    store.metrics.insert_batches([SampleBatch((labels,), zeros, times, values)])


def pieces(found: RaggedSamples) -> dict[Labels, list[float]]:
    """Return the values of each series."""
    joined = found.joined()
    return {
        labels: joined.values[start:stop].tolist()
        for labels, start, stop in zip(found.labels, joined.starts, joined.stops, strict=True)
    }


def values(store: Store) -> NDArray[np.float64]:
    """Return all values of the metric `m`, series by series."""
    return store.series.fetch(RawFetch((M,), *EVER), LIMITS).joined().values


def test_a_sample_sent_twice_is_stored_once(store: Store) -> None:
    """Before and after parts merge, and the greater of two values at one time is kept."""
    for _ in range(3):
        write(store, series(), {0: 1, 10: 2})
    write(store, series(), {10: 7})
    write(store, series(), {10: STALE_NAN})
    raw = RawFetch((M,), *EVER)
    for _ in ("unmerged", "merged"):
        found = store.series.fetch(raw, LIMITS).joined()
        assert found.timestamps_ms.tolist() == [T0, T0 + 10_000]
        assert found.values.tolist() == [1, 7]
        store.compact()
    rows = {table.table: table.rows for table in store.health().tables}
    assert rows["samples"] == 2
    assert rows["series"] == 1


def test_samples_may_arrive_in_any_order(store: Store) -> None:
    """Late samples take their place in time."""
    write(store, series(), {20: 3, 0: 1})
    write(store, series(), {10: 2})
    found = store.series.fetch(RawFetch((M,), *EVER), LIMITS).joined()
    assert found.values.tolist() == [1, 2, 3]


def test_raw_samples_come_series_by_series(store: Store) -> None:
    """Starts and stops cut the columns into the series that the labels name."""
    write(store, series(i="a"), {0: 1, 10: 2})
    write(store, series(i="b"), {5: 3})
    found = store.series.fetch(RawFetch((M,), T0 - 1, T0 + 10_000), LIMITS)
    assert pieces(found) == {series(i="a"): [1, 2], series(i="b"): [3]}


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        (MatchOp.EQUAL, "a", {"a"}),
        (MatchOp.EQUAL, "", {""}),
        (MatchOp.NOT_EQUAL, "a", {"", "ab", "a\nb"}),
        (MatchOp.NOT_EQUAL, "", {"a", "ab", "a\nb"}),
        (MatchOp.REGEX, "a", {"a"}),
        (MatchOp.REGEX, "a.*", {"a", "ab", "a\nb"}),
        (MatchOp.REGEX, ".*", {"", "a", "ab", "a\nb"}),
        (MatchOp.REGEX, "a|ab", {"a", "ab"}),
        (MatchOp.NOT_REGEX, "a.+", {"", "a"}),
        (MatchOp.NOT_REGEX, "", {"a", "ab", "a\nb"}),
    ],
)
def test_matchers_are_whole_and_absent_is_empty(
    store: Store, op: MatchOp, value: str, expected: set[str]
) -> None:
    """All four operators, with the empty value, anchoring and a newline."""
    for label in ("", "a", "ab", "a\nb"):
        write(store, series(x=label), {0: 1})
    fetch = SeriesFetch((M, Matcher("x", op, value)), *EVER)
    found = store.series.series((fetch,), LIMITS)
    assert {dict(labels).get("x", "") for labels in found} == expected


@pytest.mark.parametrize("odd", ["a'b", 'a"b', "a\\b", "a\tb", "{p0:String}", "é😀", "%s", " "])
def test_odd_strings_are_just_strings(store: Store, odd: str) -> None:
    """Quotes, escapes and braces in names and values are stored and matched as they are."""
    labels = to_labels({"__name__": odd, odd: odd})
    write(store, labels, {0: 1})
    fetch = RawFetch((equal("__name__", odd), equal(odd, odd)), *EVER)
    assert pieces(store.series.fetch(fetch, LIMITS)) == {labels: [1]}
    assert store.series.series((SeriesFetch((equal(odd, odd),), *EVER),), LIMITS) == (labels,)


def test_series_are_found_by_the_time_they_had_samples(store: Store) -> None:
    """A series without a sample in the hours of the range is not listed, nor are its values."""
    write(store, series(old="1"), {0: 1})
    write(store, series(new="1"), {7_200: 1})
    late = (SeriesFetch((), T0 + 7_200_000, T0 + 7_300_000),)
    assert store.series.series(late, LIMITS) == (series(new="1"),)
    assert store.series.label_names(late, LIMITS) == ["__name__", "new"]
    assert store.series.label_values("old", late, LIMITS) == []
    both = (SeriesFetch((equal("old", "1"),), *EVER), SeriesFetch((equal("new", "1"),), *EVER))
    assert store.series.series(both, LIMITS) == (series(new="1"), series(old="1"))
    assert store.series.label_values("__name__", both, LIMITS) == ["m"]


def test_metadata_keeps_the_newest_word(store: Store) -> None:
    """A metric whose help changes is described by the newer help."""
    for text in ("first", "second"):
        known = MetricMetadata("m", MetricType.COUNTER, text, "seconds")
        store.metrics.insert_batches(
            [SampleBatch.at((), np.empty(0), T0, (known,))],
        )
    assert store.series.metadata("", LIMITS) == (known,)
    assert store.series.metadata("other", LIMITS) == ()


def test_a_fetch_past_the_sample_limit_says_so(store: Store) -> None:
    """The error carries both numbers; the store goes on."""
    write(store, series(), dict.fromkeys(range(100), 1.0))
    tight = FetchLimits(max_samples=50)
    fetch = RawFetch((M,), *EVER)
    with pytest.raises(FetchTooLargeError, match="100 samples wanted, 50 allowed"):
        store.series.fetch(fetch, tight)
    assert store.series.fetch(fetch, LIMITS).samples == 100


def test_a_fetch_past_the_series_limit_says_so(store: Store) -> None:
    """Too wide a selector is refused by name of the limit."""
    for number in range(5):
        write(store, series(i=str(number)), {0: 1})
    with pytest.raises(FetchTooLargeError, match="5 series selected, 4 allowed"):
        store.series.fetch(RawFetch((M,), *EVER), FetchLimits(max_series=4))


def test_a_regex_that_re2_refuses_is_a_clear_error(store: Store) -> None:
    """A repetition that would explode is refused before it is run."""
    write(store, series(x="a"), {0: 1})
    explosive = Matcher("x", MatchOp.REGEX, "((a{100}){100}){100}")
    with pytest.raises(RefusedError, match="invalid repetition size"):
        store.series.series((SeriesFetch((M, explosive), *EVER),), LIMITS)


def test_retention_drops_what_is_older_and_nothing_younger(
    open_store: Callable[..., Store],
) -> None:
    """Samples of 2023 are gone from a store that keeps thirty days; those of 29 days are not."""
    now_s = int(time.time()) - T0 // 1000
    kept = open_store("retention_test")
    write(kept, series(age="old"), {0: 1})
    kept.close()
    store = open_store("retention_test", retention="30d")
    for days in range(30):
        write(store, series(age=str(days)), {now_s - days * 86_400 - 3_600: 1})
    store.compact()
    found = store.series.fetch(RawFetch((M,), *EVER), LIMITS)
    assert sorted(found.labels) == sorted(series(age=str(days)) for days in range(30))


def test_a_very_long_retention_keeps_everything(open_store: Callable[..., Store]) -> None:
    """A hundred years from now is past the end of a 32-bit calendar, and loses nothing."""
    store = open_store(retention="100y")
    write(store, series(), {0: 1, int(time.time()) - T0 // 1000: 2})
    store.compact()
    assert values(store).tolist() == [1, 2]
    with pytest.raises(ValueError, match="for ever"):
        RetentionOptions(metrics=Duration.parse("101y"))


@pytest.mark.parametrize("end_ms", [10**13, 10**15, 2**62, 2**70])
def test_a_range_that_ends_after_the_calendar_finds_everything(store: Store, end_ms: int) -> None:
    """The engine's dates wrap around; a range does not."""
    write(store, series(), {0: 1})
    assert store.series.series((SeriesFetch((M,), -(10**13), end_ms),), LIMITS) == (series(),)
    assert store.series.fetch(
        RawFetch((M,), -(10**13), end_ms), LIMITS
    ).joined().values.tolist() == [1]


def test_a_fetch_that_takes_too_long_is_stopped(store: Store) -> None:
    """The engine is held to the time limit."""
    with pytest.raises(FetchTimeoutError):
        store._engine.query(
            "SELECT sleepEachRow(1) FROM numbers(5)", None, {"max_execution_time": 1}
        )


def test_samples_without_a_series_are_as_if_they_were_not_there(store: Store) -> None:
    """What an insert that was cut off has left behind harms no query."""
    write(store, series(i="a"), {0: 1, 10: 2})
    write(store, series(i="b"), {0: 5})
    store._engine.command(
        "INSERT INTO samples VALUES ('m', 7, fromUnixTimestamp64Milli({time:Int64}), 9)",
        {"time": T0},
    )
    found = store.series.fetch(RawFetch((M,), *EVER), LIMITS)
    assert pieces(found) == {series(i="a"): [1, 2], series(i="b"): [5]}

"""What a store promises, whether its engine is embedded or a server."""

import numpy as np
import pytest

from veriscope.signals import (
    STALE_NAN,
    FetchLimits,
    InvalidInputError,
    Labels,
    Matcher,
    MatchOp,
    MetricMetadata,
    MetricType,
    RawFetch,
    SampleBatch,
    SeriesFetch,
    is_stale,
    to_labels,
)
from veriscope.store import (
    EngineError,
    FetchTimeoutError,
    FetchTooLargeError,
    RefusedError,
    Store,
)
from veriscope.wire import remote_write

T0 = 1_700_000_000_000
EVER = (0, 9_999_999_999_999)
LIMITS = FetchLimits()
M = Matcher("__name__", MatchOp.EQUAL, "m")
ODD = "it's a \\ \"quoted\"\ttab\nline ☃ 'n' {x:String} %s ?"
SERIES = tuple(
    to_labels({"__name__": "m", "i": str(number), "parity": "odd" if number % 2 else "even"})
    for number in range(4)
)
HELP = MetricMetadata("m", MetricType.COUNTER, "Things that were done.", "bytes")
DOORS = pytest.mark.parametrize("door", ["arrow", "protobuf"])


def write(store: Store, batch: SampleBatch, door: str = "arrow") -> None:
    """Store *batch* through one of the two doors."""
    if door == "arrow":
        store.metrics.insert_batches([batch])
    else:
        store.metrics.insert_remote_write([remote_write.encode(batch)])


def ramp(labels: tuple[Labels, ...] = SERIES, points: int = 4) -> SampleBatch:
    """Return *points* samples of each series, ten seconds apart, growing by its number + 1."""
    count = len(labels)
    steps = np.tile(np.arange(points), count)
    series = np.repeat(np.arange(count, dtype=np.uint32), points)
    return SampleBatch(labels, series, T0 + steps * 10_000, (series + 1.0) * steps, (HELP,))


@DOORS
def test_what_is_written_can_be_read(any_store: Store, door: str) -> None:
    """No door loses a label, a time or a value, whatever characters a label holds."""
    labels = (*SERIES, to_labels({"__name__": "m", "odd": ODD}))
    write(any_store, ramp(labels), door)
    found = any_store.series.fetch(RawFetch((M,), *EVER), LIMITS)
    assert sorted(found.labels) == sorted(labels)
    assert found.samples == 20
    selector = (M, Matcher("odd", MatchOp.EQUAL, ODD))
    found = any_store.series.fetch(RawFetch(selector, *EVER), LIMITS)
    assert found.labels == (labels[-1],)
    joined = found.joined()
    assert joined.timestamps_ms.tolist() == [T0 + step * 10_000 for step in range(4)]
    assert joined.values.tolist() == [0, 5, 10, 15]


@DOORS
def test_special_values_keep_their_bits(any_store: Store, door: str) -> None:
    """Infinities, NaN and the stale marker arrive as they were sent."""
    sent = np.array([np.inf, -np.inf, np.nan, STALE_NAN, -0.0])
    times = T0 + np.arange(5, dtype=np.int64)
    write(any_store, SampleBatch(SERIES[:1], np.zeros(5, np.uint32), times, sent), door)
    found = any_store.series.fetch(RawFetch((M,), *EVER), LIMITS).joined().values
    np.testing.assert_array_equal(found, sent)
    assert is_stale(found).tolist() == [False, False, False, True, False]


@DOORS
def test_a_sample_sent_twice_is_stored_once(any_store: Store, door: str) -> None:
    """Repeating a request, as a client does that got no answer, changes nothing."""
    for _ in range(3):
        write(any_store, ramp(), door)
    assert any_store.series.fetch(RawFetch((M,), *EVER), LIMITS).samples == 16
    any_store.compact()
    rows = {table.table: table.rows for table in any_store.health().tables}
    assert rows["samples"] == 16
    assert rows["metric_metadata"] == 1
    assert any_store.series.metadata("m", LIMITS) == (HELP,)
    assert any_store.health().memory_bytes >= 0


def test_the_catalog_answers(any_store: Store) -> None:
    """Series, label names and values are found through every kind of matcher."""
    write(any_store, ramp())
    reader = any_store.series
    selector = (
        M,
        Matcher("i", MatchOp.REGEX, "[0-2]"),
        Matcher("i", MatchOp.NOT_REGEX, "2|3"),
        Matcher("parity", MatchOp.NOT_EQUAL, "odd"),
    )
    fetch = SeriesFetch(selector, *EVER)
    assert reader.series((fetch,), LIMITS) == (SERIES[0],)
    assert reader.label_names([fetch], LIMITS) == ["__name__", "i", "parity"]
    assert reader.label_values("i", [SeriesFetch((), *EVER)], LIMITS) == ["0", "1", "2", "3"]


def test_many_series_are_named_in_one_answer(any_store: Store) -> None:
    """Their ids need not fit into one parameter of one request."""
    count = 12_000
    labels = tuple(to_labels({"__name__": "m", "i": str(number)}) for number in range(count))
    write(any_store, SampleBatch.at(labels, np.ones(count), T0))
    found = any_store.series.fetch(RawFetch((M,), *EVER), LIMITS)
    assert set(found.labels) == set(labels)


def test_a_long_matcher_is_bound_whole(any_store: Store) -> None:
    """A regular expression longer than a URL may be is no trouble."""
    write(any_store, ramp())
    names = "|".join(f"name_{number}" for number in range(5_000))
    fetch = SeriesFetch((M, Matcher("i", MatchOp.REGEX, f"{names}|1")), *EVER)
    assert any_store.series.series((fetch,), LIMITS) == (SERIES[1],)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xff\xff", b"\x0a\x05abc", b"\x0a\x0b\x0a\x09\x0a\xff\xff\xff\xff\x7fabc"],
    ids=["no message", "cut short", "a string of 32 GiB announced"],
)
def test_a_malformed_body_is_refused_in_plain_words(any_store: Store, body: bytes) -> None:
    """It is the body's fault, not the engine's, and what is well-formed is stored after it."""
    good = remote_write.encode(ramp())
    for bodies in ([body], [good, body]):
        with pytest.raises(InvalidInputError, match=r"^the body is (not|malformed)"):
            any_store.metrics.insert_remote_write(bodies)
    any_store.metrics.insert_remote_write([good])
    assert any_store.series.fetch(RawFetch((M,), *EVER), LIMITS).samples == 16


@DOORS
def test_a_bad_label_set_is_refused_by_its_rule(any_store: Store, door: str) -> None:
    """The reason is the rule's own words."""
    bad = SampleBatch.at(((("__name__", "m"), ("a", "1"), ("a", "2")),), np.ones(1), T0)
    with pytest.raises(RefusedError, match=r"^a series has the same label name twice$"):
        write(any_store, bad, door)


def test_limits_fail_with_their_own_errors(any_store: Store) -> None:
    """Too many samples, too much memory, too long, a bad regular expression: told apart."""
    write(any_store, ramp())
    raw = RawFetch((M,), *EVER)
    with pytest.raises(FetchTooLargeError, match="samples wanted"):
        any_store.series.fetch(raw, FetchLimits(max_samples=3))
    with pytest.raises(FetchTooLargeError, match="series selected"):
        any_store.series.fetch(raw, FetchLimits(max_series=3))
    bad = SeriesFetch((M, Matcher("i", MatchOp.REGEX, "(")), *EVER)
    with pytest.raises(RefusedError, match=r"cannot compile re2|missing \)"):
        any_store.series.series((bad,), LIMITS)
    ask = any_store._engine.query
    numbers = "SELECT count() AS n FROM numbers(100000000) WHERE NOT ignore(number)"
    with pytest.raises(FetchTooLargeError, match=r"Limit for rows.*narrow the time range"):
        ask(numbers, settings={"max_rows_to_read": 1_000})
    with pytest.raises(FetchTooLargeError, match=r"(?i)memory limit.*narrow the time range"):
        ask(
            "SELECT groupArray(number) AS n FROM numbers(10000000)",
            settings={"max_memory_usage": 1 << 22},
        )
    with pytest.raises(FetchTimeoutError, match=r"Timeout exceeded.*narrow the time range"):
        ask("SELECT sleepEachRow(0.1) AS n FROM numbers(20)", settings={"max_execution_time": 1})


def test_errors_are_one_plain_line(any_store: Store) -> None:
    """Nothing of the transport, the version or the address is left in them."""
    with pytest.raises(RefusedError) as caught:
        any_store._engine.query("SELECT nonsense(")
    text = str(caught.value)
    assert text.startswith("Syntax error")
    assert "\n" not in text
    for noise in ("version", "http", "DB::Exception", "Code:", "server response"):
        assert noise not in text


def test_a_failed_query_leaves_nothing_behind(any_store: Store) -> None:
    """What it had answered before it failed does not get into the next answer."""
    ask = any_store._engine.query
    for _ in range(5):
        with pytest.raises(EngineError):
            ask(
                "SELECT throwIf(number = 200000) AS n FROM numbers(400000)",
                settings={"max_block_size": 1000},
            )
    for _ in range(8):
        assert ask("SELECT number AS n FROM numbers(3)")["n"].to_pylist() == [0, 1, 2]

"""Remote write bodies and collectors' batches through the doors of the schema."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.signals import (
    FetchLimits,
    InvalidInputError,
    Labels,
    ManualClock,
    MetricMetadata,
    MetricType,
    SampleBatch,
    to_labels,
)
from veriscope.store import EngineError, MetricWriter, RefusedError, Store
from veriscope.store.labels import label_sets
from veriscope.store.migrate import load_migrations
from veriscope.wire import remote_write
from veriscope.wire.protobuf_fields import delimited, frame, varint

T0 = 1_700_000_000_000
LIMITS = FetchLimits()
_STORED = """
SELECT CAST(labels, 'Map(String, String)') AS labels, toUnixTimestamp64Milli(ts) AS time_ms, value
FROM samples FINAL
LEFT JOIN (SELECT id, any(labels) AS labels FROM series GROUP BY id) AS named USING (id)
"""


def stored(store: Store) -> dict[Labels, dict[int, float]]:
    """Return every sample that is stored, by label set and time."""
    found: dict[Labels, dict[int, float]] = {}
    for row in store._engine.query(_STORED).to_pylist():
        found.setdefault(tuple(row["labels"]), {})[row["time_ms"]] = row["value"]
    return found


def batch(*label_sets: Labels, value: float = 1.0, time_ms: int = T0) -> SampleBatch:
    """Return one sample of each of *label_sets*."""
    return SampleBatch.at(label_sets, np.full(len(label_sets), value), time_ms)


def body(*label_sets: Labels, value: float = 1.0, time_ms: int = T0) -> bytes:
    """Return the same as a remote write message."""
    return remote_write.encode(batch(*label_sets, value=value, time_ms=time_ms))


GOOD = to_labels({"__name__": "good", "job": "test"})


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ((("", "x"), ("__name__", "m")), "label name is empty"),
        ((("", ""), ("__name__", "m")), "label name is empty"),
        ((("a", "x"),), "no __name__ label"),
        ((("__name__", "m"), ("a", "1"), ("a", "2")), "same label name twice"),
        (
            (("__name__", "m"), *((f"l{i:03}", "v") for i in range(128))),
            "more than 128 labels",
        ),
        ((("__name__", "m"), ("a" * 1025, "v")), "longer than 1,024 bytes"),
        ((("__name__", "m"), ("a", "v" * 65_536)), "longer than 65,535 bytes"),
    ],
)
def test_a_bad_label_set_is_refused_whatever_door(
    store: Store, labels: Labels, reason: str
) -> None:
    """Every rule of label sets has its own words, and nothing of the request is stored."""
    with pytest.raises(RefusedError, match=reason):
        store.metrics.insert_remote_write([body(GOOD, labels)])
    with pytest.raises(RefusedError, match=reason):
        store.metrics.insert_batches([batch(GOOD, labels)])
    assert stored(store) == {}


@pytest.mark.parametrize("time_ms", [4_102_444_800_000, 10_000_000_000_000, 2**62])
def test_a_time_off_the_calendar_is_refused(store: Store, time_ms: int) -> None:
    """Seconds taken for milliseconds are fine; nanoseconds are told apart."""
    with pytest.raises(RefusedError, match="Unix milliseconds"):
        store.metrics.insert_remote_write([body(GOOD, time_ms=time_ms)])
    for off in (time_ms, -1):
        with pytest.raises(RefusedError, match="Unix milliseconds"):
            store.metrics.insert_batches([batch(GOOD, time_ms=off)])


def test_a_label_that_is_not_utf8_is_refused(store: Store) -> None:
    """Bytes that are no text cannot become a label."""
    broken = body(to_labels({"__name__": "m", "a": "value"})).replace(b"value", b"val\xffe")
    with pytest.raises(RefusedError, match="not valid UTF-8"):
        store.metrics.insert_remote_write([broken])


def test_two_halves_of_a_character_do_not_make_a_label(store: Store) -> None:
    """Labels that are text only where they meet would break every later answer."""
    halves = body(to_labels({"__name__": "m", "a": "xA", "b": "Bx"}))
    broken = halves.replace(b"xA", b"x\xc3").replace(b"Bx", b"\xa9x")
    with pytest.raises(RefusedError, match="not valid UTF-8"):
        store.metrics.insert_remote_write([broken])


def test_a_collected_label_that_utf8_cannot_spell_is_refused(store: Store) -> None:
    """Discovery can bring a lone surrogate; it must not end the loop that hands it on."""
    with pytest.raises(RefusedError, match="not valid Unicode"):
        store.metrics.insert_batches([batch(to_labels({"__name__": "m", "a": "\ud800"}))])
    store.metrics.insert_batches([batch(GOOD)])


def test_metadata_that_is_not_text_is_refused(store: Store) -> None:
    """And what the store has of others can still be read."""
    known = MetricMetadata("m", MetricType.GAUGE, "help", "")
    message = remote_write.encode(SampleBatch.at((GOOD,), np.ones(1), T0, (known,)))
    with pytest.raises(InvalidInputError, match="name, help or unit"):
        store.metrics.insert_remote_write([message.replace(b"help", b"he\xffp")])
    assert store.series.metadata("", LIMITS) == ()


@pytest.mark.parametrize("number", [8, 99, 2**31 - 1])
def test_a_type_that_nobody_knows_is_unknown(store: Store, number: int) -> None:
    """A newer sender's metric type does not break the list of metrics."""
    name = delimited(2, b"m")
    message = delimited(3, b"\x08" + varint(number) + name)
    store.metrics.insert_remote_write([message])
    assert store.series.metadata("", LIMITS)[0].type is MetricType.UNKNOWN


@pytest.mark.parametrize(
    ("junk", "reason"),
    [
        (b"hello, this is plain text", "not a well-formed protobuf"),
        (b"\xff" * 40, "not a well-formed protobuf"),
        (b"\x3a\x03abc", "not a WriteRequest"),
        (b"\x0a\x05hello", "not a well-formed protobuf"),
    ],
)
def test_what_is_no_write_request_is_refused(store: Store, junk: bytes, reason: str) -> None:
    """Text, noise and other protobuf messages each get a reason."""
    with pytest.raises(RefusedError, match=reason):
        store.metrics.insert_remote_write([junk])


def test_samples_of_too_many_weeks_are_refused(store: Store) -> None:
    """A body cannot make the store open hundreds of partitions."""
    times = T0 + np.arange(150, dtype=np.int64) * 7 * 86_400_000
    many = SampleBatch((GOOD,), np.zeros(150, dtype=np.uint32), times, np.zeros(150))
    with pytest.raises(RefusedError, match="100 different weeks"):
        store.metrics.insert_remote_write([remote_write.encode(many)])


def test_a_body_cut_short_anywhere_cannot_harm_its_neighbour(store: Store) -> None:
    """In a group, a truncated body never swallows the one behind it."""
    whole, neighbour = body(GOOD), body(to_labels({"__name__": "neighbour"}))
    for cut in range(1, len(whole)):
        with pytest.raises(RefusedError):
            store.metrics.insert_remote_write([whole[:cut], neighbour])
    store.metrics.insert_remote_write([neighbour, whole])
    assert sorted(dict(labels)["__name__"] for labels in stored(store)) == ["good", "neighbour"]


def test_labels_need_not_be_sorted_and_empty_values_are_absent(store: Store) -> None:
    """A series has one identity however a client spells it."""
    store.metrics.insert_remote_write(
        [
            body((("job", "test"), ("__name__", "good"))),
            body((("__name__", "good"), ("empty", ""), ("job", "test")), time_ms=T0 + 1),
        ]
    )
    store.metrics.insert_batches([batch(GOOD, time_ms=T0 + 2)])
    assert stored(store) == {GOOD: {T0: 1.0, T0 + 1: 1.0, T0 + 2: 1.0}}


def test_metadata_comes_with_remote_write(store: Store) -> None:
    """Type, help and unit of a family are kept."""
    known = MetricMetadata("requests_total", MetricType.COUNTER, "Requests.", "")
    message = remote_write.encode(SampleBatch.at((GOOD,), np.ones(1), T0, (known,)))
    store.metrics.insert_remote_write([message])
    assert store.series.metadata("requests_total", LIMITS) == (known,)


_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_samples = st.dictionaries(
    st.builds(
        lambda name, rest: to_labels({**rest, "__name__": name}),
        _names,
        st.dictionaries(_names.filter(lambda name: name != "__name__"), _names, max_size=3),
    ),
    st.dictionaries(
        st.integers(T0, T0 + 1_000_000), st.floats(allow_nan=False), min_size=1, max_size=5
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=_samples, through_remote_write=st.booleans())
def test_what_is_sent_can_be_read(
    store: Store, sent: dict[Labels, dict[int, float]], *, through_remote_write: bool
) -> None:
    """No door loses a sample, a label or a timestamp."""
    for table in ("samples", "series"):
        store._engine.command(f"TRUNCATE TABLE {table}")
    with store.metrics.paused():
        pass
    label_sets = tuple(sent)
    points = [
        (row, time_ms, value)
        for row, labels in enumerate(label_sets)
        for time_ms, value in sent[labels].items()
    ]
    rows, times, values = (np.array(column) for column in zip(*points, strict=True))
    whole = SampleBatch(
        label_sets, rows.astype(np.uint32), times.astype(np.int64), values.astype(np.float64)
    )
    if through_remote_write:
        store.metrics.insert_remote_write([remote_write.encode(whole)])
    else:
        store.metrics.insert_batches([whole])
    assert stored(store) == sent


def rows_of_series(store: Store) -> list[tuple[int, int]]:
    """Return the times that the rows of table `series` cover, a row each."""
    rows = store._engine.query(
        "SELECT toUnixTimestamp64Milli(first_ts) AS first, toUnixTimestamp64Milli(last_ts) AS last"
        " FROM series ORDER BY first, last"
    )
    return [(row["first"], row["last"]) for row in rows.to_pylist()]


def test_a_series_is_told_of_once_an_hour(store: Store) -> None:
    """Its row covers the whole hour; a sample outside makes a row of all hours since."""
    hour = 3_600_000
    start = T0 // hour * hour
    store._engine.command("SYSTEM STOP MERGES series")
    for minute in (20, 0, 59, 30):
        store.metrics.insert_remote_write([body(GOOD, time_ms=start + minute * 60_000)])
    assert rows_of_series(store) == [(start, start + hour - 1)]
    store.metrics.insert_batches([batch(GOOD, time_ms=start + 5 * hour)])
    assert rows_of_series(store) == [(start, start + hour - 1), (start, start + 6 * hour - 1)]
    store.metrics.insert_remote_write([body(GOOD, time_ms=start + 3 * hour)])
    assert len(rows_of_series(store)) == 2


def test_a_series_has_a_row_in_each_week(store: Store) -> None:
    """A backfill over the turn of weeks is found in both."""
    monday = 1_699_833_600_000
    times = np.array([monday - 1, monday, monday + 7 * 86_400_000])
    many = SampleBatch((GOOD,), np.zeros(3, dtype=np.uint32), times, np.zeros(3))
    store.metrics.insert_remote_write([remote_write.encode(many)])
    weeks = store._engine.query("SELECT toString(week) AS week FROM series ORDER BY week")
    assert weeks["week"].to_pylist() == ["2023-11-06", "2023-11-13", "2023-11-20"]
    assert rows_of_series(store)[0] == (monday - 3_600_000, monday - 1)


def test_ids_are_those_of_the_engine(store: Store) -> None:
    """A series keeps its id from versions in which the engine hashed it."""
    odd = to_labels({"__name__": "m", "ä☃": "ü\n\x01", "z": "x" * 300})
    store.metrics.insert_remote_write([body(GOOD, odd)])
    store.metrics.insert_batches([batch(to_labels({"__name__": "b", "a": "\U0001f600"}))])
    ids = store._engine.query(
        "SELECT id, xxh3(arrayStringConcat(arrayMap((name, value) -> concat(name, '\\xFE', value),"
        " mapKeys(labels), mapValues(labels)), '\\xFF')) AS theirs FROM series"
    )
    assert len(ids) == 3
    assert ids["id"].to_pylist() == ids["theirs"].to_pylist()


def test_a_bad_request_harms_none_of_its_group(store: Store) -> None:
    """Each has its own outcome, and what is good is stored in one insert."""
    bad = (("__name__", "m"), ("a", "1"), ("a", "2"))
    decode = store.metrics.decode
    requests = [decode(body(GOOD)), decode(body(bad)), batch(GOOD, time_ms=T0 + 1), batch(bad)]
    outcomes = store.metrics.insert(requests)
    assert [outcome is None for outcome in outcomes] == [True, False, True, False]
    assert stored(store) == {GOOD: {T0: 1.0, T0 + 1: 1.0}}


def test_a_commit_is_logged_when_it_is_durable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers in memory learn of samples and of series they have not seen."""
    store.metrics.insert_remote_write([body(GOOD)])
    version = store.commits.version
    other = to_labels({"__name__": "other"})
    store.metrics.insert([batch(GOOD, other, time_ms=T0 + 5), batch(other, time_ms=T0 + 3)])
    [commit] = store.commits.since(version) or ()
    found = zip(
        (commit.metrics[place] for place in commit.metric.tolist()),
        commit.timestamps_ms.tolist(),
        strict=True,
    )
    assert sorted(found) == [("good", T0 + 5), ("other", T0 + 3), ("other", T0 + 5)]
    [new] = commit.new_series
    assert [commit.metrics[place] for place in new.metric.tolist()] == ["other"]
    assert label_sets(new.labels, {}) == [other]
    assert set(new.ids.tolist()) < set(commit.ids.tolist())

    def fail(*_: object) -> None:
        raise EngineError("no space left")

    monkeypatch.setattr(store._engine, "insert_arrow", fail)
    with pytest.raises(EngineError):
        store.metrics.insert_batches([batch(GOOD, time_ms=T0 + 6)])
    # Half of it may be stored: readers must look for themselves.
    assert store.commits.since(version) is None
    assert store.commits.version == version + 2


def test_a_series_whose_commit_failed_is_told_of_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row of table `series` may not have been written."""
    insert = store._engine.insert_arrow

    def fail(table: str, rows: object) -> None:
        if table == "samples":
            raise EngineError("no space left")
        insert(table, rows)

    for broken in ("series", "samples"):
        monkeypatch.setattr(
            store._engine,
            "insert_arrow",
            lambda table, rows, broken=broken: fail("samples" if table == broken else table, rows),
        )
        with pytest.raises(EngineError):
            store.metrics.insert_remote_write([body(GOOD)])
        monkeypatch.undo()
        store._engine.command("TRUNCATE TABLE series")
        store.metrics.insert_remote_write([body(GOOD)])
        assert stored(store) == {GOOD: {T0: 1.0}}
        with store.metrics.paused():
            store._engine.command("TRUNCATE TABLE samples")
            store._engine.command("TRUNCATE TABLE series")


def test_after_a_pause_every_series_is_told_of_again(store: Store) -> None:
    """Whoever deletes rows of table `series` does it in a pause."""
    store.metrics.insert_remote_write([body(GOOD)])
    store.metrics.insert_batches([kept := batch(GOOD)])
    with store.metrics.paused():
        store._engine.command("TRUNCATE TABLE series")
    store.metrics.insert_batches([kept])
    assert len(rows_of_series(store)) == 1


def test_many_threads_write_at_once(store: Store) -> None:
    """Doors have threads of their own."""
    labels = [to_labels({"__name__": "m", "thread": str(number)}) for number in range(6)]

    def work(one: Labels) -> None:
        for step in range(5):
            store.metrics.insert_remote_write([body(one, GOOD, time_ms=T0 + step)])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, labels))
    assert {one: len(points) for one, points in stored(store).items()} == dict.fromkeys(
        [*labels, GOOD], 5
    )


def test_label_sets_that_nobody_hands_over_any_more_are_let_go(store: Store) -> None:
    """A collector whose series change all the time does not fill the memory with the old ones."""
    clock = ManualClock()
    writer = MetricWriter(store._engine, clock=clock)
    sets = [(to_labels({"__name__": "m", "pid": str(pid)}),) for pid in range(40)]
    for dead in sets:
        clock.advance(ms=10_000)
        writer.insert_batches([SampleBatch.at(dead, np.ones(1), T0)])
    kept = writer._series._remembered
    assert 0 < len(kept) < 20
    assert [one.label_sets for one in kept.values()] == sets[-len(kept) :]


def test_data_of_the_former_schema_stays_readable(open_store: Callable[..., Store]) -> None:
    """What the engine's own doors wrote, before they were dropped, goes on under its ids."""
    store = open_store("former")
    engine = store._engine
    for table in ("histograms", "exemplars"):
        engine.command(f"DROP TABLE {table}")
    engine.command(
        "ALTER TABLE schema_migrations DELETE WHERE version = 5 SETTINGS mutations_sync = 1"
    )
    for statement in load_migrations()[0].statements:
        engine.command(
            statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS").replace(
                "CREATE MATERIALIZED VIEW", "CREATE MATERIALIZED VIEW IF NOT EXISTS"
            )
        )
    old = (GOOD, to_labels({"__name__": "old", "ä": "☃"}))
    framed = frame([body(*old)])
    schema = Path(__file__).with_name("remote_write.proto")
    engine.insert_protobuf("remote_write", framed, schema, "WriteRequest")
    assert stored(store) == {labels: {T0: 1.0} for labels in old}
    store.close()
    again = open_store("former")
    tables = again._engine.query(
        "SELECT name FROM system.tables WHERE database = 'former' AND engine IN ('Null')"
    )
    assert not {"incoming", "identified", "remote_write"} & set(tables["name"].to_pylist())
    again.metrics.insert_remote_write([body(*old, time_ms=T0 + 1)])
    assert stored(again) == {labels: {T0: 1.0, T0 + 1: 1.0} for labels in old}

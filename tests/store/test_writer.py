"""Remote write bodies and collectors' batches through the doors of the schema."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veriscope.signals import (
    FetchLimits,
    Labels,
    MetricMetadata,
    MetricType,
    RawFetch,
    SampleBatch,
    SeriesFetch,
    to_labels,
)
from veriscope.store import RefusedError, Store
from veriscope.wire import remote_write

T0 = 1_700_000_000_000
LIMITS = FetchLimits()
EVERYTHING = RawFetch((), 0, 9_999_999_999_999)
ALL_SERIES = SeriesFetch((), 0, 9_999_999_999_999)


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
    assert store.series.fetch_raw(EVERYTHING, LIMITS).labels == ()


@pytest.mark.parametrize("time_ms", [4_102_444_800_000, 10_000_000_000_000, 2**62])
def test_a_time_off_the_calendar_is_refused(store: Store, time_ms: int) -> None:
    """Seconds taken for milliseconds are fine; nanoseconds are told apart."""
    with pytest.raises(RefusedError, match="Unix milliseconds"):
        store.metrics.insert_remote_write([body(GOOD, time_ms=time_ms)])


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
    with pytest.raises(RefusedError, match="name, help or unit"):
        store.metrics.insert_remote_write([message.replace(b"help", b"he\xffp")])
    assert store.series.metadata("", LIMITS) == ()


def test_label_sets_that_nobody_sends_any_more_are_let_go(store: Store) -> None:
    """A collector whose series change all the time does not fill the memory with the old ones."""
    labels = [to_labels({"__name__": "m", "pid": str(pid)}) for pid in range(300)]
    sets = [(one,) for one in labels]
    for dead in sets:
        for current in (dead, (GOOD,)):
            store.metrics._label_column(current)
    kept = [one for one in sets if id(one) in store.metrics._encoded]
    assert 0 < len(kept) <= 128
    assert kept == sets[-len(kept) :]


@pytest.mark.parametrize("number", [8, 99, 2**31 - 1])
def test_a_type_that_nobody_knows_is_unknown(store: Store, number: int) -> None:
    """A newer sender's metric type does not break the list of metrics."""
    name = remote_write._delimited(2, b"m")
    message = remote_write._delimited(3, b"\x08" + remote_write.varint(number) + name)
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


def test_native_histograms_are_refused_with_the_cure(store: Store) -> None:
    """They are not stored yet, and are not dropped in silence."""
    series = remote_write._labels(to_labels({"__name__": "h"})) + b"\x22\x02\x78\x01"
    with pytest.raises(RefusedError, match="send_native_histograms: false"):
        store.metrics.insert_remote_write([remote_write._delimited(1, series)])


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
    names = [dict(labels)["__name__"] for labels in store.series.series((ALL_SERIES,), LIMITS)]
    assert names == ["good", "neighbour"]


def test_labels_need_not_be_sorted_and_empty_values_are_absent(store: Store) -> None:
    """A series has one identity however a client spells it."""
    store.metrics.insert_remote_write(
        [
            body((("job", "test"), ("__name__", "good"))),
            body((("__name__", "good"), ("empty", ""), ("job", "test")), time_ms=T0 + 1),
        ]
    )
    store.metrics.insert_batches([batch(GOOD, time_ms=T0 + 2)])
    found = store.series.fetch_raw(EVERYTHING, LIMITS)
    assert found.labels == (GOOD,)
    assert len(found.values) == 3


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
    found = store.series.fetch_raw(EVERYTHING, LIMITS)
    read = {
        labels: dict(
            zip(
                found.timestamps_ms[found.offsets[row] : found.offsets[row + 1]].tolist(),
                found.values[found.offsets[row] : found.offsets[row + 1]].tolist(),
                strict=True,
            )
        )
        for row, labels in enumerate(found.labels)
    }
    assert read == sent

"""Remote write 2.0, and native histograms and exemplars of both versions, against protobuf."""

import dataclasses
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.label_texts import label_texts
from veriscope.signals import STALE_NAN, InvalidInputError, LimitExceededError
from veriscope.signals.histograms import Histograms, ResetHint
from veriscope.wire.protobuf_fields import delimited, varint
from veriscope.wire.remote_write_columns import WriteColumns
from veriscope.wire.remote_write_points import read_histograms
from veriscope.wire.remote_write_v1 import decode_v1
from veriscope.wire.remote_write_v2 import decode_v2

KEY = (11, 22)
T0 = 1_700_000_000_000
_KINDS = {"double": 1, "int64": 3, "uint64": 4, "int32": 5, "bytes": 12, "uint32": 13}
_KINDS |= {"sint32": 17, "sint64": 18}
_HISTOGRAM = """
count_int 1 uint64, count_float 2 double, sum 3 double, schema 4 sint32, zero_threshold 5 double,
zero_count_int 6 uint64, zero_count_float 7 double, negative_spans 8 *BucketSpan,
negative_deltas 9 *sint64, negative_counts 10 *double, positive_spans 11 *BucketSpan,
positive_deltas 12 *sint64, positive_counts 13 *double, reset_hint 14 int32, timestamp 15 int64,
custom_values 16 *double, start_timestamp 17 int64
"""
_MESSAGES = {
    "BucketSpan": "offset 1 sint32, length 2 uint32",
    "Histogram": _HISTOGRAM,
    "Sample": "value 1 double, timestamp 2 int64, start_timestamp 3 int64",
    "Exemplar": "labels_refs 1 *uint32, value 2 double, timestamp 3 int64",
    "Metadata": "type 1 int32, help_ref 3 uint32, unit_ref 4 uint32",
    "TimeSeries": "labels_refs 1 *uint32, samples 2 *Sample, histograms 3 *Histogram,"
    " exemplars 4 *Exemplar, metadata 5 Metadata, created_timestamp 6 int64",
    "Request": "symbols 4 *bytes, timeseries 5 *TimeSeries",
    "Label": "name 1 bytes, value 2 bytes",
    "ExemplarV1": "labels 1 *Label, value 2 double, timestamp 3 int64",
    "TimeSeriesV1": "labels 1 *Label, samples 2 *Sample, exemplars 3 *ExemplarV1,"
    " histograms 4 *Histogram",
    "WriteRequest": "timeseries 1 *TimeSeriesV1",
}
# Members of a oneof, whose absence is not a zero.
_OPTIONAL = ("count_int", "count_float", "zero_count_int", "zero_count_float")


def message_classes() -> dict[str, Any]:
    """Return the messages of both versions for protobuf's own library, strings as bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="write2.proto", package="w", syntax="proto3")
    for name, columns in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in (column.split() for column in columns.split(",")):
            plain = kind.removeprefix("*")
            added = message.field.add(
                name=field,
                number=int(number),
                label=3 if kind != plain else 1,
                type=_KINDS.get(plain, 11),
                type_name=None if plain in _KINDS else f".w.{plain}",
            )
            if field in _OPTIONAL:
                added.oneof_index = 0 if field.startswith("count") else 1
        if name == "Histogram":
            message.oneof_decl.add(name="count")
            message.oneof_decl.add(name="zero_count")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"w.{name}"))
        for name in _MESSAGES
    }


M = message_classes()


class Symbols:
    """The symbol table of a request."""

    def __init__(self) -> None:
        self.texts = [b""]

    def refs(self, *texts: str) -> list[int]:
        """Return the numbers of *texts*."""
        for text in texts:
            if text.encode() not in self.texts:
                self.texts.append(text.encode())
        return [self.texts.index(text.encode()) for text in texts]


def request(*series: dict[str, Any]) -> bytes:
    """Return a request of *series*; labels and texts are strings."""
    symbols, built = Symbols(), []
    for one in series:
        labels = [text for pair in one["labels"].items() for text in pair]
        exemplars = [
            M["Exemplar"](
                labels_refs=symbols.refs(*(text for pair in labels.items() for text in pair)),
                value=value,
                timestamp=time_ms,
            )
            for labels, value, time_ms in one.get("exemplars", ())
        ]
        kind, text, unit = one.get("metadata", (0, "", ""))
        built.append(
            M["TimeSeries"](
                labels_refs=symbols.refs(*labels),
                samples=[
                    M["Sample"](value=value, timestamp=time_ms, start_timestamp=sum(start))
                    for time_ms, value, *start in one.get("samples", ())
                ],
                histograms=one.get("histograms", ()),
                exemplars=exemplars,
                metadata=M["Metadata"](
                    type=kind, help_ref=symbols.refs(text)[0], unit_ref=symbols.refs(unit)[0]
                ),
                created_timestamp=one.get("created", 0),
            )
        )
    return M["Request"](symbols=symbols.texts, timeseries=built).SerializeToString()


def test_a_request_becomes_columns() -> None:
    """Samples, exemplars, labels by reference and metadata beside the series."""
    body = request(
        {
            "labels": {"__name__": "requests_total", "job": "api"},
            "samples": [(T0, 1.5), (T0 + 1, STALE_NAN)],
            "exemplars": [({"trace_id": "abc"}, 0.25, T0 - 5), ({}, 1.0, 0)],
            "metadata": (1, "Requests.", "1"),
            "created": T0 - 100_000,
        },
        {"labels": {"__name__": "up"}, "samples": [(T0, 1.0)]},
    )
    columns = decode_v2(body, KEY)
    assert columns.series.tolist() == [0, 0, 1]
    assert columns.timestamps_ms.tolist() == [T0, T0 + 1, T0]
    assert columns.values.tobytes() == np.array([1.5, STALE_NAN, 1.0]).tobytes()
    assert label_texts(columns.senders.labels(np.array([1, 0]))) == [
        [(b"__name__", b"up")],
        [(b"__name__", b"requests_total"), (b"job", b"api")],
    ]
    assert columns.exemplar_series.tolist() == [0, 0]
    assert columns.exemplar_times_ms.tolist() == [T0 - 5, 0]
    assert columns.exemplar_labels == ((("trace_id", "abc"),), ())
    assert columns.metadata is not None
    assert columns.metadata(0) == (1, b"Requests.", b"1")
    assert columns.described is not None
    assert columns.described[0] != 0
    assert columns.described[1] == 0
    assert len(columns) == 5


def test_a_point_says_when_it_began_to_count() -> None:
    """Itself as since 2.0-rc.4, or its series as before, for all points without a start."""
    up, down = {"__name__": "up"}, {"__name__": "down"}
    body = request(
        {"labels": down, "samples": [(T0, 1.0, T0 - 5), (T0 + 1, 2.0)]},
        {
            "labels": up,
            "samples": [(T0, 1.0), (T0 + 1, 2.0, T0 - 7)],
            "histograms": [histogram(), histogram(start_timestamp=T0 - 8)],
            "created": T0 - 9,
        },
    )
    columns = decode_v2(body, KEY)
    assert columns.starts_ms is not None
    assert columns.starts_ms.tolist() == [T0 - 5, 0, T0 - 9, T0 - 7]
    assert columns.histogram_starts_ms is not None
    assert columns.histogram_starts_ms.tolist() == [T0 - 9, T0 - 8]
    without = decode_v2(request({"labels": up, "samples": [(T0, 1.0)]}), KEY)
    assert (without.starts_ms, without.histogram_starts_ms) == (None, None)


def test_a_series_is_known_by_what_its_symbols_say() -> None:
    """Not by their numbers, which each request gives anew; and order matters as in version 1."""
    one = {
        "labels": {"__name__": "a", "job": "x"},
        "samples": [(T0, 1.0)],
        "metadata": (2, "h", ""),
    }
    other = {"labels": {"zone": "x", "__name__": "b"}, "samples": [(T0, 1.0)]}
    first, second = decode_v2(request(one), KEY), decode_v2(request(other, one), KEY)
    assert first.keys[0].tolist() == second.keys[1].tolist()
    assert first.keys[0].tolist() != second.keys[0].tolist()
    assert first.described is not None
    assert second.described is not None
    assert first.described[0] == second.described[1]
    swapped = {**one, "labels": {"__name__": "x", "job": "a"}}
    assert decode_v2(request(swapped), KEY).keys[0].tolist() != first.keys[0].tolist()
    assert decode_v2(request(one), (1, 2)).keys[0].tolist() != first.keys[0].tolist()


def series_of(refs: list[int], **more: Any) -> bytes:
    """Return a request of two symbols and a series with *refs*."""
    return M["Request"](
        symbols=[b"", b"__name__"], timeseries=[M["TimeSeries"](labels_refs=refs, **more)]
    ).SerializeToString()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (series_of([1, 2]), "leads to no symbol"),
        (series_of([1, 2**32 - 1]), "leads to no symbol"),
        (series_of([1]), "odd number of references"),
        (series_of([1, 1] * 300), "more than 256 labels"),
        (series_of([1, 1], metadata=M["Metadata"](help_ref=2)), "leads to no symbol"),
        (series_of([1, 1], exemplars=[M["Exemplar"](labels_refs=[1])]), "odd number"),
        (series_of([1, 1], exemplars=[M["Exemplar"](labels_refs=[1, 9])]), "no symbol"),
        (series_of([1, 1], samples=[M["Sample"](timestamp=-1)]), "Unix milliseconds"),
        (series_of([1, 1], histograms=[M["Histogram"](timestamp=-1)]), "Unix milliseconds"),
        (b"\x0a\x03abc", "not an io.prometheus.write.v2.Request"),
        (b"\x2a\x05abc", "not a well-formed protobuf"),
        (b"\x20\x01", "not a well-formed protobuf"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    """Each fault by name."""
    with pytest.raises(InvalidInputError, match=reason):
        decode_v2(body, KEY)


def test_text_that_short_references_multiply_is_refused() -> None:
    """A small message cannot ask for more memory than there is."""
    label = b"x" * 65_000
    series = [M["TimeSeries"](labels_refs=[1, 2] * 100) for _ in range(100)]
    body = M["Request"](symbols=[b"", b"a", label], timeseries=series).SerializeToString()
    with pytest.raises(LimitExceededError, match="268,435,456 bytes in all"):
        decode_v2(body, KEY).senders.labels(np.arange(100))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 255))
def test_a_mutated_request_never_reads_past_its_end(noise: bytes, at: int, byte: int) -> None:
    """It is refused, or protobuf's own reader finds the same in it."""
    whole = bytearray(
        request(
            {
                "labels": {"__name__": "a", "job": "x"},
                "samples": [(T0, 1.0)],
                "exemplars": [({"t": "1"}, 2.0, T0)],
                "histograms": [histogram()],
            }
        )
    )
    if noise:
        whole[at % len(whole) : at % len(whole) + len(noise) // 2] = noise
    else:
        whole[at % len(whole)] = byte
    try:
        columns = decode_v2(bytes(whole), KEY)
    except InvalidInputError:
        return
    try:
        theirs = M["Request"].FromString(bytes(whole))
    except DecodeError as error:
        raise AssertionError("protobuf does not take it") from error
    samples = [sample.timestamp for one in theirs.timeseries for sample in one.samples]
    assert columns.timestamps_ms.tolist() == samples
    histograms = [found.timestamp for one in theirs.timeseries for found in one.histograms]
    assert columns.histogram_times_ms.tolist() == histograms
    assert len(columns.keys) == len(theirs.timeseries)


def histogram(**changes: Any) -> Any:
    """Return a small integer histogram."""
    span = M["BucketSpan"]
    whole = {
        "count_int": 12,
        "sum": 18.4,
        "schema": 1,
        "zero_threshold": 0.001,
        "zero_count_int": 2,
        "positive_spans": [span(offset=0, length=2), span(offset=1, length=2)],
        "positive_deltas": [1, 1, -1, 0],
        "negative_spans": [span(offset=-3, length=1)],
        "negative_deltas": [5],
        "timestamp": T0,
    }
    return M["Histogram"](**{**whole, **changes})


def read(*histograms: Any) -> tuple[list[int], Histograms]:
    """Read *histograms* from their bytes."""
    parts = [one.SerializeToString() for one in histograms]
    ends = np.cumsum([0, *map(len, parts)])
    spans = np.stack((ends[:-1], ends[1:]), axis=1)
    times_ms, _, found = read_histograms(np.frombuffer(b"".join(parts), dtype=np.uint8), spans)
    return times_ms.tolist(), found


def buckets(side: Any, row: int) -> dict[int, float]:
    """Return the buckets of one side of histogram *row*."""
    places = range(side.offsets[row], side.offsets[row + 1])
    return {int(side.index[place]): float(side.count[place]) for place in places}


def test_integer_and_float_histograms_become_columns() -> None:
    """Spans and deltas become indices and counts; several in one go."""
    span = M["BucketSpan"]
    floats = M["Histogram"](
        count_float=3.5,
        zero_count_float=0.5,
        sum=-1.0,
        schema=-4,
        positive_spans=[span(offset=-2, length=1), span(offset=0, length=1)],
        positive_counts=[1.0, 2.0],
        reset_hint=3,
        timestamp=T0 + 1,
    )
    custom = M["Histogram"](
        count_int=6,
        sum=9.0,
        schema=-53,
        custom_values=[0.5, 1.0],
        positive_spans=[span(offset=0, length=3)],
        positive_deltas=[1, 1, 1],
        timestamp=T0 + 2,
    )
    times_ms, found = read(histogram(), floats, custom)
    assert times_ms == [T0, T0 + 1, T0 + 2]
    assert buckets(found.positive, 0) == {0: 1, 1: 2, 3: 1, 4: 1}
    assert buckets(found.negative, 0) == {-3: 5}
    assert buckets(found.positive, 1) == {-2: 1, -1: 2}
    assert buckets(found.positive, 2) == {0: 1, 1: 2, 2: 3}
    assert found.count.tolist() == [12, 3.5, 6]
    assert found.zero_count.tolist() == [2, 0.5, 0]
    assert found.zero_threshold.tolist() == [0.001, 0, 0]
    assert found.schema.tolist() == [1, -4, -53]
    assert found.reset_hint.tolist() == [ResetHint.UNKNOWN, ResetHint.GAUGE, ResetHint.UNKNOWN]
    assert found.bounds.offsets.tolist() == [0, 0, 0, 2]
    assert found.bounds.values.tolist() == [0.5, 1.0]


def test_a_stale_histogram_is_one() -> None:
    """It is a marker in the sum, and has nothing else."""
    _, found = read(M["Histogram"](sum=STALE_NAN, timestamp=T0))
    assert found.stale.tolist() == [True]


def test_a_resolution_beyond_prometheus_is_reduced() -> None:
    """Schema 9 and more become 8."""
    _, found = read(histogram(schema=9, count_int=7, negative_spans=[], negative_deltas=[]))
    assert found.schema.tolist() == [8]
    assert sum(buckets(found.positive, 0).values()) == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"positive_deltas": [1]}, "other numbers of buckets"),
        ({"positive_deltas": [1] * 5}, "other numbers of buckets"),
        ({"positive_counts": [1.0] * 4}, "other numbers of buckets"),
        ({"negative_spans": [M["BucketSpan"](length=2**32 - 1)]}, "other numbers of buckets"),
        ({"negative_spans": [M["BucketSpan"](offset=2**31 - 1, length=1)]}, "other numbers"),
        ({"positive_deltas": [-1, 1, 0, 0]}, "negative count"),
        ({"schema": 60}, "schema outside"),
        ({"schema": -2_000_000_000}, "schema outside"),
        ({"reset_hint": 77}, "reset hint"),
        ({"zero_threshold": float("nan")}, "zero threshold"),
        ({"custom_values": [1.0]}, "custom bounds"),
        ({"count_int": 11}, "histogram 1: its count is not the sum of its buckets"),
        ({"count_int": 13}, "not the sum of its buckets"),
        ({"zero_count_int": 3}, "not the sum of its buckets"),
        ({"positive_deltas": [1, 1, -1, 1]}, "not the sum of its buckets"),
        ({"negative_deltas": [2**62]}, "not the sum of its buckets"),
        ({"count_int": 11, "sum": float("nan")}, "not the sum of its buckets"),
        ({"timestamp": 4_102_444_800_000}, "Unix milliseconds"),
    ],
)
def test_a_bad_histogram_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    """Each fault by name, among good ones."""
    with pytest.raises(InvalidInputError, match=reason):
        read(histogram(), histogram(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"count_int": 13, "sum": float("nan")},
        {"count_float": 40.0, "positive_counts": [1.0] * 4, "positive_deltas": []}
        | {"negative_counts": [1.0], "negative_deltas": []},
        {"sum": STALE_NAN, "count_int": 0, "zero_count_int": 0}
        | {"positive_spans": [], "positive_deltas": []}
        | {"negative_spans": [], "negative_deltas": []},
    ],
    ids=["NaN observed", "of floats", "stale"],
)
def test_counts_that_need_not_add_up(changes: dict[str, Any]) -> None:
    """NaN is in no bucket, sums of floats are rounded, and a stale marker has nothing."""
    times_ms, _ = read(histogram(**changes))
    assert times_ms == [T0]


_sides = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    positive=_sides,
    negative=_sides,
    data=st.data(),
    is_float=st.booleans(),
    schema=st.integers(-4, 8),
    total=st.floats(allow_nan=False),
    unpacked=st.booleans(),
)
def test_any_histogram_is_read_as_protobuf_reads_it(
    *,
    positive: list[tuple[int, int]],
    negative: list[tuple[int, int]],
    data: st.DataObject,
    is_float: bool,
    schema: int,
    total: float,
    unpacked: bool,
) -> None:
    """Whatever its spans are, packed or not."""
    message = M["Histogram"](schema=schema, sum=total, timestamp=T0)
    expected: list[dict[int, float]] = []
    for side, spans in (("positive", positive), ("negative", negative)):
        index, wanted = -2, {}
        sizes = sum(length for _, length in spans)
        counts = data.draw(st.lists(st.integers(0, 2**40), min_size=sizes, max_size=sizes))
        rest = iter(counts)
        for place, (gap, length) in enumerate(spans):
            offset = gap if place else gap - 2
            getattr(message, f"{side}_spans").add(offset=offset, length=length)
            index = index + gap if place else gap - 2
            for _ in range(length):
                wanted[index] = float(next(rest))
                index += 1
        if is_float:
            getattr(message, f"{side}_counts").extend(map(float, counts))
        else:
            getattr(message, f"{side}_deltas").extend(np.diff(counts, prepend=0).tolist())
        expected.append(wanted)
    if is_float:
        message.count_float = 7.5
    else:
        message.count_int = int(sum(sum(side.values()) for side in expected))
    body = message.SerializeToString()
    if unpacked and not is_float:
        deltas = list(message.positive_deltas)
        message.ClearField("positive_deltas")
        zigzag = [(delta << 1 ^ delta >> 63) & 2**64 - 1 for delta in deltas]
        loose = b"".join(b"\x60" + varint(number) for number in zigzag)
        body = loose + message.SerializeToString()
    spans_of = np.array([[0, len(body)]])
    times_ms, _, found = read_histograms(np.frombuffer(body, dtype=np.uint8), spans_of)
    assert times_ms.tolist() == [T0]
    assert buckets(found.positive, 0) == expected[0]
    assert buckets(found.negative, 0) == expected[1]
    assert found.sum.tolist() == [total]
    assert found.count.tolist() == [7.5 if is_float else message.count_int]


def test_version_1_has_exemplars_and_histograms_too() -> None:
    """Labels of exemplars stand in the message."""
    label = M["Label"]
    series = M["TimeSeriesV1"](
        labels=[label(name=b"__name__", value=b"h")],
        exemplars=[
            M["ExemplarV1"](
                labels=[label(name=b"trace_id", value=b"abc"), label(name=b"empty")],
                value=2.5,
                timestamp=T0,
            )
        ],
        histograms=[histogram()],
    )
    columns = decode_v1(M["WriteRequest"](timeseries=[series]).SerializeToString(), KEY)
    assert columns.exemplar_labels == ((("trace_id", "abc"),),)
    assert columns.exemplar_values.tolist() == [2.5]
    assert columns.histogram_times_ms.tolist() == [T0]
    assert buckets(columns.histograms.positive, 0) == {0: 1, 1: 2, 3: 1, 4: 1}


@pytest.mark.parametrize(
    ("exemplar", "reason"),
    [
        ({"labels": [{"name": b"a", "value": b"x" * 5000}]}, "more than 4,096 bytes"),
        ({"labels": [{"name": b"", "value": b"x"}]}, "empty label name"),
        ({"labels": [{"name": b"a", "value": b"\xff"}]}, "not valid UTF-8"),
        ({"timestamp": 2**62}, "Unix milliseconds"),
        ({"timestamp": -1}, "Unix milliseconds"),
    ],
)
def test_a_bad_exemplar_is_refused_with_its_reason(exemplar: dict[str, Any], reason: str) -> None:
    """Each fault by name."""
    series = M["TimeSeriesV1"](exemplars=[M["ExemplarV1"](**exemplar)])
    with pytest.raises(InvalidInputError, match=reason):
        decode_v1(M["WriteRequest"](timeseries=[series]).SerializeToString(), KEY)


def test_more_exemplars_than_anybody_sends_are_refused() -> None:
    """Two bytes each would keep the server busy for minutes."""
    series = delimited(1, b"\x1a\x00" * 100_001)
    with pytest.raises(LimitExceededError, match="100,001 exemplars, 100,000 allowed"):
        decode_v1(series, KEY)


def test_more_metadata_and_series_than_fit_are_refused() -> None:
    """Empty messages take two bytes, and many more once they are read."""
    with pytest.raises(LimitExceededError, match="messages of metadata"):
        decode_v1(b"\x1a\x00" * 200_001, KEY)
    with pytest.raises(LimitExceededError, match="4,000,001 series, 4,000,000 allowed"):
        decode_v1(b"\x0a\x00" * 4_000_001, KEY)
    with pytest.raises(LimitExceededError, match="samples"):
        decode_v1(delimited(1, b"\x12\x00" * 4_000_001), KEY)


def test_an_unpacked_reference_is_read() -> None:
    """Protobuf allows both ways to write a list of numbers."""
    text = b"".join(struct.pack("BB", 0x08, ref) for ref in (1, 2))
    body = M["Request"](symbols=[b"", b"__name__", b"up"]).SerializeToString()
    columns = decode_v2(body + delimited(5, text), KEY)
    assert label_texts(columns.senders.labels(np.array([0]))) == [[(b"__name__", b"up")]]


@pytest.mark.parametrize(("version", "empty"), [(1, b"\x0a\x00"), (2, b"\x2a\x00\x22\x00")])
def test_what_columns_take_is_known(version: int, empty: bytes) -> None:
    """A message of empty parts is short, and what waits for its commit must be bounded."""
    decode = (decode_v1, decode_v2)[version - 1]
    decode(empty, KEY)  # what a first call loads is not held by a message
    tracemalloc.start()
    try:
        columns = decode(empty * 10_000, KEY)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert columns.nbytes == pytest.approx(held, rel=0.5)


def test_labels_of_some_series_take_no_memory_for_all() -> None:
    """References are of one byte each, so that a message can have as many as it has bytes."""
    series = delimited(5, delimited(1, bytes(500)))
    columns = decode_v2(delimited(4, b"") + series * 2_000, KEY)
    tracemalloc.start()
    try:
        assert len(columns.senders.labels(np.array([0]))) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20


def everything(version: int) -> bytes:
    """Return a message with one of each: samples, a histogram, an exemplar, metadata, labels."""
    if version == 2:
        return request(
            {
                "labels": {"__name__": "up", "job": "api"},
                "samples": [(T0, 1.5)],
                "exemplars": [({"trace_id": "abc"}, 0.25, T0)],
                "histograms": [histogram()],
                "metadata": (1, "Requests.", "s"),
                "created": T0 - 1,
            }
        )
    name = M["Label"](name=b"__name__", value=b"up")
    series = M["TimeSeriesV1"](
        labels=[name],
        exemplars=[M["ExemplarV1"](labels=[name], value=2.5, timestamp=T0)],
        histograms=[histogram()],
    )
    family = delimited(3, b"\x08\x01" + delimited(2, b"up") + delimited(4, b"Requests."))
    return bytes(M["WriteRequest"](timeseries=[series]).SerializeToString()) + family


@pytest.mark.parametrize("version", [1, 2])
def test_columns_outlive_the_memory_that_they_were_read_from(version: int) -> None:
    """The memory is lent: the next message is unpacked to it while these columns wait."""
    message = everything(version)
    lent, decode = bytearray(message), (decode_v1, decode_v2)[version - 1]
    kept, columns = (
        decode(message, KEY),
        decode(memoryview(lent).toreadonly(), KEY, lambda: message),
    )
    lent[:] = bytes(len(lent))
    for field in dataclasses.fields(WriteColumns):
        if field.name not in {"senders", "metadata"}:
            assert repr(getattr(columns, field.name)) == repr(getattr(kept, field.name)), field.name
    one = np.array([0])
    assert label_texts(columns.senders.labels(one)) == label_texts(kept.senders.labels(one))
    if version == 2:
        assert columns.metadata is not None
        assert columns.metadata(0) == (1, b"Requests.", b"s")

"""Remote write messages as columns, held against a slow and obvious reader, and protobuf's own."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.label_texts import label_texts
from veriscope.signals import InvalidInputError, SampleBatch, to_labels
from veriscope.wire import remote_write
from veriscope.wire import remote_write_kernels as kernels
from veriscope.wire.protobuf_fields import delimited, varint
from veriscope.wire.remote_write_v1 import Walked, decode_v1, labels_of, walk

KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
T0 = 1_700_000_000_000


class NotAMessageError(Exception):
    """The slow reader does not take it."""


def read_varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at* and where it ends."""
    number = 0
    for place, byte in enumerate(message[at : at + 10]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if number >= 2**64:
                raise NotAMessageError
            return number, at + place + 1
    raise NotAMessageError


def fields(message: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield number, wire type and content of each field."""
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            content, at = read_varint(message, at)
        else:
            if wire == 2:
                size, at = read_varint(message, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise NotAMessageError
            content, at = message[at : at + size], at + size
        if number == 0 or tag >= 2**32 or at > len(message):
            raise NotAMessageError
        yield number, wire, content


def expect(wanted: dict[int, int], number: int, wire: int) -> None:
    """Refuse a known field of another wire type."""
    if wanted.get(number, wire) != wire:
        raise NotAMessageError


def slowly(message: bytes) -> tuple[list[Any], list[bytes]]:
    """Return series (raw labels, samples, exemplars, histograms) and metadata of *message*."""
    series, metadata = [], []
    for number, wire, content in fields(message):
        expect({1: 2, 3: 2}, number, wire)
        if number == 1:
            series.append(slow_series(content))
        elif number == 3:
            metadata.append(content)
    return series, metadata


def slow_series(message: bytes) -> Any:
    """Return one series."""
    parts: dict[int, list[Any]] = {1: [], 2: [], 3: [], 4: []}
    for number, wire, content in fields(message):
        expect({1: 2, 2: 2, 3: 2, 4: 2}, number, wire)
        if number in parts:
            parts[number].append(content)
    return parts[1], [slow_sample(sample) for sample in parts[2]], parts[3], parts[4]


def slow_sample(message: bytes) -> tuple[bytes, int]:
    """Return the bits of the value, and the time."""
    value, time = bytes(8), 0
    for number, wire, content in fields(message):
        expect({1: 1, 2: 0}, number, wire)
        if number == 1:
            value = content
        elif number == 2:
            time = content if content < 2**63 else content - 2**64
    return value, time


def slow_label(message: bytes) -> tuple[bytes, bytes]:
    """Return name and value."""
    pair = {1: b"", 2: b""}
    for number, wire, content in fields(message):
        expect({1: 2, 2: 2}, number, wire)
        if number in pair:
            pair[number] = content
    return pair[1], pair[2]


def in_columns(message: bytes, walked: Walked) -> tuple[list[Any], list[bytes]]:
    """Return what was *walked* over as `slowly` does, the labels left out."""
    exemplars, histograms = walked.counts[kernels.EXEMPLARS], walked.counts[kernels.HISTOGRAMS]

    def of(owners: Any, contents: list[Any]) -> list[list[Any]]:
        both = list(zip(owners.tolist(), contents, strict=True))
        return [
            [content for owner, content in both if owner == place]
            for place in range(len(walked.keys))
        ]

    def cut(spans: Any) -> list[bytes]:
        return [message[start:end] for start, end in spans.tolist()]

    bits = [walked.bits[place : place + 1].tobytes() for place in range(len(walked.bits))]
    samples = of(walked.sample_series, list(zip(bits, walked.times_ms.tolist(), strict=True)))
    first = of(walked.point_series[0, :exemplars], cut(walked.points[0, :exemplars]))
    second = of(walked.point_series[1, :histograms], cut(walked.points[1, :histograms]))
    return list(zip(samples, first, second, strict=True)), cut(walked.metadata)


def agree(message: bytes) -> None:
    """Hold the columns of *message* against the slow reader's, refusals included."""
    try:
        series, metadata = slowly(message)
    except NotAMessageError:
        with pytest.raises(InvalidInputError, match="not a well-formed"):
            walk(message, KEY)
        return
    times = [time for _, samples, _, _ in series for _, time in samples]
    if any(not 0 <= time < 4_102_444_800_000 for time in times):
        with pytest.raises(InvalidInputError, match="Unix milliseconds"):
            decode_v1(message, KEY)
        return
    if not series and not metadata:
        with pytest.raises(InvalidInputError, match="not a WriteRequest"):
            decode_v1(message, KEY)
        return
    walked = walk(message, KEY)
    assert in_columns(message, walked) == ([each[1:] for each in series], metadata)
    for place, (raw, *_) in enumerate(series):
        spans = walked.series[place : place + 1]
        try:
            labels = [slow_label(label) for label in raw]
        except NotAMessageError:
            with pytest.raises(InvalidInputError):
                labels_of(message, spans)
        else:
            assert label_texts(labels_of(message, spans)) == [labels]


_unknown = st.one_of(
    st.builds(
        lambda n, v: varint(n << 3) + varint(v),
        st.integers(9, 99),
        st.integers(0, 2**64 - 1),
    ),
    st.builds(
        lambda n, v: varint(n << 3 | 1) + v,
        st.integers(9, 99),
        st.binary(min_size=8, max_size=8),
    ),
    st.builds(
        lambda n, v: varint(n << 3 | 5) + v,
        st.integers(9, 99),
        st.binary(min_size=4, max_size=4),
    ),
    st.builds(delimited, st.integers(9, 99), st.binary(max_size=9)),
)


def _mixed(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(st.one_of(*parts, _unknown), max_size=6).map(b"".join)


_label = _mixed(
    st.builds(delimited, st.just(1), st.binary(max_size=12)),
    st.builds(delimited, st.just(2), st.binary(max_size=12)),
)
_sample = _mixed(
    st.builds(lambda bits: b"\x09" + bits, st.binary(min_size=8, max_size=8)),
    st.builds(lambda time: b"\x10" + varint(time), st.integers(0, 2 * T0)),
)
_series = _mixed(
    st.builds(delimited, st.just(1), _label),
    st.builds(delimited, st.just(2), _sample),
    st.builds(delimited, st.integers(3, 4), st.binary(max_size=12)),
)
_messages = _mixed(
    st.builds(delimited, st.just(1), _series),
    st.builds(delimited, st.just(3), st.binary(max_size=12)),
)


@settings(max_examples=400, deadline=None)
@given(_messages)
def test_a_message_is_read_as_the_slow_reader_does(message: bytes) -> None:
    """Fields in any order, given twice, left out, and of numbers that nobody knows."""
    agree(message)


@settings(max_examples=400, deadline=None)
@given(_messages, st.randoms(use_true_random=False))
def test_a_mutated_message_is_refused_or_read_alike(message: bytes, chance: random.Random) -> None:
    """Bytes changed, lost, doubled or made endless: the same verdict, and never past the end."""
    out = bytearray(message)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(5):
            case 0:
                out[at : at + 1] = chance.randbytes(1)
            case 1:
                del out[at : at + chance.randint(1, 10)]
            case 2:
                out[at:at] = chance.randbytes(chance.randint(1, 12))
            case 3:
                out[at:at] = b"\xff" * chance.randint(1, 10)
            case _:
                del out[at:]
    agree(bytes(out))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_noise_is_refused_or_read_alike(message: bytes) -> None:
    """Any bytes have an answer."""
    agree(message)


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x0a" + b"\xff" * 12,
        b"\x08\x01",
        b"\x1b\x1c",
        b"\x0a\x02\x0b\x0c",
        b"\x0a\x02\x10\x01",
        b"\x0a\x03\x12\x01\x09",
        b"\x0a\x0b\x12\x09\x0d\x00\x00\x00\x00\x10\x01\x10\x01",
        b"\x02\x00",
        b"\x80\x80\x80\x80\x10\x00",
    ],
    ids=[
        "no length",
        "short",
        "length of 2^64 - 1",
        "length of 2^62",
        "endless length",
        "series as varint",
        "group",
        "group in series",
        "sample as varint",
        "short value",
        "value of 32 bits",
        "field zero",
        "tag over 32 bits",
    ],
)
def test_a_malformed_message_is_refused(message: bytes) -> None:
    """Each way to be malformed, by name."""
    with pytest.raises(InvalidInputError, match="not a well-formed protobuf"):
        decode_v1(message, KEY)


def write_request() -> Any:
    """Return `prometheus.WriteRequest` for protobuf's own reader, its strings as bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="write.proto", package="t", syntax="proto3")
    kinds = {"double": 1, "int64": 3, "int32": 5, "bytes": 12}

    def add(name: str, *columns: tuple[str, int, str, bool]) -> None:
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in columns:
            message.field.add(
                name=field,
                number=number,
                label=3 if repeated else 1,
                type=kinds.get(kind, 11),
                type_name=None if kind in kinds else f".t.{kind}",
            )

    add("Label", ("name", 1, "bytes", False), ("value", 2, "bytes", False))
    add("Sample", ("value", 1, "double", False), ("timestamp", 2, "int64", False))
    add(
        "TimeSeries",
        ("labels", 1, "Label", True),
        ("samples", 2, "Sample", True),
        ("exemplars", 3, "bytes", True),
        ("histograms", 4, "bytes", True),
    )
    add("WriteRequest", ("timeseries", 1, "TimeSeries", True), ("metadata", 3, "bytes", True))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.WriteRequest"))


WriteRequest = write_request()


@settings(max_examples=300, deadline=None)
@given(_messages)
def test_what_is_read_is_what_protobuf_reads(message: bytes) -> None:
    """Whatever is accepted, protobuf's own reader accepts, and finds the same in it."""
    try:
        walked = walk(message, KEY)
        labels = label_texts(labels_of(message, walked.series))
    except InvalidInputError:
        return
    try:
        theirs = WriteRequest.FromString(message)
    except DecodeError as error:
        raise AssertionError("protobuf does not take it") from error
    assert labels == [[(pair.name, pair.value) for pair in one.labels] for one in theirs.timeseries]
    values = [sample for one in theirs.timeseries for sample in one.samples]
    assert walked.times_ms.tolist() == [sample.timestamp for sample in values]
    found = walked.bits.view(np.float64)
    np.testing.assert_array_equal(found, [sample.value for sample in values])


def test_what_a_sender_encodes_is_read() -> None:
    """Our own sender's messages, labels, bits of values and metadata included."""
    labels = tuple(to_labels({"__name__": "m", "i": str(i)}) for i in range(50))
    values = np.random.default_rng(1).integers(0, 2**64 - 1, 50, dtype=np.uint64).view(np.float64)
    columns = decode_v1(remote_write.encode(SampleBatch.at(labels, values, T0)), KEY)
    assert columns.values.view(np.uint64).tolist() == values.view(np.uint64).tolist()
    assert columns.series.tolist() == list(range(50))
    found = [
        tuple((name.decode(), value.decode()) for name, value in one)
        for one in label_texts(columns.senders.labels(np.arange(50)))
    ]
    assert tuple(found) == labels


def one_series(*parts: bytes) -> bytes:
    """Return a message of one series with a sample."""
    return delimited(1, b"".join(parts) + delimited(2, b"\x10" + varint(T0)))


NAME, JOB = (
    delimited(1, delimited(1, a) + delimited(2, b))
    for a, b in ((b"__name__", b"m"), (b"job", b"j"))
)


def key_of(message: bytes, key: tuple[int, int] = KEY) -> tuple[int, int]:
    """Return the key of the only series."""
    low, high = decode_v1(message, key).keys[0].tolist()
    return low, high


def test_a_series_is_known_by_its_label_bytes_alone() -> None:
    """Its samples do not matter, its label bytes all do, and so does the secret."""
    known = key_of(one_series(NAME, JOB))
    assert known != (0, 0)
    assert key_of(one_series(NAME, JOB, delimited(2, b"\x10\x05"))) == known
    assert key_of(one_series(JOB, NAME)) != known
    assert key_of(one_series(NAME, JOB), (1, 2)) != known


def test_labels_that_do_not_stand_together_have_no_key() -> None:
    """Two ways to cut the same bytes cannot be made to look like one."""
    assert key_of(one_series(NAME, delimited(2, b""), JOB)) == (0, 0)
    assert key_of(one_series()) == (0, 0)

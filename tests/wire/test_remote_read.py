"""Remote read: what is written is what a slow, obvious reader finds in it."""

import struct

import cramjam
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.remote_read_answers import fields, labels_of, read_frames
from veriscope.signals import (
    STALE_NAN,
    InvalidInputError,
    LimitExceededError,
    Matcher,
    MatchOp,
    RaggedSamples,
    to_labels,
)
from veriscope.wire import remote_read
from veriscope.wire.protobuf_fields import delimited, varint
from veriscope.wire.remote_read import ReadQuery, ResponseType, decode_request

T0 = 1_700_000_000_000


def ragged(*series: list[tuple[int, float]]) -> RaggedSamples:
    """Return samples, one row for each list."""
    labels = [to_labels({"__name__": "m", "n": str(row)}) for row in range(len(series))]
    flat = [sample for samples in series for sample in samples]
    ends = np.cumsum([0, *map(len, series)])
    times = np.array([time for time, _ in flat], dtype=np.int64)
    return RaggedSamples.of(
        labels, ends, times, np.array([value for _, value in flat], dtype=float)
    )


VALUES = st.one_of(
    st.floats(width=64), st.integers(-1000, 1000).map(float), st.just(STALE_NAN), st.just(1.5)
)
TIMES = st.lists(
    st.one_of(st.integers(1, 100), st.just(15_000), st.integers(1, 10_000_000)), max_size=300
)


@given(TIMES, st.data())
@settings(max_examples=60, deadline=None)
def test_chunks_hold_every_sample_bit_by_bit(gaps: list[int], data: st.DataObject) -> None:
    """In chunks of up to 120 samples, whatever the times and values are."""
    times = (T0 + np.cumsum(gaps)).astype(int).tolist()
    values = data.draw(st.lists(VALUES, min_size=len(times), max_size=len(times)))
    samples = ragged(list(zip(times, values, strict=True)))
    frames = b"".join(remote_read.chunk_frames(samples, samples.labels, 0))
    found = list(read_frames(frames))
    if not times:
        assert not found
        return
    [(query, labels, chunks)] = found
    assert (query, labels) == (0, samples.labels[0])
    assert all(len(chunk) <= 120 for chunk in chunks)
    expected = [(time, struct.pack("<d", value)) for time, value in zip(times, values, strict=True)]
    assert [sample for chunk in chunks for sample in chunk] == expected


@pytest.mark.parametrize("change", [-8191, 8192, -8192, 8193, -65535, 65536, -65536, 65537,
                                    -524287, 524288, -524288, 524289])  # fmt: skip
def test_each_width_of_a_time_s_change_is_read_back(change: int) -> None:
    """The bounds of every width, and what lies just beyond them."""
    first = 1_000_000
    times = [T0, T0 + first, T0 + first + first + change]
    samples = ragged([(time, 1.0) for time in times])
    [(_, _, [chunk])] = read_frames(b"".join(remote_read.chunk_frames(samples, samples.labels, 0)))
    assert [time for time, _ in chunk] == times


def test_each_series_has_frames_of_its_own() -> None:
    """A reader takes one series from a frame; queries after the first are numbered."""
    samples = ragged([(T0, 1.0)], [], [(T0, 2.0), (T0 + 1, 3.0)])
    found = list(read_frames(b"".join(remote_read.chunk_frames(samples, samples.labels, 3))))
    assert [(query, labels) for query, labels, _ in found] == [
        (3, samples.labels[0]),
        (3, samples.labels[2]),
    ]


def test_a_long_series_is_cut_into_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between chunks, so that no frame is much larger than it should be."""
    monkeypatch.setattr(remote_read, "FRAME_BYTES", 5_000)
    values = np.random.default_rng(1).normal(size=3_000).tolist()
    series = [(T0 + place * 15_000, value) for place, value in enumerate(values)]
    samples = ragged(series, series)
    frames = list(remote_read.chunk_frames(samples, samples.labels, 0))
    assert len(frames) > 6
    assert max(map(len, frames)) < 5_100
    found = list(read_frames(b"".join(frames)))
    for row in (0, 1):
        parts = [chunks for _, labels, chunks in found if labels == samples.labels[row]]
        times = [time for chunks in parts for chunk in chunks for time, _ in chunk]
        assert times == [time for time, _ in series]


def test_many_samples_are_written_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row whole and in its place."""
    monkeypatch.setattr(remote_read, "_ROWS_AT_ONCE", 10)
    rows = [[(T0 + place, float(row)) for place in range(row)] for row in range(12)]
    samples = ragged(*rows)
    found = list(read_frames(b"".join(remote_read.chunk_frames(samples, samples.labels, 0))))
    assert [labels for _, labels, _ in found] == list(samples.labels[1:])
    series = [dict(fields(part))[1] for part in remote_read.samples_of(samples, samples.labels)]
    assert [sum(number == 2 for number, _ in fields(each)) for each in series] == list(range(12))


@given(st.lists(st.tuples(st.integers(0, 2**41), VALUES), max_size=20))
@example([(0, -0.0)])
@settings(max_examples=50, deadline=None)
def test_samples_are_written_bit_by_bit(series: list[tuple[int, float]]) -> None:
    """Times and values as they are, stale markers included."""
    samples = ragged(series)
    [field] = remote_read.samples_of(samples, samples.labels)
    parts = list(fields(dict(fields(field))[1]))
    found = [dict(fields(value)) for number, value in parts if number == 2]
    bits = [(sample[2], struct.pack("<d", sample[1])) for sample in found]
    assert bits == [(time, struct.pack("<d", value)) for time, value in series]
    assert labels_of([value for number, value in parts if number == 1]) == samples.labels[0]


def request(*parts: bytes) -> bytes:
    """Return a compressed message."""
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def test_a_request_is_read_with_its_matchers_and_hints() -> None:
    """Hints narrow the time; of response types the first known one counts."""
    matcher = delimited(3, b"\x08\x02" + delimited(2, b"job") + delimited(3, b"a.*"))
    hints = delimited(4, b"\x18" + varint(T0 + 5) + b"\x20" + varint(T0 + 90))
    query = delimited(1, b"\x08" + varint(T0) + b"\x10" + varint(T0 + 100) + matcher + hints)
    found = decode_request(request(query, b"\x10\x07", b"\x10\x01"))
    assert found.queries == (ReadQuery((Matcher("job", MatchOp.REGEX, "a.*"),), T0 + 5, T0 + 90),)
    assert found.response_type() is ResponseType.STREAMED_XOR_CHUNKS
    assert decode_request(request(query)).response_type() is ResponseType.SAMPLES
    with pytest.raises(InvalidInputError, match="does not support"):
        decode_request(request(b"\x12\x02\x07\x08")).response_type()


def test_a_request_for_series_alone_is_known() -> None:
    """Prometheus says so in the hints."""
    query = delimited(1, b"\x08\x01\x10\x02" + delimited(4, delimited(2, b"series")))
    assert decode_request(request(query)).queries == (ReadQuery((), 1, 2, only_labels=True),)


@pytest.mark.parametrize(
    "body",
    [
        b"not snappy",
        b"",
        request(b"\x0a\x7f"),
        request(b"\xff" * 11),
        request(delimited(1, delimited(3, b"\x08\x09"))),
        request(delimited(1, delimited(3, delimited(2, b"\xff")))),
    ],
    ids=["plain", "empty", "cut short", "bad varint", "bad matcher", "not UTF-8"],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """With a reason, and nothing else happens."""
    with pytest.raises(InvalidInputError):
        decode_request(body)


def test_a_request_that_unpacks_to_too_much_is_not_unpacked() -> None:
    """Its head says how much it would be."""
    with pytest.raises(LimitExceededError, match="33,554,432 allowed"):
        decode_request(varint(40 << 20) + b"\x00")

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.signals import MetricType, to_labels
from veriscope.wire.exposition import ExpositionError, MetricFamily, SeriesTable, parse_protobuf


def frame(*families: Any) -> bytes:
    """Write each family after its length."""
    body = b""
    for family in families:
        data = family.SerializeToString()
        length = len(data)
        while length >= 128:
            body += bytes([length & 127 | 128])
            length >>= 7
        body += bytes([length]) + data
    return body


def read(body: bytes) -> dict[str, float]:
    """Return the samples by their labels, written in one line."""
    table = SeriesTable()
    found = parse_protobuf(body, table)
    again = parse_protobuf(body, table)
    assert again.series.tolist() == found.series.tolist()
    return {
        ",".join(f"{name}={value}" for name, value in to_labels(table.labels[row])): number
        for row, number in zip(found.series, found.values.tolist(), strict=True)
    }


def classic() -> Any:
    """Return a histogram with one bucket, another label and a timestamp."""
    family = MetricFamily(name="h", type=4, help="text", unit="seconds")
    metric = family.metric.add(timestamp_ms=5)
    metric.label.add(name="k", value="v" * 200)
    metric.histogram.sample_count = 3
    metric.histogram.sample_sum = 1.5
    metric.histogram.bucket.add(upper_bound=1, cumulative_count=2)
    return family


def test_classic_histogram() -> None:
    """Buckets, sum and count come out, with the last bucket that the format leaves out."""
    long = "v" * 200
    assert read(frame(classic())) == {
        f"__name__=h_count,k={long}": 3,
        f"__name__=h_sum,k={long}": 1.5,
        f"__name__=h_bucket,k={long},le=1.0": 2,
        f"__name__=h_bucket,k={long},le=+Inf": 3,
    }
    found = parse_protobuf(frame(classic()), SeriesTable())
    assert found.timestamps_ms is not None
    assert set(found.timestamps_ms.tolist()) == {5}
    assert found.metadata[0].type is MetricType.HISTOGRAM
    assert found.metadata[0].unit == "seconds"


def test_native_histogram_gives_count_and_sum() -> None:
    """A histogram with native buckets alone keeps what classic series can say."""
    family = MetricFamily(name="h", type=4)
    metric = family.metric.add()
    metric.histogram.sample_count_float = 2.5
    metric.histogram.positive_span.add(offset=1, length=2)
    assert read(frame(family)) == {"__name__=h_count": 2.5, "__name__=h_sum": 0}


def test_simple_types_and_summary() -> None:
    """Counter, gauge, untyped and summary have their samples."""
    families = [MetricFamily(name=name, type=kind) for name, kind in
                [("c", 0), ("g", 1), ("u", 3), ("s", 2)]]  # fmt: skip
    families[0].metric.add().counter.value = 1
    families[1].metric.add().gauge.value = math.inf
    families[2].metric.add().untyped.value = 3
    summary = families[3].metric.add().summary
    summary.sample_count, summary.sample_sum = 4, 5
    summary.quantile.add(quantile=0.5, value=6)
    assert read(frame(*families)) == {
        "__name__=c": 1,
        "__name__=g": math.inf,
        "__name__=u": 3,
        "__name__=s_count": 4,
        "__name__=s_sum": 5,
        "__name__=s,quantile=0.5": 6,
    }


@given(st.binary(), st.integers(0, 400))
def test_any_bytes_parse_or_are_refused(noise: bytes, cut: int) -> None:
    """No input raises anything but the typed error."""
    for body in (noise, frame(classic())[:cut] + noise):
        with contextlib.suppress(ExpositionError):
            parse_protobuf(body, SeriesTable())


@pytest.mark.parametrize("body", [b"\xff" * 11, b"\x05ab", frame(MetricFamily(type=1))])
def test_broken_frames_are_refused(body: bytes) -> None:
    """A bad length, a cut message and a family without a name are errors."""
    with pytest.raises(ExpositionError):
        parse_protobuf(body, SeriesTable())

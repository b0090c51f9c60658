"""The kernels read what a slow, obvious reader reads, and never more than is there."""

import struct
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from veriscope.signals import InvalidInputError
from veriscope.wire.otlp.metrics import MetricDecoder, OtlpOptions

NOW = 1_790_000_000 * 10**9
TIMES = st.sampled_from([0, 1, 2**64 - 1, *(NOW + step * 10**9 for step in range(400))])
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 1.5, 1e300])
COUNTS = st.integers(0, 5) | st.sampled_from([2**53 + 1, 2**40])
VALUES = st.one_of(
    st.builds(AnyValue, string_value=st.sampled_from(["", "a", "b;c", "ü"])),
    st.builds(AnyValue, int_value=st.integers(-3, 3)),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.just(AnyValue()),
)
KEYS = st.sampled_from(["a", "a.b", "a_b", "1x", "_p", "", "__name__", "le", "service.name"])
ATTRIBUTES = st.lists(st.builds(KeyValue, key=KEYS, value=VALUES), max_size=3)
EXEMPLARS = st.lists(
    st.builds(
        Exemplar,
        time_unix_nano=TIMES,
        as_double=FLOATS,
        trace_id=st.sampled_from([b"", bytes(16), b"t" * 16, b"short"]),
        span_id=st.sampled_from([b"", bytes(8), b"s" * 8]),
        filtered_attributes=ATTRIBUTES,
    ),
    max_size=2,
)
HEAD = {
    "attributes": ATTRIBUTES,
    "time_unix_nano": TIMES,
    "start_time_unix_nano": TIMES,
    "flags": st.sampled_from([0, 0, 0, 1, 3]),
}
NUMBERS = st.one_of(
    st.builds(NumberDataPoint, as_double=FLOATS, exemplars=EXEMPLARS, **HEAD),
    st.builds(NumberDataPoint, as_int=st.integers(-(2**63), 2**63 - 1), **HEAD),
    st.builds(NumberDataPoint, **HEAD),
)


@st.composite
def histograms(draw: Any) -> HistogramDataPoint:
    """Draw a point of a histogram, mostly one whose buckets add up."""
    counts = draw(st.lists(COUNTS, max_size=5))
    bounds = sorted(draw(st.sets(st.sampled_from([0.0, 0.1, 1.0, 5.0, 1e22]), max_size=4)))
    point = HistogramDataPoint(
        bucket_counts=counts, explicit_bounds=bounds, **{k: draw(v) for k, v in HEAD.items()}
    )
    point.count = draw(st.just(sum(counts)) | COUNTS)
    if draw(st.booleans()):
        point.sum = draw(FLOATS)
    point.exemplars.extend(draw(EXEMPLARS))
    return point


@st.composite
def exponentials(draw: Any) -> ExponentialHistogramDataPoint:
    """Draw a point of an exponential histogram, mostly one whose buckets add up."""
    point = ExponentialHistogramDataPoint(
        scale=draw(st.integers(-5, 12)),
        zero_count=draw(st.integers(0, 3)),
        zero_threshold=draw(st.sampled_from([0.0, 1e-9])),
        **{k: draw(v) for k, v in HEAD.items()},
    )
    for side in (point.positive, point.negative):
        side.offset = draw(st.integers(-20, 20))
        side.bucket_counts.extend(draw(st.lists(st.integers(0, 300), max_size=12)))
    total = sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
    point.count = draw(st.just(total + point.zero_count) | st.integers(0, 9))
    if draw(st.booleans()):
        point.sum = draw(FLOATS)
    point.exemplars.extend(draw(EXEMPLARS))
    return point


SUMMARIES = st.builds(
    SummaryDataPoint,
    count=COUNTS,
    sum=FLOATS,
    quantile_values=st.lists(
        st.builds(
            SummaryDataPoint.ValueAtQuantile,
            quantile=st.sampled_from([0.0, 0.5, 0.99]),
            value=FLOATS,
        ),
        max_size=3,
        unique_by=lambda pair: pair.quantile,
    ),
    **HEAD,
)
TEMPORALITY = st.sampled_from([1, 2, 2, 0])
METRICS = st.builds(
    Metric,
    name=st.sampled_from(["m", "http.requests", "", "1st", "x_total"]),
    unit=st.sampled_from(["", "1", "s", "By/s", "{thing}"]),
    description=st.sampled_from(["", "What it is."]),
).flatmap(
    lambda metric: st.one_of(
        st.builds(Gauge, data_points=st.lists(NUMBERS, max_size=4)).map(lambda d: ("gauge", d)),
        st.builds(
            Sum,
            data_points=st.lists(NUMBERS, max_size=4),
            aggregation_temporality=TEMPORALITY,
            is_monotonic=st.booleans(),
        ).map(lambda d: ("sum", d)),
        st.builds(
            Histogram,
            data_points=st.lists(histograms(), max_size=4),
            aggregation_temporality=TEMPORALITY,
        ).map(lambda d: ("histogram", d)),
        st.builds(
            ExponentialHistogram,
            data_points=st.lists(exponentials(), max_size=3),
            aggregation_temporality=st.sampled_from([2, 2, 0]),
        ).map(lambda d: ("exponential_histogram", d)),
        st.builds(Summary, data_points=st.lists(SUMMARIES, max_size=3)).map(
            lambda d: ("summary", d)
        ),
    ).map(lambda pair: _with(metric, *pair))
)


def _with(metric: Metric, name: str, data: Any) -> Metric:
    made = Metric()
    made.CopyFrom(metric)
    getattr(made, name).CopyFrom(data)
    return made


REQUESTS = st.builds(
    ExportMetricsServiceRequest,
    resource_metrics=st.lists(
        st.builds(
            ResourceMetrics,
            resource=st.builds(
                Resource,
                attributes=st.lists(
                    st.builds(
                        KeyValue,
                        key=st.sampled_from(["service.name", "service.instance.id", "host", "a.b"]),
                        value=VALUES,
                    ),
                    max_size=3,
                ),
            ),
            scope_metrics=st.lists(
                st.builds(
                    ScopeMetrics,
                    scope=st.builds(
                        InstrumentationScope,
                        name=st.sampled_from(["", "lib"]),
                        version=st.sampled_from(["", "1"]),
                        attributes=ATTRIBUTES,
                    ),
                    schema_url=st.sampled_from(["", "https://schema"]),
                    metrics=st.lists(METRICS, max_size=4),
                ),
                max_size=2,
            ),
        ),
        max_size=2,
    ),
)
OPTIONS = st.builds(
    OtlpOptions,
    convert_histograms_to_nhcb=st.booleans(),
    promote_scope_metadata=st.booleans(),
    promote_all_resource_attributes=st.booleans(),
)
SLOW = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SLOW
@given(st.lists(REQUESTS, min_size=1, max_size=3), OPTIONS)
def test_requests_are_read_as_a_slow_reader_reads_them(
    read: Any, reference: Any, requests: list[ExportMetricsServiceRequest], options: OtlpOptions
) -> None:
    """Samples bit for bit, native histograms, exemplars, and which points are taken at all."""
    decoder, slow = MetricDecoder(options, key=b"k" * 16), reference(options)
    for request in requests:
        body = request.SerializeToString()
        if not body:
            continue
        assert read.of(decoder.decode(body)).less(slow.read(body)) == {}


@SLOW
@given(REQUESTS, st.data())
def test_malformed_bodies_are_refused_or_read_as_protobuf_reads_them(
    read: Any, reference: Any, request_: ExportMetricsServiceRequest, data: Any
) -> None:
    """Bytes that were changed, left out or cut off never read what is not there."""
    body = bytearray(request_.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        if body:
            place = data.draw(st.integers(0, len(body) - 1))
            how = data.draw(st.sampled_from(["change", "cut", "leave out", "put in"]))
            if how == "change":
                body[place] = data.draw(st.integers(0, 255))
            elif how == "cut":
                del body[place:]
            elif how == "leave out":
                del body[place]
            else:
                body.insert(place, data.draw(st.integers(0, 255)))
    message = bytes(body)
    decoder = MetricDecoder(OtlpOptions(), key=b"k" * 16)
    try:
        decoded = decoder.decode(message)
    except InvalidInputError:
        decoded = None
    try:
        parsed = ExportMetricsServiceRequest.FromString(message)
    except DecodeError:
        return
    parsed.DiscardUnknownFields()
    if decoded is None:
        assert not parsed.resource_metrics
        return
    deltas = any(
        metric.exponential_histogram.aggregation_temporality == 1
        for resource in parsed.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
    if message and not deltas:
        expected = reference(OtlpOptions()).read(parsed.SerializeToString())
        assert read.of(decoded).less(expected) == {}


@pytest.mark.parametrize(
    "spell",
    [
        lambda metric: metric + metric,
        lambda metric: metric + bytes.fromhex("2a00"),
        lambda metric: metric + bytes.fromhex("9a0600"),
    ],
    ids=["points-in-two-parts", "empty-gauge-behind", "unknown-field"],
)
def test_other_spellings_of_a_message_are_read_too(read: Any, reference: Any, spell: Any) -> None:
    """What encoders do not write, but protobuf allows, is read as protobuf reads it."""
    point = NumberDataPoint(time_unix_nano=NOW, as_double=1.5)
    metric = spell(Metric(name="m", gauge=Gauge(data_points=[point])).SerializeToString())
    scope = b"\x12" + struct.pack("B", len(metric)) + metric
    resource = b"\x12" + struct.pack("B", len(scope)) + scope
    body = b"\x0a" + struct.pack("B", len(resource)) + resource
    found = read.of(MetricDecoder(OtlpOptions(), key=bytes(16)).decode(body))
    assert found.less(reference(OtlpOptions()).read(body)) == {}
    assert found.points >= 1

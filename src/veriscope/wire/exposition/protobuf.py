"""The protobuf format: `io.prometheus.client.MetricFamily` messages, each after its length."""

import math
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from veriscope.signals import METRIC_NAME, MetricMetadata, MetricType
from veriscope.wire.exposition.columns import (
    Exposition,
    ExpositionError,
    SeriesTable,
    to_exposition,
)
from veriscope.wire.exposition.numbers import canonical_bound

_PACKAGE: Final = "io.prometheus.client"
_FIELDS: Final = {
    # Only what is read; protobuf skips the rest (exemplars, created timestamps).
    "LabelPair": "1 name string, 2 value string",
    "Gauge": "1 value double",
    "Counter": "1 value double",
    "Quantile": "1 quantile double, 2 value double",
    "Summary": "1 sample_count uint64, 2 sample_sum double, 3 quantile *Quantile",
    "Untyped": "1 value double",
    "Bucket": "1 cumulative_count uint64, 2 upper_bound double, 4 cumulative_count_float double",
    "BucketSpan": "1 offset sint32, 2 length uint32",
    "Histogram": (
        "1 sample_count uint64, 2 sample_sum double, 3 bucket *Bucket,"
        " 4 sample_count_float double, 6 zero_threshold double,"
        " 9 negative_span *BucketSpan, 12 positive_span *BucketSpan"
    ),
    "Metric": (
        "1 label *LabelPair, 2 gauge Gauge, 3 counter Counter, 4 summary Summary,"
        " 5 untyped Untyped, 6 timestamp_ms int64, 7 histogram Histogram"
    ),
    "MetricFamily": "1 name string, 2 help string, 3 type int32, 4 metric *Metric, 5 unit string",
}
_SCALARS: Final = {
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "sint32": descriptor_pb2.FieldDescriptorProto.TYPE_SINT32,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "uint32": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
}
_TYPES: Final = (
    MetricType.COUNTER,
    MetricType.GAUGE,
    MetricType.SUMMARY,
    MetricType.UNKNOWN,
    MetricType.HISTOGRAM,
    MetricType.GAUGE_HISTOGRAM,
)
_VALUE_FIELDS: Final = {
    MetricType.COUNTER: "counter",
    MetricType.GAUGE: "gauge",
    MetricType.UNKNOWN: "untyped",
}
_VARINT_BYTES: Final = 10
_LAST_BYTE: Final = 0x80


def _build_family_class() -> type[Any]:
    """Build the message class from `_FIELDS`, in a pool of its own so that no name can clash."""
    file = descriptor_pb2.FileDescriptorProto(
        name="veriscope/metrics.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for declaration in fields.split(","):
            number, field_name, kind = declaration.split()
            field = message.field.add(name=field_name, number=int(number), label=1)
            if kind.startswith("*"):
                field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind.removeprefix('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.MetricFamily"))


MetricFamily: Final = _build_family_class()
"""The class of `io.prometheus.client.MetricFamily`, trimmed to what is read here."""


def parse_protobuf(body: bytes, table: SeriesTable) -> Exposition:
    """
    Read delimited `MetricFamily` messages, adding the series that are new to *table*.

    A histogram gives its classic series; one that has native buckets only gives `_count` and
    `_sum`. Source: github.com/prometheus/client_model. Raises `ExpositionError`.
    """
    parse = _ProtobufParse(table)
    try:
        for family in _read_families(body):
            parse.add_family(family)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ExpositionError(f"not a MetricFamily message: {error}") from error
    return parse.finish()


def _read_families(body: bytes) -> Iterator[Any]:
    position = 0
    while position < len(body):
        length, position = _read_varint(body, position)
        if position + length > len(body):
            raise ExpositionError("the body ends within a MetricFamily message")
        yield MetricFamily.FromString(body[position : position + length])
        position += length


def _read_varint(body: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(body[position : position + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < _LAST_BYTE:
            return value, position + index + 1
    raise ExpositionError(f"no message length at byte {position}")


class _ProtobufParse:
    """One pass over the families of one body."""

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self._series: list[int] = []
        self._values: list[float] = []
        self._timestamps_ms: dict[int, int] = {}
        self._metadata: list[MetricMetadata] = []

    def finish(self) -> Exposition:
        if tuple(self._metadata) != self._table.metadata:
            self._table.metadata = tuple(self._metadata)
        return to_exposition(self._series, self._values, self._timestamps_ms, self._table.metadata)

    def add_family(self, family: Any) -> None:
        if not family.name:
            raise ExpositionError("a metric family has no name")
        if not 0 <= family.type < len(_TYPES):
            raise ExpositionError(f"{family.type} is not a metric type ({family.name})")
        kind = _TYPES[family.type]
        self._metadata.append(MetricMetadata(family.name, kind, family.help, family.unit))
        for metric in family.metric:
            for suffix, label, value in _samples(metric, kind):
                self._add(metric, family.name + suffix, label, value)

    def _add(self, metric: Any, name: str, extra: tuple[str, str] | None, value: float) -> None:
        pairs = [(METRIC_NAME, name), *((pair.name, pair.value) for pair in metric.label)]
        if extra is not None:
            pairs.append(extra)
        key = tuple(pairs)
        identifier = self._table.ids.get(key)
        if identifier is None:
            if len(dict(pairs)) != len(pairs) or not all(label for label, _ in pairs):
                raise ExpositionError(f"a label name is empty or given twice in {name}")
            identifier = self._table.add(key, tuple(sorted(pairs)))
        if metric.timestamp_ms:
            self._timestamps_ms[len(self._values)] = metric.timestamp_ms
        self._series.append(identifier)
        self._values.append(value)


def _samples(metric: Any, kind: MetricType) -> Iterator[tuple[str, tuple[str, str] | None, float]]:
    """Yield the name's suffix, the extra label and the value of each sample of *metric*."""
    field = _VALUE_FIELDS.get(kind)
    if field is not None:
        yield "", None, getattr(metric, field).value
    elif kind is MetricType.SUMMARY:
        yield "_count", None, float(metric.summary.sample_count)
        yield "_sum", None, metric.summary.sample_sum
        for item in metric.summary.quantile:
            yield "", ("quantile", canonical_bound(item.quantile)), item.value
    else:
        yield from _histogram_samples(metric.histogram)


def _histogram_samples(histogram: Any) -> Iterator[tuple[str, tuple[str, str] | None, float]]:
    count = float(histogram.sample_count or histogram.sample_count_float)
    yield "_count", None, count
    yield "_sum", None, histogram.sample_sum
    bound = 0.0
    for bucket in histogram.bucket:
        bound = bucket.upper_bound
        value = float(bucket.cumulative_count or bucket.cumulative_count_float)
        yield "_bucket", ("le", canonical_bound(bound)), value
    if bound != math.inf and (histogram.bucket or not _is_native(histogram)):
        yield "_bucket", ("le", "+Inf"), count


def _is_native(histogram: Any) -> bool:
    return bool(histogram.positive_span or histogram.negative_span or histogram.zero_threshold > 0)

"""A slow, obvious reader of OTLP metric requests, to compare the kernels with."""

import math
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from veriscope.signals import STALE_BITS, InvalidInputError, SampleBatch
from veriscope.signals.exemplars import ExemplarBatch
from veriscope.signals.histograms import HistogramBatch
from veriscope.wire.otlp.metrics import OtlpOptions
from veriscope.wire.otlp.metrics.labels import MetricHead, Translator
from veriscope.wire.otlp.metrics.names import Kind

END_NS = 4_102_444_800_000 * 1_000_000
KINDS = {
    "gauge": Kind.GAUGE,
    "sum": Kind.SUM,
    "histogram": Kind.HISTOGRAM,
    "exponential_histogram": Kind.EXPONENTIAL_HISTOGRAM,
    "summary": Kind.SUMMARY,
}


def bits(value: float) -> int:
    """Return the 64 bits of a float."""
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


class Read:
    """What was read: sorted lists of samples, native histograms and exemplars; points taken."""

    def __init__(self) -> None:
        self.samples: list[Any] = []
        self.histograms: list[Any] = []
        self.exemplars: list[Any] = []
        self.points = 0

    @classmethod
    def of(cls, decoded: Any) -> "Read":
        """Return what is in batches."""
        read = cls()
        read.points = decoded.points
        for batch in decoded.batches:
            for row in range(len(batch)):
                labels, time = batch.labels[batch.series[row]], int(batch.timestamps_ms[row])
                if isinstance(batch, SampleBatch):
                    read.samples.append((labels, time, bits(batch.values[row])))
                elif isinstance(batch, ExemplarBatch):
                    own = batch.exemplar_labels[row]
                    read.exemplars.append((labels, time, bits(batch.values[row]), own))
                else:
                    assert isinstance(batch, HistogramBatch)
                    read.histograms.append((labels, time, *shown(batch.values, row)))
        return read.sorted()

    def sorted(self) -> "Read":
        """Put everything in one order."""
        for part in (self.samples, self.histograms, self.exemplars):
            part.sort(key=repr)
        return self

    def less(self, other: "Read") -> dict[str, Any]:
        """Return what only one of both has, of each part."""
        found = {
            part: (
                Counter(map(repr, mine)) - Counter(map(repr, theirs)),
                Counter(map(repr, theirs)) - Counter(map(repr, mine)),
            )
            for part, mine, theirs in (
                (part, getattr(self, part), getattr(other, part))
                for part in ("samples", "histograms", "exemplars")
            )
            if mine != theirs
        }
        return (
            found
            if self.points == other.points
            else {**found, "points": (self.points, other.points)}
        )


def shown(values: Any, row: int) -> tuple[Any, ...]:
    """Return one native histogram as plain values."""

    def side(buckets: Any) -> dict[int, float]:
        own = slice(buckets.offsets[row], buckets.offsets[row + 1])
        return dict(zip(buckets.index[own].tolist(), buckets.count[own].tolist(), strict=True))

    bounds = values.bounds.values[values.bounds.offsets[row] : values.bounds.offsets[row + 1]]
    return (
        int(values.schema[row]),
        float(values.count[row]),
        bits(values.sum[row]),
        float(values.zero_threshold[row]),
        float(values.zero_count[row]),
        side(values.positive),
        side(values.negative),
        tuple(bounds.tolist()),
    )


class Reference:
    """Reads requests point by point; deltas of exponential histograms are not its business."""

    def __init__(self, options: OtlpOptions) -> None:
        self.translator = Translator(options)
        self.is_custom = options.convert_histograms_to_nhcb
        self.sums: dict[Any, list[float]] = {}
        self.heads: dict[Any, list[int]] = {}

    def read(self, body: bytes) -> Read:
        """Read a request."""
        read = Read()
        request = ExportMetricsServiceRequest.FromString(body)
        for resource_metrics in request.resource_metrics:
            times: list[int] = []
            try:
                resource = self.translator.resource(resource_metrics.resource.SerializeToString())
            except InvalidInputError:
                resource = None
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    if (name := metric.WhichOneof("data")) is not None:
                        self.metric(read, resource, scope_metrics, metric, name, times)
            if resource is not None and resource.info is not None and times:
                first, last = min(times) // 10**6, max(times) // 10**6
                for time in [*range(first, last, 150_000)[:1_000], last]:
                    read.samples.append((resource.info, time, bits(1.0)))
        return read.sorted()

    def metric(  # noqa: PLR0917 - what a loop would have in scope
        self, read: Read, resource: Any, scope_metrics: Any, metric: Any, name: str, times: Any
    ) -> None:
        """Read the points of a metric."""
        kind, data = KINDS[name], getattr(metric, name)
        temporality = getattr(data, "aggregation_temporality", 2)
        head = MetricHead(
            metric.name, metric.description, metric.unit, kind, getattr(data, "is_monotonic", False)
        )
        for point in data.data_points:
            if 0 < point.time_unix_nano < END_NS:
                times.append(point.time_unix_nano)
            if resource is None or temporality not in {1, 2}:
                continue
            try:
                series, _ = self.translator.series(
                    kind,
                    self.translator.metadata(head).name,
                    point.SerializeToString(),
                    resource,
                    self.translator.scope(
                        scope_metrics.scope.SerializeToString(), scope_metrics.schema_url.encode()
                    ),
                )
            except InvalidInputError:
                continue
            resets = kind is not Kind.SUM or head.is_monotonic
            self.point(read, kind, point, series, is_delta=temporality == 1, resets=resets)

    def point(  # noqa: C901 - one case after another, as they come
        self, read: Read, kind: Kind, point: Any, series: Any, *, is_delta: bool, resets: bool
    ) -> None:
        """Read one point."""
        if not 0 < point.time_unix_nano < END_NS:
            return
        time, stale = point.time_unix_nano // 10**6, bool(point.flags & 1)
        native = kind is Kind.EXPONENTIAL_HISTOGRAM or (kind is Kind.HISTOGRAM and self.is_custom)
        values = [] if native else list(self.values(kind, point))
        histogram = self.native(kind, point, stale=stale) if native else None
        if (native and histogram is None) or not (native or values or stale):
            return
        if stale:
            values = [struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]] * len(series)
        elif is_delta:
            counts = list(getattr(point, "bucket_counts", ()))
            shape = tuple(getattr(point, "explicit_bounds", ())) if native else ()
            numbers = [float(point.count), point.sum, *counts] if native else values
            summed = self.add((kind, series, len(numbers), shape), point, numbers, begins=resets)
            if summed is None:
                return
            values, zero = summed
            if zero and native:
                read.histograms.append((series[0], zero, -53, 0.0, 0, 0.0, 0.0, {}, {}, shape))
            elif zero:
                read.samples += [(labels, zero, 0) for labels in series]
            if native:
                found = {index: count for index, count in enumerate(values[2:]) if count}
                histogram = (-53, values[0], bits(values[1]), 0.0, 0.0, found, {}, shape)
        if histogram is not None:
            read.histograms.append((series[0], time, *histogram))
        else:
            for labels, value in zip(series, values, strict=True):
                read.samples.append((labels, time, bits(value)))
        read.points += 1
        self.exemplars(read, kind, point, series, time)

    def add(
        self, key: Any, point: Any, numbers: list[float], *, begins: bool
    ) -> tuple[list[float], int] | None:
        """Return the sums of deltas and when a zero is to be said (0: never); None: dropped."""
        start, zero = point.start_time_unix_nano, 0
        start = start if start < point.time_unix_nano else 0
        head = self.heads.get(key)
        if head is None:
            head = self.heads[key] = [start, 0]
            self.sums[key] = [0.0] * len(numbers)
            first = start // 10**6 + 1
            if begins and start and first < point.time_unix_nano // 10**6:
                zero = first
        elif 0 < start < head[0] or point.time_unix_nano < head[1]:
            return None
        if point.time_unix_nano > head[1]:
            head[1] = point.time_unix_nano
            self.sums[key] = [old + new for old, new in zip(self.sums[key], numbers, strict=True)]
        return self.sums[key], zero

    def values(self, kind: Kind, point: Any) -> Iterator[float]:
        """Return the values of a point's series."""
        if kind in {Kind.GAUGE, Kind.SUM}:
            if (name := point.WhichOneof("value")) is not None:
                yield float(getattr(point, name))
        elif kind is Kind.SUMMARY:
            yield from (float(point.count), point.sum)
            yield from (pair.value for pair in point.quantile_values)
        else:
            yield float(point.count)
            if point.HasField("sum"):
                yield point.sum
            total = 0
            for _, count in zip(point.explicit_bounds, point.bucket_counts, strict=False):
                total += count
                yield float(total)
            yield float(point.count)

    def native(  # noqa: C901, PLR0911 - as above
        self, kind: Kind, point: Any, *, stale: bool
    ) -> tuple[Any, ...] | None:
        """Return a native histogram; None where it is dropped."""
        is_nan = math.isnan(point.sum)
        if kind is Kind.HISTOGRAM:
            counts, bounds = list(point.bucket_counts), tuple(point.explicit_bounds)
            if stale:
                return (-53, 0.0, STALE_BITS, 0.0, 0.0, {}, {}, bounds)
            if counts and len(counts) != len(bounds) + 1:
                return None
            total = sum(counts)
            if total > point.count or (total < point.count and not is_nan):
                return None
            positive = {index: float(count) for index, count in enumerate(counts) if count}
            return (-53, float(point.count), bits(point.sum), 0.0, 0.0, positive, {}, bounds)
        if point.scale < -4:
            return None
        threshold = point.zero_threshold if point.zero_threshold > 0 else 1e-128
        schema = min(point.scale, 8)
        if stale:
            return (schema, 0.0, STALE_BITS, threshold, 0.0, {}, {}, ())
        sides = []
        for side in (point.positive, point.negative):
            found: dict[int, float] = defaultdict(float)
            for place, count in enumerate(side.bucket_counts):
                if count:
                    found[((side.offset + place) >> (point.scale - schema)) + 1] += count
            sides.append(dict(found))
        total = point.zero_count + int(sum(sides[0].values()) + sum(sides[1].values()))
        if total > point.count or (total < point.count and not is_nan):
            return None
        zero = float(point.zero_count)
        return (schema, float(point.count), bits(point.sum), threshold, zero, *sides, ())

    def exemplars(self, read: Read, kind: Kind, point: Any, series: Any, time: int) -> None:
        """Read the exemplars of a point."""
        for exemplar in getattr(point, "exemplars", ()):
            name = exemplar.WhichOneof("value")
            if name is None or exemplar.time_unix_nano >= END_NS:
                continue
            value = float(getattr(exemplar, name))
            own = series[0]
            if kind is Kind.HISTOGRAM and not self.is_custom:
                buckets = min(len(point.explicit_bounds), len(point.bucket_counts))
                bounds = [*point.explicit_bounds[:buckets], math.inf]
                places = [place for place, bound in enumerate(bounds) if value <= bound]
                own = series[len(series) - len(bounds) + (places[0] if places else buckets)]
            ids = [exemplar.trace_id, exemplar.span_id]
            for place, length in enumerate((16, 8)):
                if len(ids[place]) != length or not any(ids[place]):
                    ids[place] = b""
            message = exemplar.SerializeToString() if exemplar.filtered_attributes else b""
            labels = self.translator.exemplar(ids[0].hex(), ids[1].hex(), message)
            own_ms = exemplar.time_unix_nano // 10**6
            read.exemplars.append((own, own_ms or time, bits(value), labels))


@pytest.fixture(scope="session")
def read() -> Any:
    """Return the class of what was read."""
    return Read


@pytest.fixture(scope="session")
def reference() -> Any:
    """Return the class of the slow reader."""
    return Reference

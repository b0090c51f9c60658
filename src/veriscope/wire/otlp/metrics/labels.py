"""Label sets of the series that a stream of OTLP metrics becomes, as Prometheus makes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from veriscope.signals import (
    METRIC_NAME,
    InvalidInputError,
    Labels,
    MetricMetadata,
    MetricType,
    to_labels,
)
from veriscope.wire.otlp.metrics.names import Kind, Namer
from veriscope.wire.otlp.metrics.options import OtlpOptions
from veriscope.wire.otlp.metrics.texts import bound_text, value_text

TARGET_INFO: Final = MetricMetadata("target_info", MetricType.GAUGE, "Target metadata")
"""What is told of the metric that has a resource's attributes as labels."""

M = TypeVar("M", bound=Message)

_SERVICE_NAME: Final = "service.name"
_SERVICE_NAMESPACE: Final = "service.namespace"
_SERVICE_INSTANCE: Final = "service.instance.id"
_IDENTIFYING: Final = frozenset({_SERVICE_NAME, _SERVICE_NAMESPACE, _SERVICE_INSTANCE})
_MAX_LABELS: Final = 128
_MAX_NAME_BYTES: Final = 1_024
_MAX_VALUE_BYTES: Final = 65_535
_MAX_EXEMPLAR_CHARACTERS: Final = 128
_POINTS: Final[Mapping[Kind, Any]] = {
    Kind.GAUGE: NumberDataPoint,
    Kind.SUM: NumberDataPoint,
    Kind.HISTOGRAM: HistogramDataPoint,
    Kind.EXPONENTIAL_HISTOGRAM: ExponentialHistogramDataPoint,
    Kind.SUMMARY: SummaryDataPoint,
}
_TYPES: Final = {
    Kind.GAUGE: MetricType.GAUGE,
    Kind.SUM: MetricType.GAUGE,
    Kind.HISTOGRAM: MetricType.HISTOGRAM,
    Kind.EXPONENTIAL_HISTOGRAM: MetricType.HISTOGRAM,
    Kind.SUMMARY: MetricType.SUMMARY,
}


@dataclass(frozen=True, slots=True)
class ResourceLabels:
    """What a resource gives its series: labels over all others, and under all others."""

    target: Mapping[str, str]
    promoted: Mapping[str, str]
    info: Labels | None
    """The labels of `target_info`; None where the resource has none."""


@dataclass(frozen=True, slots=True)
class MetricHead:
    """What a metric says of all its points."""

    name: str
    help: str
    unit: str
    kind: Kind
    is_monotonic: bool


class Translator:
    """
    Makes label sets of resources, scopes and points.

    Every method raises `InvalidInputError` where that cannot be: a text that is not UTF-8, a
    name of which nothing is left, too many or too long labels.
    """

    def __init__(self, options: OtlpOptions) -> None:
        self._options = options
        self._namer = Namer(options)

    def resource(self, message: bytes) -> ResourceLabels:
        """Return the labels of a `Resource`."""
        attributes = _texts(_parsed(Resource, message).attributes)
        target = {}
        if (name := attributes.get(_SERVICE_NAME)) is not None:
            namespace = attributes.get(_SERVICE_NAMESPACE)
            target["job"] = name if namespace is None else f"{namespace}/{name}"
        if (instance := attributes.get(_SERVICE_INSTANCE)) is not None:
            target["instance"] = instance
        promoted = {
            self._namer.label(name): text
            for name, text in attributes.items()
            if self._is_promoted(name)
        }
        return ResourceLabels(target, promoted, self._target_info(attributes, target))

    def scope(self, message: bytes, schema_url: bytes) -> Mapping[str, str]:
        """Return the labels of a scope; none unless the options promote them."""
        if not self._options.promote_scope_metadata:
            return {}
        scope = _parsed(InstrumentationScope, message)
        if not scope.name:
            return {}
        return {
            **{
                self._namer.label(f"otel_scope_{name}"): text
                for name, text in _texts(scope.attributes).items()
            },
            "otel_scope_name": scope.name,
            "otel_scope_version": scope.version,
            "otel_scope_schema_url": decoded(schema_url),
        }

    def metadata(self, head: MetricHead) -> MetricMetadata:
        """Return name, type, help and unit of the series of a metric."""
        name = self._namer.metric(head.name, head.unit, head.kind, is_monotonic=head.is_monotonic)
        is_counter = head.kind is Kind.SUM and head.is_monotonic
        kind = MetricType.COUNTER if is_counter else _TYPES[head.kind]
        return MetricMetadata(name, kind, head.help, self._namer.unit(head.unit))

    def series(
        self,
        kind: Kind,
        name: str,
        message: bytes,
        resource: ResourceLabels,
        scope: Mapping[str, str],
    ) -> tuple[tuple[Labels, ...], tuple[float, ...]]:
        """
        Return the series of a point in the order of its samples, see `read_kernels`.

        Beside them the shape of a histogram with custom buckets: how many counts it has, and its
        bounds. The series of any other point tell its shape.
        """
        point = _parsed(_POINTS[kind], message)
        base = {**resource.promoted, **self._attributes(_texts(point.attributes))}
        base.update(scope)
        base.update(resource.target)
        own = tuple(_checked(base, pairs) for pairs in self._own_labels(name, point))
        if not own:
            raise InvalidInputError("a histogram has bounds that do not rise, or are not finite")
        if kind is Kind.HISTOGRAM and self._options.convert_histograms_to_nhcb:
            return own, (len(point.bucket_counts), *point.explicit_bounds)
        return own, ()

    def exemplar(self, trace_id: str, span_id: str, message: bytes) -> Labels:
        """Return the labels of an exemplar; *message* is empty without attributes of its own."""
        ids = {"trace_id": trace_id, "span_id": span_id}
        labels = {name: text for name, text in ids.items() if text}
        if message:
            own = _texts(_parsed(Exemplar, message).filtered_attributes)
            size = sum(len(name) + len(text) for name, text in (*labels.items(), *own.items()))
            if size <= _MAX_EXEMPLAR_CHARACTERS:
                labels = {**labels, **own}
        return to_labels(labels)

    def _own_labels(self, name: str, point: object) -> Iterable[Mapping[str, str]]:
        if isinstance(point, SummaryDataPoint):
            quantiles = [bound_text(pair.quantile) for pair in point.quantile_values]
            return (
                {METRIC_NAME: f"{name}_count"},
                {METRIC_NAME: f"{name}_sum"},
                *({METRIC_NAME: name, "quantile": quantile} for quantile in quantiles),
            )
        if not isinstance(point, HistogramDataPoint):
            return ({METRIC_NAME: name},)
        bounds = np.array(point.explicit_bounds)
        if self._options.convert_histograms_to_nhcb:
            is_rising = bool(np.all(np.diff(bounds) > 0) and np.all(np.isfinite(bounds)))
            return ({METRIC_NAME: name},) if is_rising else ()
        buckets = min(len(bounds), len(point.bucket_counts))
        texts = [*map(bound_text, bounds[:buckets].tolist()), "+Inf"]
        return (
            {METRIC_NAME: f"{name}_count"},
            *([{METRIC_NAME: f"{name}_sum"}] if point.HasField("sum") else []),
            *({METRIC_NAME: f"{name}_bucket", "le": text} for text in texts),
        )

    def _attributes(self, texts: Mapping[str, str]) -> dict[str, str]:
        if not self._options.translation_strategy.escapes:
            return dict(texts)
        labels: dict[str, str] = {}
        for name, text in sorted(texts.items()):
            label = self._namer.label(name)
            labels[label] = f"{labels[label]};{text}" if labels.get(label) else text
        return labels

    def _is_promoted(self, name: str) -> bool:
        if self._options.promote_all_resource_attributes:
            return name not in {known.strip() for known in self._options.ignore_resource_attributes}
        return name in {known.strip() for known in self._options.promote_resource_attributes}

    def _target_info(
        self, attributes: Mapping[str, str], target: Mapping[str, str]
    ) -> Labels | None:
        rest = {name: text for name, text in attributes.items() if name not in _IDENTIFYING}
        if not rest or not to_labels(target):
            return None
        shown = attributes if self._options.keep_identifying_resource_attributes else rest
        return _checked({**self._attributes(shown), **target}, {METRIC_NAME: TARGET_INFO.name})


def decoded(text: bytes) -> str:
    """Return UTF-8 as text; raises `InvalidInputError`."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError("a text of a metric is not valid UTF-8") from error


def _parsed(message: type[M], content: bytes) -> M:
    try:
        return message.FromString(content)
    except DecodeError as error:
        raise InvalidInputError(
            "a resource, scope or data point is malformed, or a text of it is not valid UTF-8"
        ) from error


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: value_text(pair.value) for pair in attributes}


def _checked(base: Mapping[str, str], own: Mapping[str, str]) -> Labels:
    labels = to_labels({**base, **own})
    if len(labels) > _MAX_LABELS:
        raise InvalidInputError(f"a series has more than {_MAX_LABELS} labels")
    for name, value in labels:
        if len(name.encode()) > _MAX_NAME_BYTES or len(value.encode()) > _MAX_VALUE_BYTES:
            raise InvalidInputError(
                f"a label name is longer than {_MAX_NAME_BYTES:,} bytes or a label value longer"
                f" than {_MAX_VALUE_BYTES:,} bytes"
            )
    return labels

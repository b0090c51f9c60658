"""Translates what was not known before: streams, resources, and what metadata there is to tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from veriscope.signals import InvalidInputError, MetricMetadata
from veriscope.wire.otlp.metrics.labels import (
    TARGET_INFO,
    MetricHead,
    ResourceLabels,
    Translator,
    decoded,
)
from veriscope.wire.otlp.metrics.layout import MetricColumn as M
from veriscope.wire.otlp.metrics.layout import Places
from veriscope.wire.otlp.metrics.layout import PointColumn as P
from veriscope.wire.otlp.metrics.layout import ResourceColumn as R
from veriscope.wire.otlp.metrics.names import Kind
from veriscope.wire.otlp.metrics.streams import NewStream, StreamTable

_DELTA: Final = 1
_CUMULATIVE: Final = 2
_WITH_TEMPORALITY: Final = (Kind.SUM, Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM)
_MAX_TOLD: Final = 100_000


@dataclass(slots=True)
class _Context:
    """A request, and what of it was translated already."""

    body: bytes
    places: Places
    resources: dict[int, ResourceLabels | InvalidInputError] = field(default_factory=dict)
    metrics: dict[int, "_Metric | InvalidInputError"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Metric:
    head: MetricHead
    metadata: MetricMetadata
    temporality: int
    scope: Mapping[str, str]


class Newcomers:
    """Makes known what a request has that is not; `untold` is metadata for the store."""

    def __init__(self, translator: Translator, table: StreamTable) -> None:
        self._translator = translator
        self._table = table
        self._told: set[MetricMetadata] = set()
        self.untold: list[MetricMetadata] = []

    def learn(self, body: bytes, places: Places, resources: int, points: int, now: int) -> None:
        """Give every resource and point of *places* its stream."""
        context = _Context(body, places)
        own_resources, own_points = places[0][:resources], places[3][:points]
        new_resources = np.flatnonzero(own_resources[:, R.STREAM] < 0)
        new_points = np.flatnonzero(own_points[:, P.STREAM] < 0)
        if not len(new_resources) and not len(new_points):
            return
        streams: dict[tuple[int, int], tuple[int, NewStream]] = {}
        wanted = []
        for rows, hashes, translate in (
            (new_resources, places[1], self._resource),
            (new_points, places[4], self._point),
        ):
            for row, low, high in zip(
                rows.tolist(), hashes[rows, 0].tolist(), hashes[rows, 1].tolist(), strict=True
            ):
                if (low, high) not in streams:
                    streams[low, high] = (len(streams), translate(context, row, low, high))
                wanted.append(streams[low, high][0])
        numbers = self._table.add([stream for _, stream in streams.values()], now)[wanted]
        own_resources[new_resources, R.STREAM] = numbers[: len(new_resources)]
        own_points[new_points, P.STREAM] = numbers[len(new_resources) :]

    def _resource(self, context: _Context, row: int, low: int, high: int) -> NewStream:
        """Return the stream of a resource's `target_info`; a refused one where it has none."""
        found = self._labels_of(context, row)
        if isinstance(found, InvalidInputError) or found.info is None:
            return NewStream(low, high, Kind.GAUGE, refusal="the resource has no target_info")
        self._tell(TARGET_INFO)
        return NewStream(low, high, Kind.GAUGE, (found.info,))

    def _point(self, context: _Context, row: int, low: int, high: int) -> NewStream:
        metric_row, begin, end = context.places[3][row, : P.END + 1].tolist()
        kind = Kind(int(context.places[2][metric_row, M.KIND]))
        try:
            metric = self._metric(context, metric_row)
            resource_row = int(context.places[2][metric_row, M.RESOURCE])
            if isinstance(resource := self._labels_of(context, resource_row), InvalidInputError):
                raise resource
            series, shape = self._translator.series(
                kind, metric.metadata.name, context.body[begin:end], resource, metric.scope
            )
        except InvalidInputError as error:
            return NewStream(low, high, kind, refusal=str(error))
        self._tell(metric.metadata)
        return NewStream(
            low,
            high,
            kind,
            series,
            is_delta=kind in _WITH_TEMPORALITY and metric.temporality == _DELTA,
            shape=shape,
            resets=kind is not Kind.SUM or metric.head.is_monotonic,
        )

    def _labels_of(self, context: _Context, row: int) -> ResourceLabels | InvalidInputError:
        if (known := context.resources.get(row)) is not None:
            return known
        begin, end = context.places[0][row, : R.END + 1].tolist()
        found: ResourceLabels | InvalidInputError
        try:
            found = self._translator.resource(context.body[begin:end])
        except InvalidInputError as error:
            found = error
        context.resources[row] = found
        return found

    def _metric(self, context: _Context, row: int) -> _Metric:
        """Return what the points of a metric share; raises `InvalidInputError`."""
        if (known := context.metrics.get(row)) is None:
            try:
                known = self._read_metric(context, row)
            except InvalidInputError as error:
                known = error
            context.metrics[row] = known
        if isinstance(known, InvalidInputError):
            raise known
        return known

    def _read_metric(self, context: _Context, row: int) -> _Metric:
        columns = context.places[2][row].tolist()

        def text(begin: M) -> bytes:
            return context.body[columns[begin] : columns[begin + 1]]

        kind, temporality = Kind(columns[M.KIND]), columns[M.TEMPORALITY]
        if kind in _WITH_TEMPORALITY and temporality not in {_DELTA, _CUMULATIVE}:
            raise InvalidInputError("a metric has no aggregation temporality")
        head = MetricHead(
            decoded(text(M.NAME_BEGIN)),
            decoded(text(M.HELP_BEGIN)),
            decoded(text(M.UNIT_BEGIN)),
            kind,
            bool(columns[M.MONOTONIC]),
        )
        scope = self._translator.scope(text(M.SCOPE_BEGIN), text(M.SCHEMA_BEGIN))
        return _Metric(head, self._translator.metadata(head), temporality, scope)

    def _tell(self, metadata: MetricMetadata) -> None:
        if metadata not in self._told:
            if len(self._told) >= _MAX_TOLD:
                self._told.clear()
            self._told.add(metadata)
            self.untold.append(metadata)

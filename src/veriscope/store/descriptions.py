"""Metadata of metrics: told to the engine when it is new, though senders repeat it all the time."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import MetricMetadata, MetricType, SampleBatch
from veriscope.store.errors import RefusedError
from veriscope.store.known import KnownSeries
from veriscope.store.requests import Accepted, MetricRequest
from veriscope.wire.remote_write_columns import WriteColumns, to_metadata
from veriscope.wire.remote_write_v1 import parse_metadata

_MAX_TOLD: Final = 100_000
# The series of these types have a name of their own each; metadata goes by that of the family.
_SUFFIXES: Final = {
    MetricType.HISTOGRAM: ("_bucket", "_count", "_sum"),
    MetricType.GAUGE_HISTOGRAM: ("_bucket", "_gcount", "_gsum"),
    MetricType.SUMMARY: ("_count", "_sum"),
}


class Descriptions:
    """Remembers what of metadata is stored. One thread at a time."""

    def __init__(self, known: KnownSeries) -> None:
        self._known = known
        self._told: set[MetricMetadata] = set()
        self._read: dict[bytes, MetricMetadata] = {}

    def standing_alone(self, request: MetricRequest) -> frozenset[MetricMetadata]:
        """Return the metadata of *request* that stands apart from its series."""
        if isinstance(request, SampleBatch):
            for known in request.metadata:
                _check_text(known)
            return frozenset(request.metadata)
        if not isinstance(request, WriteColumns) or not request.families:
            return frozenset()
        found = {self._parsed(message) for message in request.families}
        return frozenset(known for known in found if known.name)

    def beside_series(self, one: Accepted) -> frozenset[MetricMetadata]:
        """Return the metadata beside the series of *one* that is not known of them."""
        request, rows = one.request, one.resolution.rows
        if not isinstance(request, WriteColumns):
            return frozenset()
        described, metadata = request.described, request.metadata
        if described is None or metadata is None:
            return frozenset()
        places = np.flatnonzero((described != 0) & (rows >= 0))
        places = places[self._known.undescribed(rows[places], described[places])]
        if not len(places):
            return frozenset()
        metric = self._known.metric[rows[places]].astype(np.uint64)
        both = np.stack((metric, described[places]), axis=1)
        _, first = np.unique(both, axis=0, return_index=True)
        names = self._known.metrics
        return frozenset(
            _of_family(names[number], *metadata(place))
            for place, number in zip(places[first].tolist(), both[first, 0].tolist(), strict=True)
        )

    def untold(self, metadata: frozenset[MetricMetadata]) -> frozenset[MetricMetadata]:
        """Return those that the engine was not told of."""
        return metadata - self._told

    def tell(self, metadata: frozenset[MetricMetadata], accepted: Sequence[Accepted]) -> None:
        """Note that the engine has *metadata*, and what stands beside the series of *accepted*."""
        if len(self._told) > _MAX_TOLD:
            self._told.clear()
        self._told |= metadata
        for one in accepted:
            described, rows = _described(one), one.resolution.rows
            if described is not None:
                places = np.flatnonzero((described != 0) & (rows >= 0))
                self._known.describe(rows[places], described[places])

    def _parsed(self, message: bytes) -> MetricMetadata:
        known = self._read.get(message)
        if known is None:
            if len(self._read) > _MAX_TOLD:
                self._read.clear()
            known = self._read[message] = parse_metadata(message)
        return known


def _described(one: Accepted) -> NDArray[np.uint64] | None:
    return one.request.described if isinstance(one.request, WriteColumns) else None


def _of_family(metric: str, kind: int, text: bytes, unit: bytes) -> MetricMetadata:
    known = to_metadata(kind, metric.encode(), text, unit)
    for suffix in _SUFFIXES.get(known.type, ()):
        if metric.endswith(suffix):
            name = metric.removesuffix(suffix)
            return MetricMetadata(name, known.type, known.help, known.unit)
    return known


def _check_text(known: MetricMetadata) -> None:
    try:
        f"{known.name}{known.help}{known.unit}".encode()
    except UnicodeEncodeError as error:
        raise RefusedError(f"a label or help text is not valid Unicode: {error}") from error

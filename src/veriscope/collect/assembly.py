"""From readings to batches whose label sets are the same objects from tick to tick."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from veriscope.collect.sensors import Readings
from veriscope.signals import STALE_NAN, Labels, MetricMetadata, SampleBatch


class BatchAssembly:
    """
    Joins readings to batches that keep one `labels` tuple while the series stay the same.

    A sensor that was not read this time keeps its place in `labels` and has no sample. A series
    that ended gets one stale marker; its label set stays in the tuple until the next change, so
    that an end costs the reader one new tuple, not two.
    """

    def __init__(self) -> None:
        self._parts: tuple[tuple[Labels, ...], ...] = ()
        self._labels: tuple[Labels, ...] = ()
        self._live = 0
        self._indices: dict[tuple[int, ...], NDArray[np.uint32]] = {}

    def batch(
        self,
        readings: Sequence[Readings],
        fresh: Sequence[int],
        now_ms: int,
        metadata: tuple[MetricMetadata, ...],
    ) -> SampleBatch:
        """Return the values of `readings[i]` for *i* in *fresh*, all at *now_ms*."""
        values = list(chain.from_iterable(readings[i].values for i in fresh))
        parts = tuple(part.labels for part in readings)
        if len(parts) == len(self._parts) and all(map(_is, parts, self._parts)):
            index = self._index(tuple(fresh))
        else:
            ended = self._relabel(parts)
            index = np.concatenate(
                (
                    self._index(tuple(fresh)),
                    np.arange(self._live, self._live + ended, dtype=np.uint32),
                )
            )
            values.extend([STALE_NAN] * ended)
        return SampleBatch(
            labels=self._labels,
            series=index,
            timestamps_ms=np.full(len(index), now_ms, dtype=np.int64),
            values=np.array(values, dtype=np.float64),
            metadata=metadata,
        )

    def _relabel(self, parts: tuple[tuple[Labels, ...], ...]) -> int:
        """Take over the new series, those that ended behind them; return how many ended."""
        before = self._labels[: self._live]
        live = tuple(chain.from_iterable(parts))
        still = set(live)
        ended = tuple(labels for labels in before if labels not in still)
        self._parts = parts
        self._indices = {}
        self._live = len(live)
        self._labels = live + ended
        return len(ended)

    def _index(self, fresh: tuple[int, ...]) -> NDArray[np.uint32]:
        """Return the places in `labels` of the sensors in *fresh*."""
        index = self._indices.get(fresh)
        if index is None:
            ends = np.cumsum([0, *map(len, self._parts)])
            ranges = [np.arange(ends[i], ends[i + 1], dtype=np.uint32) for i in fresh]
            index = np.concatenate(ranges) if ranges else np.empty(0, dtype=np.uint32)
            self._indices[fresh] = index
        return index


def _is(left: object, right: object) -> bool:
    return left is right

"""Batches of samples in columns: what collectors produce and the store takes."""

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.labels import Labels

STALE_BITS: Final = 0x7FF0000000000002
"""The NaN payload by which Prometheus marks the end of a series."""

STALE_NAN: Final[float] = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]
"""The stale marker as a float. Compare bits (`is_stale`), never values: it is a NaN."""


def is_stale(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where *values* hold the stale marker; same shape. Other NaNs are not stale."""
    bits: NDArray[np.uint64] = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    return np.equal(bits, np.uint64(STALE_BITS))


class MetricType(StrEnum):
    """The metric types of the Prometheus and OpenMetrics formats."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    GAUGE_HISTOGRAM = "gaugehistogram"
    SUMMARY = "summary"
    INFO = "info"
    STATESET = "stateset"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MetricMetadata:
    """What a metric family means: `name` as in queries, `unit` a base unit such as `bytes`."""

    name: str
    type: MetricType
    help: str
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SampleBatch:
    """
    Samples in columns: sample *i* is `values[i]` at `timestamps_ms[i]` of `labels[series[i]]`.

    `labels` holds each series once, its name under `__name__`. Collectors hand over the same
    tuple object again while their series stay the same, so that the store need not encode and
    hash them again.
    """

    labels: tuple[Labels, ...]
    series: NDArray[np.uint32]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    metadata: tuple[MetricMetadata, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.series) == len(self.timestamps_ms) == len(self.values):
            raise ValueError("columns of a batch must have the same length")

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.values)

    @classmethod
    def at(
        cls,
        labels: tuple[Labels, ...],
        values: NDArray[np.float64],
        time_ms: int,
        metadata: tuple[MetricMetadata, ...] = (),
    ) -> "SampleBatch":
        """Return one sample for each series, all at *time_ms* (Unix milliseconds)."""
        count = len(labels)
        return cls(
            labels=labels,
            series=np.arange(count, dtype=np.uint32),
            timestamps_ms=np.full(count, time_ms, dtype=np.int64),
            values=values,
            metadata=metadata,
        )

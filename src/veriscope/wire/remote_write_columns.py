"""
Remote write messages as columns: what a receiver stores, and a key for each series.

Only a server imports this module; senders need `remote_write` alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import InvalidInputError, Labels, MetricMetadata, MetricType
from veriscope.signals.histograms import Histograms
from veriscope.wire.remote_write import METRIC_TYPES


@dataclass(frozen=True, slots=True, eq=False)
class LabelSpans:
    """
    Labels of series as they were sent: in any order, and not checked.

    Those of series *i* are the rows `offsets[i]:offsets[i + 1]` of `pairs`, each where a name
    starts and ends in `text`, and where its value does.
    """

    text: bytes
    offsets: NDArray[np.int64]
    pairs: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the series."""
        return len(self.offsets) - 1


class Senders(Protocol):
    """What a message says of its series, read when it is wanted."""

    @property
    def nbytes(self) -> int:
        """What it takes in memory to find that."""

    def labels(self, places: NDArray[np.int64]) -> LabelSpans:
        """
        Return the labels of the series at *places*.

        Raises `InvalidInputError` where a label is malformed.
        """


@dataclass(frozen=True, slots=True, eq=False)
class WriteColumns:
    """
    One remote write message, of any version.

    Sample *i* is `values[i]` at `timestamps_ms[i]` of series `series[i]`; the same goes for
    `histogram_*` and `exemplar_*`. `keys[s]`, two words, is a hash of the labels of series *s*
    under a secret key: equal only where the same was sent; zeros mean that it has none.
    Where a version has metadata beside series, `described[s]` is such a hash of that of series
    *s*, 0 where there is none, and `metadata(s)` its type, help and unit. `families` are messages
    of metadata that stand alone. Where a counter or a histogram was sent with the time at which
    it began to count, `starts_ms` and `histogram_starts_ms` have that of each sample and each
    histogram, 0 where there is none; they are None where there is none at all.
    """

    keys: NDArray[np.uint64]
    series: NDArray[np.int32]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    histogram_series: NDArray[np.int32]
    histogram_times_ms: NDArray[np.int64]
    histograms: Histograms
    exemplar_series: NDArray[np.int32]
    exemplar_times_ms: NDArray[np.int64]
    exemplar_values: NDArray[np.float64]
    exemplar_labels: tuple[Labels, ...]
    senders: Senders
    described: NDArray[np.uint64] | None = None
    metadata: Callable[[int], tuple[int, bytes, bytes]] | None = None
    families: Sequence[bytes] = ()
    starts_ms: NDArray[np.int64] | None = None
    histogram_starts_ms: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Count the samples, histograms and exemplars."""
        return len(self.series) + len(self.histogram_series) + len(self.exemplar_series)

    @property
    def nbytes(self) -> int:
        """What the columns take in memory, roughly: for a message of empty parts, much more."""
        samples = (self.series, self.timestamps_ms, self.starts_ms, self.values)
        others = (self.keys, self.described, self.histogram_series, self.histogram_times_ms)
        own = sum(column.nbytes for column in (*samples, *others) if column is not None)
        return own + self.histograms.nbytes + self.senders.nbytes

    @property
    def points(self) -> NDArray[np.int64]:
        """How many samples, exemplars and histograms each series has."""
        each = (self.series, self.exemplar_series, self.histogram_series)
        counts: NDArray[np.int64] = np.bincount(np.concatenate(each), minlength=len(self.keys))
        return counts


def to_metadata(kind: int, name: bytes, help_text: bytes, unit: bytes) -> MetricMetadata:
    """Return the metadata of these texts; raises `InvalidInputError` where one is not UTF-8."""
    try:
        texts = [text.decode() for text in (name, help_text, unit)]
    except UnicodeDecodeError as error:
        raise InvalidInputError("the name, help or unit of a metric is not valid UTF-8") from error
    known = METRIC_TYPES[kind] if kind < len(METRIC_TYPES) else METRIC_TYPES[0]
    return MetricMetadata(texts[0], MetricType(known), texts[1], texts[2])
